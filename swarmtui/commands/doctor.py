"""``swarmtui doctor``: looks at the set-up and says what to do about it.

Every check is a function that returns a `Finding`; `CHECKS` is the order. Nothing of
the user's is changed: reports travel through a hub that the doctor starts for itself.
"""

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from agentkit.calls import Caller
from agentkit.changes import Stats
from agentkit.errors import AgentkitError, HubError, HubUnreachable, Invalid
from agentkit.processes import is_running
from agentkit.sealing import WrongKey
from agentkit.settings import Endpoint, KitSettings, discover, load, paths
from swarmtui import __version__, output
from swarmtui.asking import KNOCK, hub_meant, hub_options
from swarmtui.commands.paths import TABLES, strays
from swarmtui.commands.serve import (
    Settings,
    alert_targets,
    check_key,
    check_results,
    check_store,
    made_by_hub,
    store_here,
)
from swarmtui.commands.wiring import agents
from swarmtui.finding import Finding
from swarmtui.limits import lift_file_limit
from swarmtui.output import Column, Form

COLUMNS = (
    Column("result", coloured=True),
    Column("check"),
    Column("found", flexible=True),
)
LIBRARIES = ("textual", "rich", "uvicorn", "starlette", "websockets", "pydantic")
SAFE_WAL = (3, 51, 3)
"""From this SQLite on two connections that write at once cannot harm a log."""
FEW_FILES = 4096
SKEW = timedelta(seconds=5)
PATIENCE = 10.0
PATIENCE_FOR_STORE = 600.0
DAMAGED = "stop the hub, then swarmtui restore FILE with your newest backup"
FOREIGN = "move it away, or name another folder: data_dir under [hub]"
LOCKED = "set storage_master_key_file to the key that the hub has"


def python() -> Finding:
    """Which Python runs us."""
    return Finding("ok", f"{sys.version.split()[0]}, {sys.executable}")


def packages() -> Finding:
    """Which versions of ourselves and what we stand on."""
    found = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return Finding("ok", f"swarmtui {__version__}, {found}")


def sqlite() -> Finding:
    """Whether SQLite has the fix of its write-ahead log."""
    if sqlite3.sqlite_version_info >= SAFE_WAL:
        return Finding("ok", sqlite3.sqlite_version)
    fixed = ".".join(map(str, SAFE_WAL))
    return Finding(
        "ok", f"{sqlite3.sqlite_version}, before {fixed}: one writer, as the hub has it"
    )


def settings() -> Finding:
    """Whether every setting can be read, and every variable is one."""
    try:
        sources = [
            source
            for table in TABLES
            for source in load(table).sources.values()
            if source.layer != "default"
        ]
    except AgentkitError as error:
        return Finding("fail", str(error), "correct it, see swarmtui paths --sources")
    unread = strays()
    if unread:
        return Finding(
            "warn",
            f"read by nothing: {', '.join(stray.name for stray in unread)}",
            "; ".join(f"{stray.name}: {stray.remedy}" for stray in unread),
        )
    return Finding("ok", f"{len(sources)} set, the rest as usual")


def files() -> Finding:
    """Whether our folders can be written, and are ours alone."""
    places = paths()
    for path in (places.database.parent, places.hub_file.parent, places.logs):
        ground = _nearest(path)
        if not os.access(ground, os.W_OK | os.X_OK):
            return Finding(
                "fail", f"{ground} cannot be written", "make it yours, or SWARMTUI_HOME"
            )
    for path in (places.database, places.hub_file):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            return Finding("warn", f"others can read {path}", f"chmod 600 {path}")
    return Finding("ok", f"{places.database.parent} and others, for you alone")


def _nearest(path: Path) -> Path:
    return path if path.exists() else _nearest(path.parent)


def space() -> Finding:
    """Whether there is room for the store."""
    ground = _nearest(paths().database.parent)
    free = shutil.disk_usage(ground).free / 2**20
    if free < 100:
        return Finding("fail", f"{free:.0f} MB free at {ground}", "make room")
    return Finding("ok", f"{free / 1024:.0f} GB free at {ground}")


