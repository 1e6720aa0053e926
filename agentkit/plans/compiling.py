"""From a document to a `Flow`: everything is checked, nothing is trusted.

The same code serves the hub, which takes the first error as a refusal, and the command
line, which shows all of them where they are in their files.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from agentkit.errors import Invalid
from agentkit.plans import keys
from agentkit.plans.expressions import Template
from agentkit.plans.model import AgentStep, Flow, Machine, Stage
from agentkit.plans.parts import FAULTS, Enough, Fault, Findings, Part, Path, nearest
from agentkit.plans.stages import (
    OF_ITEM,
    Surroundings,
    agent_step,
    element_names,
    stage,
)
from agentkit.plans.values import ExpressionError, measure

LARGEST: Final = 1024 * 1024
"""How many bytes of JSON the document of a plan may have."""

DEEPEST: Final = 50
"""How deep a document may be nested."""

MACHINES: Final = 200
STAGES: Final = 1000
"""How many of each a plan may have, all together."""

STEPS: Final = 1000
"""How many stages a run may go to, unless its machine says otherwise."""

MOST_STEPS: Final = 1_000_000

FIRST: Final = "initial"
"""The name of the first stage, when none has the type."""

_DOCUMENT: Final = {
    "name": "what the plan is called",
    "main": "the machine that is run",
    "machines": "its machines",
}


def compile_plan(document: Mapping[str, Any]) -> Flow:
    """Return what the document of a plan says.

    Raises:
        Invalid: it is no plan; the text names the first thing that is wrong.
    """
    flow, faults = examine(document, most=1)
    for fault in faults:
        if fault.severity == "error":
            raise Invalid(f"{place(fault.path)}: {fault.text}")
    assert flow is not None  # noqa: S101  # without errors there is a flow
    return flow


def place(path: Path) -> str:
    """Return a path as a person writes it: ``machines.demo.states.work[0]``."""
    told = ""
    for key in path:
        told += f"[{key}]" if isinstance(key, int) else f".{_plain(key)}"
    return told.removeprefix(".") or "the plan"


def _plain(key: str) -> str:
    return key if key.isprintable() and len(key) <= 60 else repr(key[:60])


def examine(document: Any, *, most: int = FAULTS) -> tuple[Flow | None, list[Fault]]:
    """Return what a document says, as far as it can be read, and what is wrong.

    Args:
        document: whatever somebody calls a plan.
        most: after so many errors the rest is not looked at.
    """
    findings = Findings(most)
    whole = Part(document, (), findings)
    try:
        flow = _flow(whole) if _is_sound(whole) else None
    except Enough:
        flow = None
    return flow, findings.faults


def _is_sound(whole: Part) -> bool:
    """Whether a document is small and flat enough to be looked at."""
    try:
        size = measure(whole.value)
    except ExpressionError as error:
        whole.error(str(error))
        return False
    if size > LARGEST:
        whole.error(
            f"it has {size:,} bytes, at most {LARGEST:,} are read; "
            "give large values as input"
        )
    elif _depth(whole.value) > DEEPEST:
        whole.error(f"it is nested deeper than {DEEPEST}; make it flatter")
    elif whole.value is None:
        whole.error("it is empty; give machines with states")
    elif whole.object():
        return True
    return False


def _depth(value: Any) -> int:
    """Return how deep a value is nested, as far as it matters."""
    level = [value]
    for depth in range(DEEPEST + 1):
        level = [below for one in level for below in _below(one)]
        if not level:
            return depth
    return DEEPEST + 1


def _below(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _flow(whole: Part) -> Flow:
    whole.only(_DOCUMENT, {})
    found = whole.at("machines")
    if not found.value:
        whole.error("it has no machines; give at least one, with states")
    if found.object():
        _check_numbers(found)
    strangers = _strangers(found)
    machines = {
        name: _machine(name, part, found.value, strangers)
        for name, part in found.entries()
    }
    main = whole.at("main").text(next(iter(machines), ""))
    if machines and main not in machines:
        told = f"there is no machine {main!r}; {nearest(main, machines)}"
        whole.at("main").error(told)
    return Flow(name=whole.at("name").text(main), main=main, machines=machines)


def _check_numbers(found: Part) -> None:
    if len(found.value) > MACHINES:
        found.error(f"there are {len(found.value):,} machines; {MACHINES} are allowed")
    stages = sum(
        len(machine["states"])
        for machine in found.value.values()
        if isinstance(machine, Mapping) and isinstance(machine.get("states"), Mapping)
    )
    if stages > STAGES:
        found.error(f"there are {stages:,} stages; {STAGES:,} are allowed")


def _strangers(found: Part) -> frozenset[str]:
    """Return the names of agents that say more than a capability of that name."""
    agents = [machine.at("agents").value for _, machine in found.entries()]
    return frozenset(
        str(name)
        for some in agents
        if isinstance(some, Mapping)
        for name, agent in some.items()
        if agent != {"capabilities": [name]}
    )


def _machine(
    name: str, part: Part, machines: Mapping[str, Any], strangers: frozenset[str]
) -> Machine:
    part.only(keys.MACHINE, keys.REFUSED_MACHINE)
    states = part.at("states")
    around = Surroundings(_agents(part), strangers, _aliases(part, machines), machines)
    stages = {
        called: stage(called, below, around) for called, below in states.entries()
    }
    if not stages:
        part.error("it has no states; add states: with one of type: initial")
    settings, persistence = part.at("settings"), part.at("persistence")
    settings.only(keys.SETTINGS, {})
    persistence.only(keys.PERSISTENCE, {})
    initial = _initial(stages, states)
    _check_ways(stages, initial, states)
    if initial == FIRST:
        stages[FIRST] = replace(stages[FIRST], kind="initial")
    return Machine(
        name=name,
        context=_context(part.at("context")),
        agents=around.agents,
        machines=around.aliases,
        stages=stages,
        initial=initial,
        max_steps=settings.at("max_steps").whole(1, MOST_STEPS) or STEPS,
        keeps_checkpoints=persistence.at("enabled").flag(default=True),
    )


def _context(part: Part) -> Template:
    if part.value is not None and not part.object():
        return Template({})
    return part.template(frozenset({"input", "run"})) or Template({})


def _agents(part: Part) -> dict[str, AgentStep]:
    stages = [stage for _, stage in part.at("states").entries()]
    names = OF_ITEM.union(*map(element_names, stages))
    agents = part.at("agents")
    return {name: agent_step(name, below, names) for name, below in agents.entries()}


def _aliases(part: Part, machines: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for alias, below in part.at("machines").entries():
        name = below.name()
        if name and name not in machines:
            told = f"there is no machine {name!r}; {nearest(name, machines)}"
            below.error(told)
        found[alias] = name
    return found


def _initial(stages: Mapping[str, Stage], states: Part) -> str:
    """Return where a machine begins."""
    firsts = [name for name, one in stages.items() if one.kind == "initial"]
    if len(firsts) == 1:
        return firsts[0]
    if firsts:
        states.at(firsts[1]).at("type").error(
            f"{firsts[0]!r} is initial already; a machine begins at one stage"
        )
        return firsts[0]
    if FIRST in stages and not stages[FIRST].kind:
        return FIRST
    if stages:
        states.error("no stage is initial; add type: initial to the first one")
    return next(iter(stages), "")


def _check_ways(stages: Mapping[str, Stage], initial: str, states: Part) -> None:
    """Note stages that do not exist, are never reached or never end."""
    for name, one in stages.items():
        _check_targets(one, stages, states.at(name))
    reached = _reachable(stages, initial)
    for name in stages:
        if name not in reached and stages[initial].kind != "final":
            states.at(name).warn("nothing leads to it; add a transition, or delete it")
    if reached and not any(stages[name].kind == "final" for name in reached):
        states.warn("no final stage can be reached; a run ends by an error or never")


def _check_targets(stage: Stage, stages: Mapping[str, Stage], part: Part) -> None:
    given = part.at("transitions").value or ()
    for n, one in enumerate(given if isinstance(given, list | tuple) else ()):
        to = one.get("to") if isinstance(one, Mapping) else None
        if isinstance(to, str) and to.strip() and to not in stages:
            target = part.at("transitions").at(n).at("to")
            target.error(f"there is no stage {to!r}; {nearest(to, stages)}")
    for name, to in stage.on_error.items():
        if to and to not in stages:
            below = part.at("on_error")
            target = below.at(name) if isinstance(below.value, Mapping) else below
            target.error(f"there is no stage {to!r}; {nearest(to, stages)}")


def _reachable(stages: Mapping[str, Stage], initial: str) -> set[str]:
    reached: set[str] = set()
    todo = [initial]
    while todo:
        name = todo.pop()
        if name in stages and name not in reached:
            reached.add(name)
            todo.extend(transition.to for transition in stages[name].transitions)
            todo.extend(stages[name].on_error.values())
    return reached
