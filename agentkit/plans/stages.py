"""How a state of the document becomes a `Stage`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentkit.plans import keys
from agentkit.plans.expressions import Template
from agentkit.plans.model import (
    AgentStep,
    Call,
    Mode,
    Retry,
    Stage,
    StageKind,
    Transition,
)
from agentkit.plans.parts import Part, nearest

SCOPE: Final = frozenset({"context", "input", "run"})
"""The names that every expression of a stage knows."""

OF_ITEM: Final = SCOPE | {"index"}
"""Those that are asked for one item; the `as` name comes to them in a foreach."""

AFTERWARDS: Final = SCOPE | {"output"}
"""Those that are asked when the work is done."""

RESERVED: Final = frozenset(
    {"context", "input", "output", "run", "index", "not", "and", "or", "in", "is"}
    | {"if", "else", "true", "false", "none", "null", "True", "False", "None"}
)

ITEM: Final = "item"
"""What an element is called when the stage does not say."""

KINDS: Final[tuple[StageKind, ...]] = ("initial", "final", "")
MODES: Final[tuple[Mode, ...]] = ("settled", "any")
LONGEST_WAIT: Final = 31_536_000.0
"""Seconds: a year."""
BACKOFFS: Final = 100
SAMPLES: Final = 100
CONCURRENCY: Final = 10_000
PRIORITY: Final = 1_000_000
ATTEMPTS: Final = 1000
_OF_WORK: Final = ("foreach", "execution", "mode", "timeout", "concurrency")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage may refer to."""

    agents: Mapping[str, AgentStep]
    strangers: frozenset[str]
    """Agents that other machines tell more of than their name."""
    aliases: Mapping[str, str]
    """What the machine calls other machines."""
    machines: Mapping[str, Any]
    """All machines of the document."""


def agent_step(name: str, part: Part, names: frozenset[str]) -> AgentStep:
    """Return an agent of a machine."""
    part.only(keys.AGENT, {})
    needs = part.at("capabilities")
    config = part.at("config")
    return AgentStep(
        name=name,
        needs=tuple(one.name() for one in needs.elements()) or (name,),
        title=part.at("title").template(names),
        priority=part.at("priority").whole(-PRIORITY, PRIORITY) or 0,
        max_attempts=part.at("max_attempts").whole(1, ATTEMPTS),
        config=config.value if config.object() else {},
    )


def stage(name: str, part: Part, around: Surroundings) -> Stage:
    """Return a state of a machine as a stage."""
    part.only(keys.STAGE, keys.REFUSED_STAGE)
    as_ = _as(part)
    of_item = OF_ITEM | element_names(part)
    retry, samples = _execution(part.at("execution"))
    calls = tuple(_calls(part.at("machine"), around, of_item))
    made = Stage(
        name=name,
        kind=part.at("type").choice(KINDS, ""),
        agent=_agent(part.at("agent"), around),
        calls=calls,
        lists_calls=isinstance(part.at("machine").value, list | tuple),
        launches=tuple(_calls(part.at("launch"), around, SCOPE)),
        launch_input=part.at("launch_input").template(SCOPE),
        foreach=part.at("foreach").expression(SCOPE),
        as_=as_,
        key=part.at("key").expression(of_item),
        input=part.at("input").template(of_item),
        output_to_context=_fields(part.at("output_to_context")),
        output=part.at("output").template(AFTERWARDS) or Template({}),
        transitions=tuple(_transitions(part.at("transitions"))),
        retry=retry,
        samples=samples,
        on_error=_on_error(part.at("on_error")),
        mode=part.at("mode").choice(MODES, "settled"),
        timeout=part.at("timeout").number(0.001, LONGEST_WAIT),
        concurrency=part.at("concurrency").whole(1, CONCURRENCY),
    )
    _check(made, part)
    return made


def element_names(part: Part) -> frozenset[str]:
    """Return what a stage calls its elements; it may be no good as a name."""
    return frozenset({str(part.at("as").value or ITEM)} if "foreach" in part else ())


def _as(part: Part) -> str:
    below = part.at("as")
    name = below.text(ITEM)
    if name in RESERVED:
        below.error(f"{name!r} has a meaning of its own; call the element otherwise")
    elif not (name.isidentifier() and name.isascii()):
        below.error(f"{name!r} cannot stand in expressions; use letters, digits and _")
    else:
        return name
    return ITEM


def _agent(part: Part, around: Surroundings) -> AgentStep | None:
    if part.value is None:
        return None
    name = part.text()
    if name in around.strangers and name not in around.agents:
        part.warn(
            f"{name!r} is told of in another machine, and here no more than a "
            "capability; name it under agents: of this machine as well"
        )
    plain = AgentStep(
        name=name, needs=(name,), title=None, priority=0, max_attempts=None, config={}
    )
    return around.agents.get(name, plain)