def sockets() -> Finding:
    """Whether many agents could connect."""
    allowed = lift_file_limit()
    if allowed < FEW_FILES:
        return Finding(
            "warn",
            f"{allowed} open files",
            "raise it for more agents: ulimit -n",
        )
    return Finding("ok", f"{allowed:,} open files, one for each agent")


def terminal() -> Finding:
    """Whether the dashboard can draw here."""
    term = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    encoding = (sys.stdout.encoding or "").lower()
    found = f"{term or 'none'}, {size.columns}×{size.lines}, {encoding}"  # noqa: RUF001
    if not sys.stdout.isatty():
        return Finding("ok", "none here")
    if term in ("", "dumb"):
        return Finding("warn", found, "the dashboard needs one: TERM=xterm")
    if "utf" not in encoding:
        return Finding("warn", found, "choose a UTF-8 locale, for example C.UTF-8")
    if size.columns < 80 or size.lines < 24:
        return Finding("warn", found, "make it 80×24 or larger")  # noqa: RUF001
    return Finding("ok", found)


def announcement() -> Finding:
    """Whether a hub announced itself here, and still runs."""
    try:
        found = discover()
    except AgentkitError as error:
        return Finding("fail", str(error), "delete it and start the hub again")
    if found is None:
        return Finding("ok", "no hub runs here; swarmtui starts one")
    if not is_running(found.pid):
        return Finding(
            "warn", f"{found.url} is gone without a word", f"rm {paths().hub_file}"
        )
    return Finding("ok", f"{found.url}, process {found.pid}, {found.version}")


def hub() -> Finding:
    """Whether the hub answers, takes our token and can write."""
    try:
        meant = hub_meant()
        started = time.perf_counter()
        with Caller(meant, KNOCK) as caller:
            told = caller.request("GET", "/healthz")
            took = (time.perf_counter() - started) * 1000
            caller.request("GET", "/readyz")
            caller.get("queue")
    except HubUnreachable as error:
        if load(KitSettings).values.url:
            return Finding("fail", str(error), "start it, or correct SWARMTUI_URL")
        return Finding("ok", "none to ask")
    except AgentkitError as error:
        return Finding("fail", str(error), "see the hub's log")
    return Finding(
        "ok", f"{meant.url}, {told.get('version')}, {took:.1f} ms, token accepted"
    )


def store() -> Finding:
    """Whether the store is sound, as the hub reads it, or as it lies here."""
    try:
        with Caller(hub_meant(), PATIENCE_FOR_STORE) as caller:
            told = caller.get("integrity")
    except HubUnreachable:
        return _store_at_rest()
    except HubError as error:
        return Finding("warn", str(error), "see the hub's log")
    except AgentkitError as error:
        return Finding("warn", str(error), "ask with the operator's token")
    if not told["ok"]:
        return _damaged(told["problems"][0])
    if not told["size"]:
        return Finding("ok", "in memory")
    size = told["size"] / 2**20
    return Finding("ok", f"sound, {size:,.1f} MiB, version {told['version']}")


def _store_at_rest() -> Finding:
    at = store_here()
    if load(KitSettings).values.url or not _is_begun(at):
        return Finding("ok", "none yet")
    try:
        if not made_by_hub(at):
            return Finding("fail", f"{at} is a database of another program", FOREIGN)
        problems = check_store(at)
        check_key(at)
        problems = problems or tuple(check_results(at))
    except (WrongKey, Invalid) as error:
        return Finding("fail", str(error), LOCKED)
    except AgentkitError as error:
        return Finding("fail", str(error), DAMAGED)
    if problems:
        return _damaged(problems[0])
    return Finding("ok", f"sound, {at.stat().st_size / 2**20:,.1f} MiB, at rest")


def _is_begun(store: Path) -> bool:
    """Say whether there is something in a file; a hub begins with an empty one too."""
    return store.is_file() and store.stat().st_size > 0


def _damaged(problem: str) -> Finding:
    return Finding("fail", f"damaged: {problem}", DAMAGED)


def clock() -> Finding:
    """Whether the hub's clock and ours agree."""
    try:
        behind = asyncio.run(_behind(hub_meant()))
    except (AgentkitError, TimeoutError):
        return Finding("ok", "no hub to compare with")
    if abs(behind) > SKEW:
        return Finding(
            "warn", f"the hub's is {behind.total_seconds():+.0f} s", "set both by NTP"
        )
    return Finding("ok", f"{behind.total_seconds() * 1000:+.0f} ms")


