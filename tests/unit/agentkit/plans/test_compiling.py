"""Documents of plans, compiled: what they say, and what is refused."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import Invalid
from agentkit.plans import Expression, Flow, Retry, Template, Transition, compile_plan
from agentkit.plans.compiling import examine, place
from agentkit.plans.parts import EXPRESSIONS, FAULTS

PLAN: dict[str, Any] = {
    "name": "demo",
    "main": "top",
    "machines": {
        "top": {
            "context": {"tasks": "{{ input.tasks }}", "n": 0},
            "agents": {
                "writer": {
                    "capabilities": ["text", "english"],
                    "title": "Write {{ task.id }}",
                    "priority": 7,
                    "max_attempts": 2,
                    "config": {"model": "{{ not read }}"},
                }
            },
            "machines": {"sub": "below"},
            "settings": {"max_steps": 50},
            "persistence": {"enabled": False},
            "states": {
                "work": {
                    "type": "initial",
                    "foreach": "{{ context.tasks }}",
                    "as": "task",
                    "key": "task.id",
                    "agent": "writer",
                    "input": {"task": "{{ task }}", "n": "{{ index }}"},
                    "output_to_context": {"texts": "{{ output }}"},
                    "execution": {"type": "retry", "backoffs": [2, 8], "jitter": 0.1},
                    "concurrency": 20,
                    "timeout": 60,
                    "on_error": {"TaskFailed": "again", "default": "done"},
                    "transitions": [
                        {"condition": "context.texts|length > 3", "to": "done"},
                        {"to": "again"},
                    ],
                },
                "again": {
                    "machine": [
                        "sub",
                        {"name": "below", "input": {"a": "{{ run.id }}"}},
                    ],
                    "launch": "sub",
                    "launch_input": {"a": 1},
                    "mode": "any",
                    "on_error": "done",
                    "transitions": [{"to": "done"}],
                },
                "done": {"type": "final", "output": {"texts": "{{ context.texts }}"}},
            },
        },
        "below": {
            "states": {
                "initial": {
                    "agent": "gpu",
                    "execution": {"type": "parallel", "n_samples": 3},
                    "transitions": [{"to": "end"}],
                },
                "end": {"type": "final"},
            }
        },
    },
}

Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    document = copy.deepcopy(PLAN)
    change(document)
    return document


def flow() -> Flow:
    return compile_plan(PLAN)


def test_a_plan_says_where_it_begins_and_what_it_keeps() -> None:
    top = flow().machines["top"]

    assert (flow().name, flow().main) == ("demo", "top")
    assert (top.initial, top.max_steps, top.keeps_checkpoints) == ("work", 50, False)
    assert top.context.render({"input": {"tasks": [1]}}) == {"tasks": [1], "n": 0}
    assert top.machines == {"sub": "below"}


def test_a_stage_says_what_is_done_and_how() -> None:
    stage = flow().machines["top"].stages["work"]

    assert stage.kind == "initial"
    assert stage.foreach == Expression("{{ context.tasks }}")
    assert stage.as_ == "task"
    assert stage.key == Expression("task.id")
    assert stage.input == Template({"task": "{{ task }}", "n": "{{ index }}"})
    assert stage.output_to_context == Template({"texts": "{{ output }}"})
    assert stage.retry == Retry(backoffs=(2.0, 8.0), jitter=0.1)
    assert (stage.samples, stage.mode) == (1, "settled")
    assert (stage.timeout, stage.concurrency) == (60.0, 20)
    assert stage.on_error == {"TaskFailed": "again", "default": "done"}
    assert stage.transitions == (
        Transition(to="done", condition=Expression("context.texts|length > 3")),
        Transition(to="again", condition=None),
    )


def test_an_agent_says_what_it_must_be_able_to() -> None:
    agent = flow().machines["top"].stages["work"].agent

    assert agent is not None
    assert agent.needs == ("text", "english")
    assert agent.title == Template("Write {{ task.id }}")
    assert (agent.priority, agent.max_attempts) == (7, 2)
    assert agent.config == {"model": "{{ not read }}"}


def test_an_agent_that_nobody_describes_is_a_capability() -> None:
    stage = flow().machines["below"].stages["initial"]

    assert stage.agent is not None
    assert (stage.agent.name, stage.agent.needs) == ("gpu", ("gpu",))
    assert stage.samples == 3


def test_a_stage_calls_and_launches_machines_by_their_names() -> None:
    stage = flow().machines["top"].stages["again"]

    assert [(call.name, call.machine) for call in stage.calls] == [
        ("sub", "below"),
        ("below", "below"),
    ]
    assert stage.calls[1].input == Template({"a": "{{ run.id }}"})
    assert [(call.name, call.machine) for call in stage.launches] == [("sub", "below")]
    assert stage.lists_calls
    assert stage.on_error == {"default": "done"}
    assert stage.mode == "any"


def test_a_stage_called_initial_is_the_first_when_none_has_the_type() -> None:
    below = flow().machines["below"]

    assert below.initial == "initial"
    assert below.stages["initial"].kind == "initial"


def test_the_main_machine_is_the_first_when_none_is_named() -> None:
    document = changed(lambda plan: (plan.pop("main"), plan.pop("name")))

    assert compile_plan(document).main == "top"
    assert compile_plan(document).name == "top"


def stage_of(plan: dict[str, Any], name: str = "work") -> dict[str, Any]:
    found: dict[str, Any] = plan["machines"]["top"]["states"][name]
    return found


REFUSED: list[tuple[Change, str]] = [
    (lambda p: p.update(extra=1), "extra: there is no key 'extra' here"),
    (
        lambda p: p.update(main="tip"),
        "main: there is no machine 'tip'; did you mean 'top'",
    ),
    (lambda p: p.update(machines={}), "it has no machines"),
    (lambda p: p.update(machines=[1]), "machines: a list stands here; give keys"),
    (
        lambda p: p["machines"]["top"].update(states={}),
        "machines.top: it has no states",
    ),
    (lambda p: stage_of(p).update(action="rm"), "runs nothing: let an agent do"),
    (lambda p: stage_of(p).update(hooks="x"), "runs nothing: follow the events"),
    (lambda p: stage_of(p).update(tool_loop=True), "let the agent call its tools"),
    (
        lambda p: stage_of(p).update(execution={"type": "mdap_voting"}),
        "mdap_voting is not done here",
    ),
    (
        lambda p: p["machines"]["top"].update(expression_engine="cel"),
        "those of Jinja2",
    ),
    (lambda p: stage_of(p).update(inputs={}), "did you mean 'input'"),
    (lambda p: stage_of(p).pop("type"), "no stage is initial"),
    (
        lambda p: stage_of(p, "again").update(type="initial"),
        "again.type: 'work' is initial already",
    ),
    (lambda p: stage_of(p).update(type="start"), "choose one of initial, final"),
    (
        lambda p: stage_of(p).update(transitions=[{"to": "dune"}]),
        "transitions[0].to: there is no stage 'dune'; did you mean 'done'",
    ),
    (lambda p: stage_of(p).update(transitions=[]), "nothing follows it"),
    (lambda p: stage_of(p).update(transitions=[{}]), "[0].to: nothing stands here"),
    (lambda p: stage_of(p).update(transitions=["done"]), "a transition has to:"),
    (lambda p: stage_of(p).update(transitions="done"), "a text stands here"),
    (
        lambda p: stage_of(p, "done").update(transitions=[{"to": "work"}]),
        "nothing follows a final stage",
    ),
    (lambda p: stage_of(p).update(on_error={"X": None}), "X: nothing stands here"),
    (
        lambda p: p["machines"]["top"]["machines"].update(sub=None),
        "machines.sub: nothing stands here",
    ),
    (lambda p: stage_of(p).update(on_error="dune"), "on_error: there is no stage"),
    (
        lambda p: stage_of(p).update(on_error={"X": "dune"}),
        "on_error.X: there is no stage",
    ),
    (lambda p: stage_of(p).pop("agent"), "foreach: there is no work here"),
    (lambda p: stage_of(p).update(machine="sub"), "machine: agent stands here as well"),
    (
        lambda p: stage_of(p, "again").update(foreach="context.tasks"),
        "it needs a single machine",
    ),
    (lambda p: stage_of(p, "again").update(machine="sib"), "did you mean 'sub'"),
    (lambda p: stage_of(p, "again").update(machine=[]), "the list is empty"),
    (
        lambda p: stage_of(p, "again").update(machine=["sub", "sub"]),
        "machine[1]: 'sub' stands in the list twice",
    ),
    (
        lambda p: stage_of(p, "again").update(machine=[{"input": {}}]),
        "machine[0].name: nothing stands here",
    ),
    (
        lambda p: p["machines"]["top"]["machines"].update(sub="belaw"),
        "machines.sub: there is no machine 'belaw'; did you mean 'below'",
    ),
    (lambda p: stage_of(p, "again").pop("launch"), "nothing is launched here"),
    (lambda p: stage_of(p).pop("foreach"), "there is no 'task' here"),
    (lambda p: stage_of(p, "again").update(key="run.id"), "no elements here"),
    (lambda p: stage_of(p).update({"as": "context"}), "has a meaning of its own"),
    (lambda p: stage_of(p).update({"as": "a b"}), "cannot stand in expressions"),
    (lambda p: stage_of(p).update(foreach="context."), "foreach: context.:"),
    (lambda p: stage_of(p).update(foreach=["a"]), "a list is no expression"),
    (lambda p: stage_of(p).update(foreach="output"), "there is no 'output' here"),
    (lambda p: stage_of(p).update(input="{{ output }}"), "there is no 'output' here"),
    (
        lambda p: p["machines"]["top"]["context"].update(x=["{{ contxt.a }}"]),
        "context.x[0]: there is no 'contxt' here",
    ),
    (
        lambda p: stage_of(p).update(output_to_context=["{{ output }}"]),
        "give keys with values",
    ),
    (lambda p: stage_of(p).update(input={"a": "{{ 1 + }}"}), "input.a: 1 +:"),
    (lambda p: stage_of(p).update(input={"a": "{% x %}"}), "no statements"),
    (lambda p: stage_of(p).update(concurrency=0), "give a whole number, 1 to 10,000"),
    (lambda p: stage_of(p).update(concurrency=True), "true is not allowed"),
    (lambda p: stage_of(p).update(timeout="5m"), "'5m' is not allowed; give a number"),
    (lambda p: stage_of(p).update(mode="all"), "choose one of settled, any"),
    (
        lambda p: stage_of(p).update(execution={"type": "retry"}),
        "retry has no backoffs",
    ),
    (
        lambda p: stage_of(p).update(execution={"type": "retry", "backoffs": [-1]}),
        "backoffs[0]: -1 is not allowed",
    ),
    (
        lambda p: stage_of(p).update(execution={"n_samples": 2}),
        "write type: parallel as well",
    ),
    (
        lambda p: stage_of(p).update(execution={"type": "parallel", "n_samples": 2}),
        "samples are those of a single agent",
    ),
    (
        lambda p: p["machines"]["top"]["agents"].update(writer="text"),
        "agents.writer: a text stands here",
    ),
    (
        lambda p: p["machines"]["top"]["agents"]["writer"].update(priority="high"),
        "priority: 'high' is not allowed",
    ),
    (
        lambda p: p["machines"]["top"].update(settings={"max_steps": 0}),
        "max_steps: 0 is not allowed",
    ),
    (
        lambda p: p["machines"]["top"].update(persistence={"enabled": "yes"}),
        "neither true nor false",
    ),
]


@pytest.mark.parametrize(
    ("change", "told"), REFUSED, ids=[told[:40] for _, told in REFUSED]
)
def test_a_plan_is_refused(change: Change, told: str) -> None:
    _, faults = examine(changed(change))
    errors = [f"{place(one.path)}: {one.text}" for one in faults]

    assert any(told in text for text in errors)
    assert not any("\n" in text or text.endswith(".") for text in errors)
    with pytest.raises(Invalid, match=re.escape(errors[0])):
        compile_plan(changed(change))


ODD: list[tuple[Change, str]] = [
    (
        lambda p: p["machines"]["top"]["states"].update(
            lost={"transitions": [{"to": "done"}]}
        ),
        "nothing leads to it",
    ),
    (lambda p: stage_of(p, "done").pop("type"), "no final stage can be reached"),
    (lambda p: stage_of(p).update(output={}), "only a final stage gives an output"),
    (
        lambda p: stage_of(p)["transitions"].reverse(),
        "the one before always holds",
    ),
    (
        lambda p: p["machines"]["below"]["states"]["initial"].update(agent="writer"),
        "'writer' is told of in another machine",
    ),
]


@pytest.mark.parametrize(("change", "told"), ODD, ids=[told for _, told in ODD])
def test_what_is_odd_is_a_warning(change: Change, told: str) -> None:
    _, faults = examine(changed(change))

    assert any(told in one.text and one.severity == "warning" for one in faults)


def test_a_sound_plan_has_no_faults() -> None:
    assert examine(PLAN)[1] == []


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


HARMFUL: list[tuple[Any, str]] = [
    (None, "it is empty"),
    ([], "a list stands here"),
    ("x", "a text stands here"),
    ({"machines": {"m": {"context": deep(60)}}}, "nested deeper"),
    ({"machines": {"m": {"context": deep(100_000)}}}, "nested deeper"),
    ({"machines": {"m": {"context": "x" * 2_000_000}}}, "bytes"),
    ({"machines": {f"m{n}": {} for n in range(300)}}, "300 machines"),
    (
        {"machines": {"m": {"states": {str(n): {} for n in range(2000)}}}},
        "stages",
    ),
    ({1: 2}, "a key is a number"),
    ({"machines": {"\n": {}}}, "the name '\\n' is no good"),
    ({"machines": {"m": {"states": {"x" * 300: {}}}}}, "is no good"),
    ({"machines": {"m": {"context": {"a": float("nan")}}}}, "nan is no number of JSON"),
    ({"machines": {"m": {"context": {"a": object()}}}}, "not JSON"),
]


@pytest.mark.parametrize(
    ("document", "told"), HARMFUL, ids=[told for _, told in HARMFUL]
)
def test_what_is_no_plan_is_refused(document: Any, told: str) -> None:
    with pytest.raises(Invalid, match=r".") as caught:
        compile_plan(document)
    assert told in str(caught.value)
    del document


ONE = "{{ input.a }}"


@pytest.mark.parametrize("many", [[ONE] * (EXPRESSIONS // 16), ONE * 3000])
def test_a_plan_with_too_many_expressions_is_refused(many: Any) -> None:
    document = copy.deepcopy(PLAN)
    document["machines"]["top"]["context"]["a"] = many

    with pytest.raises(Invalid, match="use fewer"):
        compile_plan(document)


def test_no_more_faults_are_looked_for_than_anybody_reads() -> None:
    wrong = {f"key{n}": n for n in range(10_000)}

    _, faults = examine(changed(lambda plan: stage_of(plan).update(wrong)))

    assert len(faults) == FAULTS


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.sampled_from(
            ["initial", "final", "done", "work", "{{ a", "{{ input }}", "sub"]
        ),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "to", "type", "input", "condition", "default"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        below = [
            place for key, one in value.items() for place in places(one, (*path, key))
        ]
    elif isinstance(value, list):
        below = [
            place for n, one in enumerate(value) for place in places(one, (*path, n))
        ]
    else:
        below = []
    return [path, *below] if path else below


@settings(deadline=None, max_examples=400)
@given(
    spots=st.lists(st.sampled_from(places(PLAN)), min_size=1, max_size=3),
    value=VALUES,
)
def test_whatever_stands_in_a_plan_it_is_compiled_or_refused(
    spots: list[tuple[Any, ...]], value: Any
) -> None:
    document = copy.deepcopy(PLAN)
    for path in spots:
        inside: Any = document
        for key in path[:-1]:
            try:
                inside = inside[key]
            except (LookupError, TypeError):
                break
        if isinstance(inside, dict):
            inside[path[-1]] = value

    try:
        made = compile_plan(document)
    except Invalid:
        return
    assert made.main in made.machines
    for machine in made.machines.values():
        assert machine.initial in machine.stages
        for stage in machine.stages.values():
            assert {one.to for one in stage.transitions} <= set(machine.stages)
            assert {one.machine for one in stage.calls} <= set(made.machines)
