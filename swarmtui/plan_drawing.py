"""A plan as a drawing: a box for each machine, a rail from stage to stage.

Machines stand inside the stages that call them; one that is only launched has a broken
line around it. Lines come as pieces of text with the names of their inks, as
`swarmtui.widgets.lines` draws them; a terminal without colours shows the texts alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from agentkit.plans import Call, Flow, Machine, Stage, Template
from swarmtui.text import clip, plural, safe, width

Piece: TypeAlias = tuple[str, str]
"""A text, and its ink."""

Line: TypeAlias = list[Piece]

WIDTH: Final = 80
NARROWEST: Final = 44
"""Cells that a box needs; what has less is drawn further down."""

GLYPHS: Final[Mapping[str, Piece]] = {
    "initial": ("◉", "busy"),
    "final": ("◎", "done"),
    "": ("○", "idle"),
}
RAIL: Final[Piece] = ("│ ", "faint")
LEGEND: Final[Line] = [
    (" ◉", "busy"),
    (" first   ", "dim"),
    ("○", "idle"),
    (" next   ", "dim"),
    ("◎", "done"),
    (" last   ", "dim"),
    ("⇢", "blocked"),
    (" launched, not waited for   ", "dim"),
    ("×", "help"),  # noqa: RUF001  # the sign
    (" on an error", "dim"),
]


def draw(flow: Flow, room: int = WIDTH) -> list[Line]:
    """Return a plan as lines of at most so many cells, with a legend below."""
    drawing = _Drawing(flow)
    drawing.later.append(flow.main)
    lines: list[Line] = []
    while drawing.later:
        name = drawing.later.popleft()
        if name not in drawing.drawn:
            lines += drawing.machine(flow.machines[name], name, max(room, NARROWEST))
            lines.append([])
    return [*lines, LEGEND]


def plain(lines: Iterable[Line]) -> list[str]:
    """Return lines without their inks."""
    return ["".join(text for text, _ in line).rstrip() for line in lines]


@dataclass(slots=True)
class _Drawing:
    flow: Flow
    drawn: set[str] = field(default_factory=set)
    called: set[str] = field(init=False)
    """The machines that somebody waits for."""
    later: deque[str] = field(default_factory=deque)
    """The machines that found no room, to be drawn below."""

    def __post_init__(self) -> None:
        stages = [
            stage
            for one in self.flow.machines.values()
            for stage in one.stages.values()
        ]
        self.called = {call.machine for stage in stages for call in stage.calls}

    def machine(
        self, machine: Machine, name: str, room: int, *, broken: bool = False
    ) -> list[Line]:
        """Return a machine in its box."""
        self.drawn.add(machine.name)
        body: list[Line] = []
        order = _order(machine)
        for n, stage in enumerate(order):
            follower = order[n + 1].name if n + 1 < len(order) else ""
            body += self._stage(stage, follower, room - 4)
        title = name if name == machine.name else f"{name}: {machine.name}"
        return _box(title, plural(len(order), "stage"), body, room, broken=broken)

    def _stage(self, stage: Stage, follower: str, room: int) -> list[Line]:
        glyph, ink = GLYPHS[stage.kind]
        exits = _exits(stage)
        straight = _goes_straight(stage, follower)
        head: Line = [(f"{glyph} ", ink), (safe(stage.name), "bold")]
        rail = RAIL if exits else ("  ", "")
        inside = [*_work(stage), *self._machines(stage, room - 2), *_gives(stage)]
        lines = [head, *([rail, *line] for line in inside)]
        aside = [one for one in exits if one is not exits[-1] or not straight]
        for one in aside:
            corner = "╰" if one is exits[-1] else "├"
            lines.append(_exit(corner, one, room))
        if straight:
            lines += _straight(exits[-1])
        elif follower:
            lines.append([])
        return [_clipped(line, room) for line in lines]

    def _machines(self, stage: Stage, room: int) -> Iterator[Line]:
        for call in stage.calls:
            yield from self._call(call, room, "runs")
        for call in stage.launches:
            if call.machine in self.called:
                yield _launched(call)
            else:
                yield from self._call(call, room, "launches", broken=True)

    def _call(
        self, call: Call, room: int, verb: str, *, broken: bool = False
    ) -> list[Line]:
        if call.machine in self.drawn:
            return [_reference(call, f"{verb} ", ", as above", broken=broken)]
        if room < NARROWEST:
            self.later.append(call.machine)
            return [_reference(call, f"{verb} ", ", see below", broken=broken)]
        machine = self.flow.machines[call.machine]
        return self.machine(machine, call.name, room, broken=broken)


def _reference(call: Call, before: str, after: str, *, broken: bool) -> Line:
    glyph = ("⇢ ", "blocked") if broken else ("▸ ", "busy")
    return [glyph, (before, "dim"), (safe(call.name), ""), (after, "dim")]


def _launched(call: Call) -> Line:
    return _reference(call, "launches ", " and goes on", broken=True)


def _order(machine: Machine) -> list[Stage]:
    """Return the stages as they follow one another.

    Those that only errors lead to come behind the others, those never reached last.
    """
    found: dict[str, None] = {}
    todo, failing = deque([machine.initial]), deque[str]()
    while todo or failing:
        name = todo.popleft() if todo else failing.popleft()
        if name not in found:
            found[name] = None
            stage = machine.stages[name]
            todo.extend(one.to for one in stage.transitions)
            failing.extend(stage.on_error.values())
    names = [*found, *(name for name in machine.stages if name not in found)]
    return [machine.stages[name] for name in names]


class _Exit(NamedTuple):
    """Why, to where, and in which ink a stage is left."""

    why: str
    to: str
    ink: str


def _exits(stage: Stage) -> list[_Exit]:
    """Return the ways out of a stage: on errors, then in order of their conditions."""
    return [
        *(
            _Exit(f"× {_error(kind)}", to, "help")  # noqa: RUF001
            for kind, to in stage.on_error.items()
        ),
        *(
            _Exit(
                _bare(one.condition.text) if one.condition else "else" * (n > 0),
                one.to,
                "dim",
            )
            for n, one in enumerate(stage.transitions)
        ),
    ]


def _error(kind: str) -> str:
    return "any error" if kind == "default" else safe(kind)


def _goes_straight(stage: Stage, follower: str) -> bool:
    """Whether the last way out leads to the stage that is drawn next."""
    return bool(stage.transitions) and stage.transitions[-1].to == follower


def _bare(text: str) -> str:
    text = safe(" ".join(text.split()))
    if text.startswith("{{") and text.endswith("}}"):
        text = text[2:-2].strip()
    return text


def _exit(corner: str, exit_: _Exit, room: int) -> Line:
    to = clip(safe(exit_.to), room // 2)
    why = clip(exit_.why, room - width(to) - 8)
    return [
        (f"{corner}─", "faint"),
        (f" {why} " if why else "", exit_.ink),
        ("─▸ " if why else "▸ ", "faint"),
        (to, "bold"),
    ]


def _straight(exit_: _Exit) -> list[Line]:
    told: list[Line] = [[RAIL, (exit_.why, exit_.ink)]] if exit_.why else []
    return [*told, [("▼", "faint")]]


def _work(stage: Stage) -> Iterator[Line]:
    """Yield what is done at a stage, and how."""
    if stage.foreach is not None:
        yield [("for each ", "dim"), (stage.as_, ""), *_of(stage)]
    if stage.agent is not None:
        needs = ", ".join(stage.agent.needs)
        needed = "" if needs == stage.agent.name else f", needs {needs}"
        yield [("agent ", "dim"), (safe(stage.agent.name), "primary"), (needed, "dim")]
    told = ", ".join(_ways(stage))
    if told:
        yield [(told, "dim")]


def _of(stage: Stage) -> Iterator[Piece]:
    assert stage.foreach is not None  # noqa: S101  # asked for before
    yield (" of ", "dim")
    yield (_bare(stage.foreach.text), "")
    if stage.key is not None:
        yield (" by ", "dim")
        yield (_bare(stage.key.text), "")


def _ways(stage: Stage) -> Iterator[str]:
    if stage.concurrency is not None:
        yield f"{stage.concurrency} at once"
    if stage.samples > 1:
        yield f"{stage.samples} samples"
    if stage.mode == "any":
        yield "the first that is done counts"
    if stage.retry is not None:
        waits = ", ".join(f"{wait:g}" for wait in stage.retry.backoffs)
        jitter = f" ±{stage.retry.jitter:.0%}" if stage.retry.jitter else ""
        yield f"again after {waits} s{jitter}"
    if stage.timeout is not None:
        yield f"within {stage.timeout:g} s"


def _gives(stage: Stage) -> Iterator[Line]:
    """Yield what becomes of the work."""
    kept = _fields(stage.output_to_context)
    if kept:
        yield [("→ context: ", "faint"), (kept, "dim")]
    given = _fields(stage.output)
    if stage.kind == "final" and given:
        yield [("gives ", "faint"), (given, "dim")]


def _fields(template: Template) -> str:
    if isinstance(template.source, Mapping):
        return ", ".join(safe(name) for name in template.source)
    return _bare(str(template.source))


def _box(
    title: str, note: str, body: list[Line], room: int, *, broken: bool
) -> list[Line]:
    """Return lines with a frame around them, of exactly so many cells."""
    across, down = ("╌", "┆") if broken else ("─", "│")
    called = clip(safe(title), room - len(note) - 12)
    gap = room - width(called) - len(note) - 8
    frame = "blocked" if broken else "dim"
    top: Line = [
        (f"╭{across} ", frame),
        (called, "primary bold"),
        (f" {across * gap} ", frame),
        (note, "dim"),
        (f" {across}╮", frame),
    ]
    sides = [
        [(f"{down} ", frame), *_padded(line, room - 4), (f" {down}", frame)]
        for line in body
    ]
    return [top, *sides, [(f"╰{across * (room - 2)}╯", frame)]]


def _clipped(line: Line, room: int) -> Line:
    """Return a line that takes no more than so many cells."""
    kept: Line = []
    for text, ink in line:
        left = room - sum(width(one) for one, _ in kept)
        if left > 0:
            kept.append((clip(text, left), ink))
    return kept


def _padded(line: Line, room: int) -> Line:
    taken = sum(width(text) for text, _ in line)
    return [*line, (" " * (room - taken), "")]