async def _behind(meant: Endpoint) -> timedelta:
    return (await _figures(meant)).at - datetime.now(UTC)


async def _figures(meant: Endpoint) -> Stats:
    """Return how a hub says that it is."""
    from agentkit.coordinator import Coordinator

    async with asyncio.timeout(PATIENCE), Coordinator(meant) as swarm:
        async for _ in swarm.changes():
            if swarm.stats is not None:
                return swarm.stats
    raise TimeoutError


def alerts() -> Finding:
    """Whether people elsewhere are told of what needs one, and who of them is."""
    try:
        settings = load(Settings).values
        urls = settings.alert_addresses
        names = [target.name for target in (alert_targets(urls) if urls else ())]
    except AgentkitError as error:
        return Finding("fail", str(error), "correct it, then swarmtui alerts test")
    if failing := _failing_targets():
        told = "; ".join(f"{name} takes none: {why}" for name, why in failing.items())
        return Finding("warn", told, "swarmtui alerts test tries it out")
    if not names:
        return Finding("ok", "told nobody but the dashboard; alerts_file says whom")
    quiet = settings.alerts_quiet
    hours = f", quiet hours {quiet}" if quiet else ""
    return Finding("ok", f"{', '.join(names)}{hours}; try them: swarmtui alerts test")


def _failing_targets() -> Mapping[str, str]:
    """Return which targets the hub does not reach, and why, if there is a hub."""
    try:
        return asyncio.run(_figures(hub_meant())).alerts_failing
    except (AgentkitError, TimeoutError):
        return {}


def round_trip() -> Finding:
    """How long a report takes to a coordinator, through a hub of our own."""
    from swarmtui.demo.stage import private_hub

    try:
        with (
            TemporaryDirectory(prefix="swarmtui-doctor-") as home,
            private_hub(Path(home)) as meant,
        ):
            took = asyncio.run(_report(meant))
    except (AgentkitError, TimeoutError, OSError) as error:
        return Finding("fail", str(error) or "nothing came back", "please report this")
    return Finding("ok", f"{took * 1000:.1f} ms from a report to a coordinator")


async def _report(meant: Endpoint) -> float:
    """Return the seconds that the quickest of a few reports took."""
    from agentkit.coordinator import Coordinator

    async with asyncio.timeout(PATIENCE), Coordinator(meant) as swarm:
        took = []
        changes = aiter(swarm.changes())
        for n in range(5):
            started = time.perf_counter()
            await asyncio.to_thread(_busy, meant, n)
            while not any(agent.task == f"T{n}" for agent in swarm.agents.values()):
                await anext(changes)
            took.append(time.perf_counter() - started)
        return min(took)


def _busy(meant: Endpoint, n: int) -> None:
    with Caller(meant, KNOCK) as caller:
        body = {"report": "busy", "task": f"T{n}"}
        caller.post("agents", "swarmtui-doctor", "status", body=body)


CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("python", python),
    ("packages", packages),
    ("sqlite", sqlite),
    ("settings", settings),
    ("files", files),
    ("space", space),
    ("sockets", sockets),
    ("terminal", terminal),
    ("announced", announcement),
    ("hub", hub),
    ("store", store),
    ("clock", clock),
    ("alerts", alerts),
    ("round trip", round_trip),
)


@click.command()
@output.form_options
@hub_options
def doctor(*, form: Form) -> int:
    """Check the set-up, and say what to do.

    Tells which agents of this machine are wired as well, and runs one hook of each of
    them against a hub of its own. Exits with 1 when something fails.
    """
    findings = [*((name, check()) for name, check in CHECKS), *agents()]
    told = [{"check": name, **found._asdict()} for name, found in findings]
    output.rows(
        form,
        "checks",
        told,
        COLUMNS,
        cells=lambda row: [row["result"], row["check"], row["found"]],
    )
    if form == "table":
        for name, found in findings:
            if found.remedy:
                output.line(f"{name}: {found.remedy}")
    return int(any(found.result == "fail" for _, found in findings))
