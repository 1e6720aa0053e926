"""Draw the dashboard's pictures from the demo swarm, as SVG and as PNG.

    uv run screenshots/make.py [NAME …]

A real hub and the demo's agents run beside it; the dashboard runs without a terminal,
is driven by keys, and exports what it shows. With names only these pictures are made.
The PNGs want the fonts Fira Code, DejaVu Sans and Symbola to be installed.
"""
# ruff: noqa: INP001  # a program, not a package

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import resvg_py
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from agentkit.coordinator import Coordinator
from agentkit.settings import Endpoint
from swarmtui.app import SwarmApp
from swarmtui.demo.stage import private_hub, stage
from swarmtui.preferences import Preferences
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from swarmtui.replay_app import ReplayApp

FOLDER = Path(__file__).parent
WIDE, SMALL = (120, 36), (80, 24)
AGENTS, SEED = 96, 7
PLAN = Path("examples") / "peering" / "config" / "peering_demo.yml"
"""Typed into the sheet that runs a plan."""
LIVELY = 40.0
"""Seconds until there is something to see in every view."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: which keys lead to it, and which lead away again."""

    name: str
    keys: tuple[str, ...] = ()
    """Keys in Textual's names; what begins with ``=`` is typed as text."""
    back: tuple[str, ...] = ()
    rest: float = 1.3
    """Seconds before it is taken."""


VIEWS = (
    Shot("fleet", ("1", "j", "j", "j", "j"), rest=2.2),
    Shot("queue", ("2",)),
    Shot("help", ("3",), rest=1.8),
    Shot("traffic", ("4",), rest=3.0),
    Shot("links", ("l", "j", "j", "j"), ("escape",), rest=2.2),
    Shot("letters", ("left", "j"), ("right", "escape"), rest=1.8),
    Shot("message", ("4", *["up"] * 6), ("escape",)),
    Shot("tasks", ("5",), rest=1.8),
    Shot("tasks-leased", ("right",), rest=1.8),
    Shot("tasks-dead", ("right", "right"), rest=1.8),
    Shot("runs", ("6", "j"), rest=2.2),
    Shot("runs-opened", ("enter",), ("escape", "escape"), rest=2.2),
    Shot("launch", ("e", "=" + str(PLAN)), ("escape",), rest=1.8),
)
SHEETS = (
    Shot(
        "assign",
        ("2", "space", "space", "space", "a", "=captions for lesson 13"),
    ),
    Shot("assign-ledger", ("enter",), ("escape", "escape"), rest=2.5),
    Shot("confirm", ("1", "b", "=freeze main until 21:00", "enter"), ("escape",)),
    Shot("broadcast", ("b", "=freeze main until 21:00", "tab", "=cap:python,sql")),
    Shot("broadcast-ledger", ("enter",), ("escape",), rest=0.5),
    Shot("answer", ("3", "slash", "=drop the table", "enter", "r")),
    Shot("answered", ("1",), ("escape",), rest=1.5),
    Shot(
        "enqueue",
        ("5", "e", "=measure the restore of a backup", "tab", "tab", "=postgres"),
        ("escape",),
    ),
    Shot("recipients", ("ctrl+p", "=ledger of", "enter"), ("escape",)),
    Shot("why", ("1", "w"), ("escape",)),
    Shot("filter", ("1", "slash", "=state:busy cap:python cost>2"), ("escape",)),
    Shot("filter-wrong", ("slash", "=state:busy csot>2"), ("escape",)),
    Shot("palette", ("ctrl+p", "=help"), ("escape",)),
    Shot("keys", ("question_mark",), ("escape",)),
)


class Said(NamedTuple):
    """What a program says to its hook."""

    product: str
    session: str
    folder: str
    event: str
    more: Mapping[str, object]


