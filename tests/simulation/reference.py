"""What a plan leads to, told by the plainest program that can tell it.

It reads the document itself, does one thing after another, and has expressions reckoned
by Jinja alone: what it shares with the hub is the plan, and nothing else.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from jinja2 import Environment, StrictUndefined, UndefinedError

from tests.simulation.plans import Document, Fates, Stage

Path: TypeAlias = tuple[tuple[int, int, int], ...]
"""From the top: stage, index and attempt of each run, and of the item at the end."""

ENVIRONMENT: Final = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
DEEPEST: Final = 16


class Wrong(Exception):
    """Something in a run failed; its one argument is the type of the error."""

    @property
    def type(self) -> str:
        """The type of the error."""
        return str(self.args[0])


class TooMuch(Exception):
    """A plan takes more than somebody is ready to wait for."""


@dataclass
class Told:
    """A run from a stage to its end."""

    machine: str
    output: Any = None
    wrong: str = ""
    """The type of the error that it failed with."""
    been: int = 0
    """How many states it had been in before."""
    checkpoints: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The stages that it went to next, with what it knew; the launch is the first."""

    @property
    def outcome(self) -> tuple[str, Any]:
        """Return the type of its error, and what it led to."""
        return self.wrong, plain(self.output)


@dataclass
class Item:
    """One item of a stage: what it is given, and what does it."""

    agent: str
    machine: str
    key: str
    input: Any
    """As the plan has it."""
    scope: dict[str, Any]
    """What expressions in it see."""


class Reference:
    """Tells what a plan leads to.

    Args:
        document: the plan.
        fates: what becomes of the task with a body.
        most: how many stages and items it may take.
    """

    def __init__(self, document: Document, fates: Fates, most: int = 10_000) -> None:
        self._machines: Mapping[str, Any] = document["machines"]
        self._fates = fates
        self.attempts: Counter[Path] = Counter()
        """How often each item was begun at which attempt: once."""
        self.perhaps: set[Path] = set()
        """Items that may be begun or not, with all below: others are faster."""
        self._left = most
        self.launched: list[Told] = []
        """What nobody waits for."""

    def run(self, machine: str, given: dict[str, Any]) -> Told:
        """Run a machine of the plan.

        Raises:
            TooMuch: it takes longer than it may.
        """
        return self._run(machine, given, (), 0)

    def fork(
        self,
        machine: str,
        given: dict[str, Any],
        stage: str,
        knows: dict[str, Any],
        *,
        been: int = 0,
    ) -> Told:
        """Run a machine from a checkpoint on, after it has been in so many states."""
        told = Told(machine, been=been, checkpoints=[(stage, knows)])
        return self._go(told, given, (), 0)

    def _take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMuch

    def _run(self, machine: str, given: dict[str, Any], path: Path, depth: int) -> Told:
        states = self._machines[machine]["states"]
        first = next(key for key in states if states[key].get("type") == "initial")
        knows = render(self._machines[machine].get("context", {}), {"input": given})
        told = Told(machine, checkpoints=[(first, knows)])
        return self._go(told, given, path, depth)

    def _go(self, told: Told, given: dict[str, Any], path: Path, depth: int) -> Told:
        try:
            self._walk(told, given, path, depth)
        except Wrong as wrong:
            told.wrong = wrong.type
        return told

    def _walk(self, told: Told, given: dict[str, Any], path: Path, depth: int) -> None:
        machine = self._machines[told.machine]
        most = machine.get("settings", {}).get("max_steps", 1000)
        for visit in range(told.been + 1, most + 1):
            self._take()
            name, knows = told.checkpoints[-1]
            stage = machine["states"][name]
            scope = {"context": knows, "input": given}
            if stage.get("type") == "final":
                told.output = render(stage.get("output", {}), scope)
                return
            try:
                new = self._do(stage, scope, (path, visit, depth))
                changes, to = new, _next(stage, {**scope, "context": {**knows, **new}})
            except Wrong as wrong:
                to = _rescue(stage, wrong)
                changes = {"last_error_type": wrong.type, "last_error_stage": name}
            told.checkpoints.append((to, {**knows, **changes}))
        raise Wrong("TooManySteps")

    def _do(
        self, stage: Stage, scope: dict[str, Any], where: tuple[Path, int, int]
    ) -> dict[str, Any]:
        """Do a stage and return what is new in the context."""
        for machine in stage.get("launch", ()):
            given = render(stage.get("launch_input", {}), scope)
            self.launched.append(self._run(machine, given, (), 0))
        output = None
        if "agent" in stage or "machine" in stage:
            output = self._work(stage, scope, where)
        template = stage.get("output_to_context", {})
        new: dict[str, Any] = render(template, {**scope, "output": output})
        return new

    def _work(
        self, stage: Stage, scope: dict[str, Any], where: tuple[Path, int, int]
    ) -> Any:
        items = _items(stage, scope)
        if "timeout" in stage and stage.get("agent") == "never" and items:
            self._never(items, stage, where)
        any_ = stage.get("mode") == "any"
        found: list[Any] = []
        for index, item in enumerate(items):
            try:
                found.append(self._try(item, index, stage, where))
            except Wrong as wrong:
                if _is_single(stage):
                    raise
                found.append({"_error_type": wrong.type})
        return _first(found) if any_ and items else _shape(stage, items, found)

    def _never(
        self, items: list[Item], stage: Stage, where: tuple[Path, int, int]
    ) -> None:
        path, visit, _ = where
        for index in range(min(len(items), stage.get("concurrency", len(items)))):
            self.attempts[*path, (visit, index, 1)] += 1
        raise Wrong("Timeout")

    def _try(
        self, item: Item, index: int, stage: Stage, where: tuple[Path, int, int]
    ) -> Any:
        path, visit, depth = where
        tries = 1 + len(stage.get("execution", {}).get("backoffs", ()))
        for attempt in range(1, tries + 1):
            here = (*path, (visit, index, attempt))
            self.attempts[here] += 1
            self._take()
            if stage.get("mode") == "any":
                self.perhaps.add(here)
            given = render(item.input, item.scope)
            if item.machine and depth == DEEPEST:
                raise Wrong("TooDeep")
            try:
                return self._attempt(item, given, (here, depth))
            except Wrong:
                if attempt == tries:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, item: Item, given: Any, where: tuple[Path, int]) -> Any:
        here, depth = where
        _, index, attempt = here[-1]
        if item.machine:
            below = self._run(item.machine, given, here, depth + 1)
            if below.wrong:
                raise Wrong(below.wrong)
            return below.output
        body = {"agent": item.agent, "item": index, "input": given}
        fate = self._fates(body)
        if attempt <= fate.fails:
            raise Wrong("TaskFailed")
        return {"value": fate.value}


