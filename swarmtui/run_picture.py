"""A plan as a run stands in it: a line for each stage, and bars where there is work."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from textual.content import Content

from agentkit.progress import RunTree
from agentkit.rows import Run
from swarmtui.runs import LOOKS, UNKNOWN, Look, bar, share, tally
from swarmtui.text import clip, fit, safe, width

Standing: TypeAlias = Literal["done", "here", "to come", "failed", "cancelled"]
STANDINGS: Mapping[Standing, Look] = {
    "done": LOOKS["done"],
    "here": LOOKS["running"],
    "to come": Look("○", "dim"),
    "failed": LOOKS["failed"],
    "cancelled": LOOKS["cancelled"],
}
"""How a stage is shown, by where the run stands to it."""

INKS = {"dim": "ink-dim", "faint": "ink-faint"}
NAME = 14
"""Cells of the name of a stage, at most."""
CHILDREN = 6
"""How many runs below a stage have a line of their own."""
LEAST, MOST = 24, 76
"""Cells of a picture: more would only draw names and bars apart."""
DEEPEST = 2
"""How deep runs are drawn below each other."""


def ink_of(look: Look) -> str:
    """Return the theme variable of a look."""
    return f"${INKS.get(look.ink, f'st-{look.ink}')}"


def machine_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a machine of a plan; an empty one when the plan is not known."""
    found: Mapping[str, Any] = document.get("machines", {}).get(name, {})
    return found


def stages_of(machine: Mapping[str, Any]) -> list[str]:
    """Return the stages of a machine in the order in which a run gets to them.

    Those that nothing leads to but an error come last, as the plan has them.
    """
    states: Mapping[str, Any] = machine.get("states", {})
    first = (name for name, one in states.items() if one.get("type") == "initial")
    found: dict[str, None] = {}
    ahead = [next(first, next(iter(states), ""))]
    while ahead:
        name = ahead.pop(0)
        if name in states and name not in found:
            found[name] = None
            ahead = [*leads_to(states[name]), *ahead]
    return [*found, *(name for name in states if name not in found)]


def leads_to(stage: Mapping[str, Any]) -> list[str]:
    """Return where a stage leads when all goes well."""
    ways = stage.get("transitions") or ()
    return [str(way["to"]) for way in ways if isinstance(way, Mapping) and "to" in way]


def standing(run: Run, stage: str, visited: Collection[str]) -> Standing:
    """Return where a run stands to a stage."""
    if stage == run.stage:
        here: Mapping[str, Standing] = {
            "done": "done",
            "failed": "failed",
            "cancelled": "cancelled",
        }
        return here.get(run.state, "here")
    return "done" if stage in visited else "to come"


def work_of(stage: Mapping[str, Any]) -> str:
    """Return what a stage does, in a few words; still to be made safe to draw."""
    doers = [str(stage["agent"])] if "agent" in stage else _names(stage.get("machine"))
    if stage.get("foreach") and doers:
        doers[0] = f"each {stage.get('as', 'item')}: {doers[0]}"
    launched = _names(stage.get("launch"))
    if launched:
        doers.append(f"launches {', '.join(launched)}")
    if not doers and stage.get("type") == "final":
        return "the end"
    return ", ".join(doers)


def _names(called: Any) -> list[str]:
    if not called:
        return []
    several = called if isinstance(called, list) else [called]
    return [str(one["name"] if isinstance(one, Mapping) else one) for one in several]