SHOP, TESTS = "0d2c-7bd97ad6", "91b7-c04e11f2"
NPM = {"tool_name": "Bash", "tool_input": {"command": "npm install vitest"}}
CENTS, ROUNDED = "7a18-6c07cdb86f", "7b02-5d41e2aa90"
GUIDE, FRESH = "40c3-5feea210eda1", "4f33-83c8b143d0e1"
CSS, KEYS = "447e-ffad508ee3", "4b1f-a2e5590d31"
SESSIONS = (
    Said("claude", SHOP, "shop", "Stop", {}),
    Said("claude", SHOP, "shop", "UserPromptSubmit", {"prompt": "mend the checkout"}),
    Said("claude", TESTS, "shop", "UserPromptSubmit", {"prompt": "write the tests"}),
    Said("claude", TESTS, "shop", "PermissionRequest", NPM),
    Said("codex", CENTS, "billing", "UserPromptSubmit", {"prompt": "round to cents"}),
    Said("codex", ROUNDED, "billing", "Stop", {"stop_hook_active": False}),
    Said("gemini", GUIDE, "docs", "BeforeAgent", {"prompt": "translate the guide"}),
    Said("gemini", FRESH, "docs", "SessionStart", {"source": "startup"}),
    Said("copilot", CSS, "shop", "sessionStart", {"source": "new"}),
    Said("copilot", CSS, "shop", "userPromptSubmitted", {"prompt": "tidy the CSS"}),
    Said("claude", KEYS, "infra", "UserPromptSubmit", {"prompt": "renew the keys"}),
    Said("claude", KEYS, "infra", "StopFailure", {"error": "rate_limit"}),
)


# --- Pictures ------------------------------------------------------------------------


def save(app: SwarmApp, name: str) -> None:
    """Write what the app shows as SVG and PNG."""
    svg = app.export_screenshot(title="swarmtui", simplify=True)
    (FOLDER / f"{name}.svg").write_text(svg, "utf-8")
    # Rich asks for Arial, and the converter has no fallback for a title.
    drawn = svg.replace("font-family: arial", "font-family: DejaVu Sans")
    png = resvg_py.svg_to_bytes(svg_string=drawn, monospace_family="Fira Code")
    (FOLDER / f"{name}.png").write_bytes(bytes(png))
    sys.stderr.write(f"{name}\n")


async def press(pilot: Pilot[None], keys: tuple[str, ...]) -> None:
    """Press keys, and type what begins with ``=``."""
    for key in keys:
        if key.startswith("="):
            field = pilot.app.focused
            if isinstance(field, Input):
                field.clear()
            await pilot.press(*map(_named, key[1:]))
        else:
            await pilot.press(key)
        await pilot.pause(0.1)


def _named(sign: str) -> str:
    return _character_to_key(sign)


@asynccontextmanager
async def shown(
    hub: Endpoint, size: tuple[int, int], theme: str = "swarm-night"
) -> AsyncIterator[tuple[SwarmApp, Pilot[None]]]:
    """Run the dashboard over a hub without a terminal."""
    app = SwarmApp(
        Coordinator(hub, batch_ms=100), settings=Preferences(theme=theme, notices="off")
    )
    async with app.run_test(size=size) as pilot:
        while not app.model.loaded:
            await pilot.pause(0.05)
        yield app, pilot


async def take(
    app: SwarmApp, pilot: Pilot[None], shots: tuple[Shot, ...], suffix: str = ""
) -> None:
    """Take pictures one after the other."""
    for shot in shots:
        await press(pilot, shot.keys)
        await pilot.pause(shot.rest)
        if wanted(shot.name):
            save(app, shot.name + suffix)
        await press(pilot, shot.back)


def wanted(name: str) -> bool:
    """Say whether a picture is to be written; with no names on the line, all are."""
    return not sys.argv[1:] or name in sys.argv[1:]


# --- Scenes --------------------------------------------------------------------------


async def everything(hub: Endpoint) -> None:
    """Every view and every sheet, in both sizes."""
    for size, suffix in ((WIDE, ""), (SMALL, "-80x24")):
        async with shown(hub, size) as (app, pilot):
            await pilot.pause(2.5)
            await take(app, pilot, VIEWS, suffix)
            await take(app, pilot, SHEETS, suffix)