def _items(stage: Stage, scope: dict[str, Any]) -> list[Item]:
    agent, machine = stage.get("agent", ""), stage.get("machine", "")
    if isinstance(machine, list):
        calls = [call if isinstance(call, dict) else {"name": call} for call in machine]
        return [_called(call, stage, scope) for call in calls]
    if "foreach" not in stage:
        times = stage.get("execution", {}).get("n_samples", 1)
        given = stage.get("input", {})
        return [
            Item(agent, machine, str(index), given, {**scope, "index": index})
            for index in range(times)
        ]
    items = []
    for index, value in enumerate(reckon(stage["foreach"], scope)):
        inner = {**scope, stage.get("as", "item"): value, "index": index}
        key = str(reckon(stage["key"], inner)) if "key" in stage else str(index)
        items.append(Item(agent, machine, key, stage.get("input", {}), inner))
    return items


def _called(call: dict[str, Any], stage: Stage, scope: dict[str, Any]) -> Item:
    given = call.get("input", stage.get("input", {}))
    return Item("", call["name"], call["name"], given, scope)


def _is_single(stage: Stage) -> bool:
    several = "foreach" in stage or isinstance(stage.get("machine"), list)
    return not several and "n_samples" not in stage.get("execution", {})


def _first(found: list[Any]) -> Any:
    """Return what whoever is first says: those who succeed say all the same."""
    good = [value for value in found if "_error_type" not in value]
    if not good:
        raise Wrong(found[0]["_error_type"])
    assert all(value == good[0] for value in good)
    return good[0]


def _shape(stage: Stage, items: list[Item], found: list[Any]) -> Any:
    if _is_single(stage):
        return found[0]
    if "key" not in stage and not isinstance(stage.get("machine"), list):
        return found
    if len({item.key for item in items}) < len(items):
        raise Wrong("DuplicateKey")
    return {item.key: value for item, value in zip(items, found, strict=True)}


def _next(stage: Stage, scope: dict[str, Any]) -> str:
    for move in stage.get("transitions", ()):
        if "condition" not in move or reckon(move["condition"], scope):
            return str(move["to"])
    raise Wrong("NoTransition")


def _rescue(stage: Stage, wrong: Wrong) -> str:
    rescue = stage.get("on_error", {})
    if isinstance(rescue, str):
        return rescue
    to = rescue.get(wrong.type, rescue.get("default"))
    if to is None:
        raise wrong
    return str(to)


# --- expressions ---


def reckon(text: str, scope: dict[str, Any]) -> Any:
    """Return what an expression is, bare or in braces."""
    bare = text.strip().removeprefix("{{").removesuffix("}}").strip()
    expression = ENVIRONMENT.compile_expression(bare, undefined_to_none=False)
    try:
        value = expression(**scope)
        str(value)  # what is undefined says so
    except UndefinedError:
        raise Wrong("ExpressionError") from None
    return value


def render(value: Any, scope: dict[str, Any]) -> Any:
    """Return JSON with its expressions reckoned; each is the whole of its string."""
    match value:
        case dict():
            return {key: render(each, scope) for key, each in value.items()}
        case list():
            return [render(each, scope) for each in value]
        case str() if value.startswith("{{"):
            return reckon(value, scope)
    return value


def plain(output: Any) -> Any:
    """Return JSON without what may differ: the words of errors, who did it."""
    match output:
        case {"_error_type": wrong}:
            return {"_error_type": wrong}
        case {"value": value}:
            return {"value": plain(value)}
        case dict():
            words = {"last_error"}
            return {key: plain(output[key]) for key in output.keys() - words}
        case list() | tuple():
            return [plain(value) for value in output]
    return output
