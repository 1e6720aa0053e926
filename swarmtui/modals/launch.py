"""Run a plan: which file, what it is given, and what is wrong with it before."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static

from agentkit.errors import AgentkitError
from swarmtui.modals.sheet import Sheet, field
from swarmtui.run_picture import machine_of, stages_of
from swarmtui.text import plural, safe

if TYPE_CHECKING:
    from agentkit.plans import Reading

TYPING = 0.3
"""Seconds that a path rests before the plan is read."""
PROBLEMS = 8
"""How many problems are listed."""
PLAN = (".yml", ".yaml")


class Mistyped(ValueError):
    """What is typed cannot be used, and why."""


class PathSuggester(Suggester):
    """Completes the path of a plan or a folder."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return a path that begins so; None when there is none."""
        return await asyncio.to_thread(completed, value)


def completed(typed: str) -> str | None:
    """Return the first plan, or else folder, whose path begins with what is typed."""
    folder, slash, start = typed.rpartition("/")
    try:
        inside = sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
    except OSError:
        return None
    names = [one for one in inside if one.name.startswith(start) and typed]
    plans = [one.name for one in names if one.suffix in PLAN]
    found = plans or [f"{one.name}/" for one in names if one.is_dir()]
    return f"{folder}{slash}{found[0]}" if found else None


class LaunchSheet(Sheet[str]):
    """A plan from a file; dismissed with the id of the run once it is launched."""

    heading = "Run a plan"
    keys: ClassVar = (
        ("enter", "Run it"),
        ("→", "Complete"),
        ("tab", "Next field"),
        ("esc", "Cancel"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._reading: tuple[str, Reading] | None = None
        """The plan that was read, and the path as it was typed."""
        self._pause: Timer | None = None

    def form(self) -> ComposeResult:
        """Ask for the plan, and what it is given."""
        yield field(
            "plan",
            Input(
                placeholder="a YAML file of this machine",
                suggester=PathSuggester(),
                id="path",
            ),
        )
        yield Static(id="told", classes="note")
        yield field(
            "input", Input(placeholder='{"n": 3}, or a JSON file, or nothing', id="in")
        )
        yield field("id", Input(placeholder="as the hub numbers them", id="run"))
        yield Static(id="notes", classes="note")

    def on_mount(self) -> None:
        """Start with the path."""
        self.query_one("#path").focus()
        self._note("")

    def _typed(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    # --- The plan --------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._note("")
        if event.input.id != "path":
            return
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(TYPING, self._look)

    def _look(self) -> None:
        self.run_worker(self._check(), exclusive=True, group="plan")

    async def _check(self) -> "Reading | None":
        """Read the plan and tell what is in it, or what is wrong with it."""
        path = self._typed("path")
        if not path:
            self._tell(Content(""))
            return None
        if self._reading is None or self._reading[0] != path:
            self._reading = (path, await asyncio.to_thread(_read, path))
        reading = self._reading[1]
        self._tell(problems(reading) if reading.problems else summary(reading))
        return reading

    def _tell(self, text: Content) -> None:
        self.query_one("#told", Static).update(text)

    # --- Launching -------------------------------------------------------------------

    @on(Input.Submitted)
    async def _submit(self) -> None:
        self._reading = None  # the file may be another one by now
        reading = await self._check()
        if reading is None:
            self._note("Name the file of a plan.")
        elif not any(one.severity == "error" for one in reading.problems):
            await self._launch(reading)

    async def _launch(self, reading: "Reading") -> None:
        try:
            given = await asyncio.to_thread(read_input, self._typed("in"))
            run = await self.console.swarm.launch(
                reading.document, given, run=self._typed("run")
            )
        except (Mistyped, AgentkitError) as error:
            self._note(str(error))
            return
        self.dismiss(run)

    def _note(self, text: str) -> None:
        notes = self.query_one("#notes", Static)
        notes.update(Content.styled(safe(text), "$st-help"))
        notes.display = bool(text)


def _read(path: str) -> "Reading":
    from agentkit.plans import read_plan

    return read_plan(Path(path).expanduser())


def read_input(typed: str) -> Mapping[str, Any]:
    """Return what a run is given: JSON as it is typed, or out of a file.

    Raises:
        Mistyped: it is no JSON object, or the file cannot be read.
    """
    if not typed:
        return {}
    try:
        text = typed
        if not typed.startswith("{"):
            text = Path(typed).expanduser().read_text("utf-8")
        given = json.loads(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Mistyped(f"{typed} cannot be read: {reason}; name a JSON file.") from None
    except ValueError as error:
        raise Mistyped(f'The input is no JSON: {error}; write {{"n": 3}}.') from None
    if not isinstance(given, dict):
        raise Mistyped('The input must be an object; write {"n": 3}.')
    return given


def problems(reading: "Reading") -> Content:
    """Return what is wrong with a plan, a line each."""
    inks = {"error": "$st-help", "warning": "$st-blocked"}
    lines = [
        Content.styled(safe(str(one)), inks[one.severity])
        for one in reading.problems[:PROBLEMS]
    ]
    if (more := len(reading.problems) - PROBLEMS) > 0:
        lines.append(Content.styled(f"and {more:,} more", "$ink-dim"))
    return Content("\n").join(lines)


def summary(reading: "Reading") -> Content:
    """Return what is in a plan: its name, its stages, how many machines."""
    document = reading.document
    stages = stages_of(machine_of(document, document["main"]))
    machines = plural(len(document["machines"]), "machine")
    return Content.assemble(
        (safe(document["name"]), "bold"),
        (f"  {machines}: {safe(' → '.join(stages))}", "$ink-dim"),
    )