async def themes(hub: Endpoint) -> None:
    """The fleet by day, and in colours that everybody can tell apart."""
    for theme in ("swarm-day", "swarm-clear"):
        async with shown(hub, WIDE, theme) as (app, pilot):
            await pilot.pause(2.5)
            name = f"fleet-{theme.removeprefix('swarm-')}"
            await take(app, pilot, (Shot(name, ("j", "j", "j", "j")),))


async def overloaded(hub: Endpoint) -> None:
    """The dashboard when drains take too long."""
    async with shown(hub, WIDE) as (app, pilot):
        await pilot.pause(2.5)
        while app.pace.rate > 2:
            app.pace.note(1.0)
        await take(app, pilot, (Shot("overloaded", ("1",)),))


async def empty() -> None:
    """A hub that no agent has spoken to."""
    with TemporaryDirectory() as home, private_hub(Path(home)) as hub:
        for size, suffix in ((WIDE, ""), (SMALL, "-80x24")):
            async with shown(hub, size) as (app, pilot):
                await take(app, pilot, (Shot("empty"),), suffix)


async def sessions() -> None:
    """Sessions of products that people run, told of by their hooks."""
    with TemporaryDirectory() as home, private_hub(Path(home)) as hub:
        for said in SESSIONS:
            hook(hub, said)
        async with shown(hub, WIDE) as (app, pilot):
            await take(app, pilot, (Shot("sessions", ("1", "j"), rest=2.2),))


def hook(hub: Endpoint, said: Said) -> None:
    """Call the hook as the program does."""
    payload = {
        "hook_event_name": said.event,
        "session_id": said.session,
        "sessionId": said.session,
        "cwd": f"/home/me/{said.folder}",
        **said.more,
    }
    subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).parent / "agentkit", "hook", said.product, said.event],
        input=json.dumps(payload).encode(),
        env={**os.environ, "SWARMTUI_URL": hub.url, "SWARMTUI_TOKEN": hub.token},
        check=True,
    )


async def disconnected() -> None:
    """The dashboard when its hub has gone away."""
    for size, suffix in ((WIDE, ""), (SMALL, "-80x24")):
        with ExitStack() as running:
            hub = running.enter_context(stage(AGENTS, SEED))
            await asyncio.sleep(LIVELY / 2)
            async with shown(hub, size) as (app, pilot):
                await pilot.pause(1.0)
                running.close()
                await take(app, pilot, (Shot("disconnected", rest=3.0),), suffix)


async def replay() -> None:
    """A recording that is played."""
    film = FOLDER.parent / "tests" / "snapshot" / "demo.rec.gz"
    for size, suffix in ((WIDE, ""), (SMALL, "-80x24")):
        app = ReplayApp(Replay(Reel(film), at=17), settings=Preferences(notices="off"))
        async with app.run_test(size=size) as pilot:
            while not app.model.loaded:
                await pilot.pause(0.05)
            shot = Shot("replay", ("j", "j", "right_square_bracket"), rest=2.2)
            await take(app, pilot, (shot,), suffix)


async def main() -> None:
    """Make every picture that is wanted."""
    if wanted("replay"):
        await replay()
    if sys.argv[1:] == ["replay"]:
        return
    if wanted("sessions"):
        await sessions()
    if sys.argv[1:] == ["sessions"]:
        return
    with stage(AGENTS, SEED) as hub:
        await asyncio.sleep(LIVELY)
        if any(wanted(shot.name) for shot in VIEWS + SHEETS):
            await everything(hub)
        if wanted("fleet-day") or wanted("fleet-clear"):
            await themes(hub)
        if wanted("overloaded"):
            await overloaded(hub)
    if wanted("empty"):
        await empty()
    if wanted("disconnected"):
        await disconnected()


if __name__ == "__main__":
    with TemporaryDirectory() as home:
        os.environ["SWARMTUI_HOME"] = home
        asyncio.run(main())