def _calls(part: Part, around: Surroundings, names: frozenset[str]) -> list[Call]:
    if part.value is None:
        return []
    if not isinstance(part.value, list | tuple):
        return [_call(part, around, names)]
    if not part.value:
        part.error("the list is empty; name a machine")
    found: dict[str, Call] = {}
    for one in part.elements():
        call = _call(one, around, names)
        if call.name in found:
            one.error(
                f"{call.name!r} stands in the list twice, and its result would be "
                "lost; use foreach, or give it another name under machines"
            )
        found[call.name] = call
    return list(found.values())


def _call(part: Part, around: Surroundings, names: frozenset[str]) -> Call:
    given = None
    target = part
    if isinstance(part.value, Mapping):
        part.only(keys.CALL, {})
        given = part.at("input").template(names)
        target = part.at("name")
    name = target.name()
    machine = around.aliases.get(name, name)
    if name and name not in around.aliases and machine not in around.machines:
        known = [*around.aliases, *around.machines]
        target.error(f"there is no machine {name!r}; {nearest(name, known)}")
    return Call(name=name, machine=machine, input=given)


def _fields(part: Part) -> Template:
    if part.value is not None and not part.object():
        return Template({})
    return part.template(AFTERWARDS) or Template({})


def _transitions(part: Part) -> list[Transition]:
    found = []
    for one in part.elements():
        if not isinstance(one.value, Mapping):
            one.error("a transition has to: and maybe condition:; write it so")
            continue
        one.only(keys.TRANSITION, {})
        found.append(
            Transition(
                to=one.at("to").name(),
                condition=one.at("condition").expression(AFTERWARDS),
            )
        )
    return found


def _on_error(part: Part) -> dict[str, str]:
    if part.value is None:
        return {}
    if isinstance(part.value, Mapping):
        return {name: below.name() for name, below in part.entries()}
    return {"default": part.text()}


def _execution(part: Part) -> tuple[Retry | None, int]:
    """Return how failed items are begun again, and how often each is done."""
    part.only(keys.EXECUTION, keys.REFUSED_EXECUTION)
    if part.value is not None and not isinstance(part.value, Mapping):
        return None, 1
    if part.at("type").value == "mdap_voting":
        part.at("type").error(
            "mdap_voting is not done here; use parallel and let an agent choose"
        )
        return None, 1
    kind = part.at("type").choice(("default", "retry", "parallel"), "default")
    _check_execution(part, kind)
    if kind == "retry":
        return _retry(part), 1
    samples = part.at("n_samples").whole(1, SAMPLES)
    return None, samples or 1


def _check_execution(part: Part, kind: str) -> None:
    belongs = {"backoffs": "retry", "jitter": "retry", "n_samples": "parallel"}
    for key, owner in belongs.items():
        if key in part and kind != owner:
            part.at(key).error(f"it does nothing here; write type: {owner} as well")


def _retry(part: Part) -> Retry:
    waits = [one.number(0, LONGEST_WAIT) for one in part.at("backoffs").elements()]
    if not waits:
        part.error("retry has no backoffs; add backoffs: [2, 8, 16]")
    if len(waits) > BACKOFFS:
        part.at("backoffs").error(f"{len(waits)} attempts; {BACKOFFS} are enough")
    return Retry(
        backoffs=tuple(wait or 0.0 for wait in waits),
        jitter=part.at("jitter").number(0, 1) or 0.0,
    )


def _check(made: Stage, part: Part) -> None:
    """Note the keys that do not go together."""
    if made.agent and made.calls:
        part.at("machine").error("agent stands here as well; make two stages of them")
    if made.lists_calls:
        single = ("foreach", "execution") if made.samples > 1 else ("foreach",)
        _forbid(part, single, "it needs a single machine; name one")
    elif made.samples > 1 and (made.foreach is not None or not made.agent):
        part.at("execution").at("n_samples").error(
            "samples are those of a single agent; write foreach: over a list instead"
        )
    if not made.has_work:
        _forbid(part, _OF_WORK, "there is no work here; add agent: or machine:")
    if not made.launches:
        _forbid(part, ("launch_input",), "nothing is launched here; add launch:")
    if "foreach" not in part:
        _forbid(part, ("as", "key"), "there are no elements here; add foreach:")
    _check_end(made, part)


def _forbid(part: Part, unfit: tuple[str, ...], told: str) -> None:
    for key in unfit:
        if key in part:
            part.at(key).error(told)


def _check_end(made: Stage, part: Part) -> None:
    if made.kind == "final" and made.transitions:
        part.at("transitions").error("nothing follows a final stage; leave them out")
    if made.kind != "final":
        if "output" in part:
            part.at("output").warn(
                "only a final stage gives an output; use output_to_context"
            )
        if not part.at("transitions").value:
            part.error("nothing follows it; add transitions:, or type: final")
    for n, transition in enumerate(made.transitions[:-1]):
        if transition.condition is None:
            part.at("transitions").at(n + 1).warn(
                "it is never reached: the one before always holds; change their order"
            )
            break