class Picture:
    """A run in its plan, in lines of at most so many cells.

    Args:
        run: it.
        document: its plan; empty when it is not known.
        visited: the stages it went to.
        tree: the runs below it at the stage that it is at, when they are known.
        cells: the room.
    """

    def __init__(
        self,
        run: Run,
        document: Mapping[str, Any],
        visited: Collection[str],
        tree: RunTree | None,
        cells: int,
    ) -> None:
        self._run = run
        self._machine = machine_of(document, run.machine)
        self._visited = visited
        self._tree = tree
        self._cells = min(max(cells, LEAST), MOST)

    def lines(self) -> Iterator[Content]:
        """Yield the stages, with what is below the one that the run is at."""
        states: Mapping[str, Any] = self._machine.get("states", {})
        stages = stages_of(self._machine) if states else self._known_stages()
        room = min(max(map(width, map(safe, stages)), default=0), NAME)
        for stage in stages:
            yield self._stage(stage, states.get(stage, {}), room)
            if stage == self._run.stage and not self._ended_well:
                yield from self._here()

    @property
    def _ended_well(self) -> bool:
        return self._run.state == "done"

    def _known_stages(self) -> list[str]:
        """Return the stages it went to, where the plan is not known."""
        return list(dict.fromkeys((*self._visited, self._run.stage)))

    def _stage(self, name: str, stage: Mapping[str, Any], room: int) -> Content:
        look = STANDINGS[standing(self._run, name, self._visited)]
        here = name == self._run.stage
        left = self._cells - room - 4
        return Content.assemble(
            (f"{look.glyph} ", ink_of(look)),
            (fit(safe(name), room), "bold" if here else ""),
            ("  " + clip(safe(self._words(stage, left)), left), "$ink-dim"),
        )

    def _words(self, stage: Mapping[str, Any], room: int) -> str:
        """Return what a stage does, and where it leads if that is a question."""
        words = work_of(stage)
        ways = leads_to(stage)
        fork = f"→ {' or '.join(dict.fromkeys(ways))}" if len(ways) > 1 else ""
        both = "  ".join(part for part in (words, fork) if part)
        return both if width(both) <= room or not words else words

    def _here(self) -> Iterator[Content]:
        """Yield how far the stage is, and the runs below it."""
        run = self._run
        if run.total:
            look = LOOKS[run.state]
            figures = f"{bar(share(run))}  {tally(run)}"
            yield Content.assemble("  ", (figures, ink_of(look)))
        if self._tree is not None:
            yield from self._below(self._tree, "  ", 1)

    def _below(self, tree: RunTree, indent: str, depth: int) -> Iterator[Content]:
        """Yield the runs below another that go on, then how many there are besides."""
        going = [one for one in tree.children if not one.run.is_settled]
        shown = going[:CHILDREN] if depth == 1 else going[:2]
        rest = _rest(tree, len(going) - len(shown)) if depth == 1 else ()
        for place, one in enumerate(shown, 1):
            last = place == len(shown) and not rest
            yield self._child(one, f"{indent}{'└' if last else '├'} ")
            if depth < DEEPEST:
                deeper = f"{indent}{' ' if last else '│'} "
                yield from self._below(one, deeper, depth + 1)
        if rest:
            yield Content.assemble(
                (f"{indent}└ ", "$divider"), (", ".join(rest), "$ink-dim")
            )

    def _child(self, one: RunTree, indent: str) -> Content:
        run, look = one.run, LOOKS[one.run.state]
        figures = bar(one.progress, 5)
        room = max(self._cells - width(indent) - 2 - width(figures) - 1, 4)
        name = safe(f"{run.id} {run.machine} {run.stage}")
        return Content.assemble(
            (indent, "$divider"),
            (f"{look.glyph} ", ink_of(look)),
            (fit(name, room) + " ", ""),
            (figures, ink_of(look)),
        )


def _rest(tree: RunTree, more: int) -> Sequence[str]:
    """Return how many runs have no line of their own, by what became of them."""
    states = [one.run.state for one in tree.children]
    counts = [
        (more, "more"),
        *((states.count(state), state) for state in ("done", "failed", "cancelled")),
    ]
    told = [f"{number:,} {word}" for number, word in counts if number]
    return told if tree.whole else [*told, "older ones"]


def begun(children: Mapping[str, int]) -> str:
    """Return how many runs are below another, by state; empty when there are none."""
    parts = (f"{number:,} {state}" for state, number in children.items() if number)
    return ", ".join(parts)


def percent(part: float | None) -> str:
    """Return a share in words; a dash when it is unknown."""
    return UNKNOWN if part is None else f"{int(part * 100)}%"
