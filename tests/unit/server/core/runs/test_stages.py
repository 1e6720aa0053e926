"""What a stage leads to: its output, where it goes next, and where errors lead."""

from typing import Any

import pytest

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import Launch, Notify, RunEntered, RunMoved, Tick
from server.core import Rules
from server.core.turns import SPARE
from tests.unit.server.core.runs.conftest import DONE, Runs, document, plan

EACH = {"foreach": "{{ input.tasks }}", "as": "task", "agent": "worker"}
GIVEN = {**EACH, "input": "{{ task }}"}
ONE = {
    "context": {"task": "{{ input.task }}"},
    "states": {
        "do": {
            "type": "initial",
            "agent": "worker",
            "input": "{{ context.task }}",
            "output_to_context": {"r": "{{ output.r }}"},
            "transitions": [{"to": "end"}],
        },
        "end": {"type": "final", "output": {"made": "{{ context.r }}"}},
    },
}


def fail_on(*bad: Any) -> Any:
    def does(value: Any) -> Any:
        if value in bad:
            raise ValueError(f"no {value}")
        return value

    return does


def error(text: str, kind: str) -> dict[str, str]:
    return {"_error": text, "_error_type": kind}


def test_an_agent_that_is_asked_once_gives_its_result(runs: Runs) -> None:
    key = runs.launch(
        plan({"agent": "worker", "input": {"n": "{{ input.n }}"}}), {"n": 7}
    )
    runs.work(lambda value: value["n"] + 1)

    assert runs.run(key).state == "done"
    assert runs.run(key).output == {"got": {"r": 8}}


def test_results_are_in_the_order_of_the_input(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    held = [task for _ in range(4) if (task := runs.claim())]
    for task in reversed(held):
        runs.settle(task, str.upper)

    assert runs.run(key).output == {"got": [{"r": sign} for sign in "ABCD"]}


def test_an_empty_list_gives_an_empty_list(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": []})

    assert runs.run(key).state == "done"
    assert runs.run(key).output == {"got": []}


def test_items_that_fail_are_errors_among_the_results(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    runs.work(fail_on("b"))

    assert runs.run(key).output["got"][1] == error("no b", "ValueError")
    assert runs.run(key).output["got"][2] == {"r": "c"}


def test_results_can_be_named(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "key": "{{ task }}"}), {"tasks": ["x", "y"]})
    runs.work()

    assert runs.run(key).output == {"got": {"x": {"r": "x"}, "y": {"r": "y"}}}


def test_two_results_of_one_name_are_an_error(runs: Runs) -> None:
    key = runs.launch(
        plan({**GIVEN, "key": "input.same"}), {"tasks": ["x", "y"], "same": 1}
    )
    runs.work()

    assert runs.run(key).error["_error_type"] == "DuplicateKey"


def test_a_machine_gives_its_output(runs: Runs) -> None:
    stage = {"machine": "one", "input": {"task": "z"}}
    key = runs.launch(plan(stage, one=ONE))
    runs.work()

    assert runs.run(key).output == {"got": {"made": "z"}}


def test_a_machine_is_run_for_each(runs: Runs) -> None:
    stage = {"foreach": "input.tasks", "as": "task", "machine": "one"}
    key = runs.launch(plan(stage, one=ONE))
    runs.work(fail_on("c"))

    got = runs.run(key).output["got"]
    assert got[0] == {"made": "a"}
    assert got[2] == error("no c", "ValueError")
    assert list(runs.swarm.runs.rows) == [key]


def test_a_list_of_machines_gives_an_object(runs: Runs) -> None:
    machines = [
        {"name": "one", "input": {"task": 1}},
        {"name": "two", "input": {"task": 2}},
    ]
    key = runs.launch(plan({"machine": machines}, one=ONE, two=ONE))
    runs.work()

    assert runs.run(key).output == {"got": {"one": {"made": 1}, "two": {"made": 2}}}


def test_samples_are_a_list(runs: Runs) -> None:
    stage = {
        "agent": "worker",
        "input": "x",
        "execution": {"type": "parallel", "n_samples": 3},
    }
    key = runs.launch(plan(stage))
    runs.work()

    assert runs.run(key).output == {"got": [{"r": "x"}] * 3}


def test_a_launch_does_not_wait(runs: Runs) -> None:
    stage = {"launch": ["one"], "launch_input": {"task": "z"}}
    key = runs.launch(plan(stage, one=ONE))

    (other,) = runs.run(key).output["got"]["launched"]
    assert runs.run(key).state == "done"
    assert runs.run(other).state == "running"
    assert (runs.run(other).launched_by, runs.run(other).root) == (key, other)
    runs.work()
    assert runs.run(other).output == {"made": "z"}


def test_any_takes_the_first_that_is_done_and_calls_off_the_rest(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "mode": "any"}))
    runs.settle(runs.claim(), fail_on("a"))  # type: ignore[arg-type]
    second = runs.claim()
    runs.settle(second, str.upper)  # type: ignore[arg-type]

    assert runs.run(key).output == {"got": {"r": "B"}}
    assert runs.claim() is None
    assert runs.swarm.task_counts["cancelled"] == 2


def test_any_of_none_is_an_error(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "mode": "any"}))
    runs.work(fail_on("a", "b", "c", "d"))

    assert runs.run(key).state == "failed"
    assert runs.run(key).error == error("none of 4 items was done: no d", "ValueError")


def test_a_stage_that_takes_too_long_is_called_off(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "timeout": 60}))
    runs.settle(runs.claim(), str.upper)  # type: ignore[arg-type]
    runs.later(seconds=59)
    assert runs.run(key).state == "running"

    runs.later(seconds=1)

    assert runs.run(key).error["_error_type"] == "Timeout"
    assert runs.swarm.task_counts["cancelled"] == 3
    assert runs.run(key).active == 0


def test_what_was_done_in_time_is_not_late(runs: Runs) -> None:
    key = runs.launch(plan({**GIVEN, "timeout": 60}))
    runs.work()
    runs.later(seconds=100)

    assert runs.run(key).state == "done"


def test_an_error_leads_where_the_plan_says(runs: Runs) -> None:
    stage = {
        "type": "initial",
        "transitions": [{"to": "done"}],
        "agent": "worker",
        "input": "x",
        "on_error": {"KeyError": "done", "ValueError": "mend", "default": "done"},
    }
    key = runs.launch(
        document(
            main={
                "context": {"got": 0},
                "states": {
                    "work": {
                        "type": "initial",
                        "transitions": [{"to": "done"}],
                        **stage,
                    },
                    "mend": {
                        "output_to_context": {"got": "{{ context.last_error }}"},
                        "transitions": [{"to": "done"}],
                    },
                    "done": DONE,
                },
            }
        )
    )
    runs.work(fail_on("x"))

    assert runs.run(key).output == {"got": "no x"}


def test_an_expression_that_fails_is_an_error_of_its_stage(runs: Runs) -> None:
    key = runs.launch(
        plan({**GIVEN, "foreach": "{{ input.nothing }}", "on_error": "done"})
    )

    assert runs.run(key).state == "done"
    assert runs.run(key).output == {"got": None}


def test_a_foreach_over_something_else_says_so(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN), {"tasks": 5})

    assert "where a list is needed" in runs.run(key).error["_error"]


def test_an_item_that_cannot_be_begun_has_failed(runs: Runs) -> None:
    key = runs.launch(
        plan({**EACH, "input": "{{ task.name }}"}), {"tasks": [{"name": 1}, {}]}
    )
    runs.work()

    good, bad = runs.run(key).output["got"]
    assert good == {"r": 1}
    assert bad["_error_type"] == "ExpressionError"


def test_transitions_are_tried_in_order(runs: Runs) -> None:
    loop = {
        "type": "initial",
        "output_to_context": {"n": "{{ context.n + 1 }}"},
        "transitions": [{"condition": "context.n < 5", "to": "loop"}, {"to": "done"}],
    }
    done = {"type": "final", "output": "{{ context.n }}"}
    key = runs.launch(
        document(main={"context": {"n": 0}, "states": {"loop": loop, "done": done}})
    )

    assert runs.run(key).output == 5
    assert runs.run(key).visit == 6


def test_no_transition_that_holds_is_an_error(runs: Runs) -> None:
    stage = {"transitions": [{"condition": "false", "to": "done"}]}
    key = runs.launch(plan(stage))

    assert runs.run(key).error["_error_type"] == "NoTransition"


def test_a_loop_without_end_is_ended(runs: Runs) -> None:
    loop = {
        "type": "initial",
        "transitions": [{"condition": "true", "to": "loop"}, {"to": "done"}],
    }
    main = {
        "settings": {"max_steps": 50},
        "states": {"loop": loop, "done": {"type": "final"}},
    }
    key = runs.launch(document(main=main))

    assert runs.run(key).error["_error_type"] == "TooManySteps"
    assert runs.run(key).visit == 50


def test_a_machine_that_calls_itself_without_end_is_ended(runs: Runs) -> None:
    again = {
        "type": "initial",
        "machine": "main",
        "transitions": [{"to": "done"}],
    }
    key = runs.launch(
        document(main={"states": {"again": again, "done": {"type": "final"}}})
    )

    assert runs.run(key).error["_error_type"] == "TooDeep"
    assert list(runs.swarm.runs.rows) == [key]


def test_a_machine_that_launches_itself_without_end_is_ended(runs: Runs) -> None:
    again = {
        "type": "initial",
        "launch": "main",
        "transitions": [{"to": "done"}],
    }
    runs.launch(document(main={"states": {"again": again, "done": {"type": "final"}}}))

    while runs.swarm.runs.stirred:
        runs.do(Tick())

    rows = runs.swarm.runs.rows.values()
    states = [row.state for row in sorted(rows, key=lambda row: len(row.id))]
    assert states == ["done"] * runs.swarm.rules.run_depth + ["failed"]
    assert [row.error["_error_type"] for row in rows if row.error] == ["TooDeep"]


def test_a_turn_goes_through_only_so_many_stages(runs: Runs) -> None:
    loop = {"type": "initial", "transitions": [{"to": "loop"}]}
    main = {
        "settings": {"max_steps": 5000},
        "states": {"loop": loop, "done": {"type": "final"}},
    }

    key = runs.launch(document(main=main))
    gone = runs.run(key).visit

    assert gone < SPARE
    assert runs.swarm.deadline is not None
    while runs.swarm.runs.stirred:
        runs.do(Tick())
    assert runs.run(key).error["_error_type"] == "TooManySteps"


def test_stages_that_cannot_be_entered_do_not_hold_a_turn_up(runs: Runs) -> None:
    wrong = {
        "type": "initial",
        "foreach": "{{ context.missing }}",
        "machine": "main",
        "on_error": "wrong",
        "transitions": [{"to": "done"}],
    }
    main = {
        "settings": {"max_steps": 5000},
        "states": {"wrong": wrong, "done": {"type": "final"}},
    }

    key = runs.launch(document(main=main))

    assert runs.run(key).visit < SPARE
    assert runs.run(key).state == "running"


def test_items_with_costly_inputs_are_begun_in_several_turns(runs: Runs) -> None:
    costly = {**EACH, "input": "{{ input.large|sort|length }}"}
    given = {"tasks": list(range(100)), "large": list(range(10_000))}

    key = runs.launch(plan(costly), given)

    assert 0 < runs.run(key).started < 100
    while runs.swarm.runs.stirred:
        runs.do(Tick())
    assert runs.run(key).started == 100


def test_an_id_leaves_room_for_the_ids_of_what_the_run_begins(runs: Runs) -> None:
    with pytest.raises(Invalid, match="at most 128 are allowed"):
        runs.launch(plan(GIVEN), id="x" * 129)


def test_a_context_has_its_size() -> None:
    runs = Runs(Rules(context_bytes=300))
    key = runs.launch(plan(GIVEN))
    runs.work(lambda _: "x" * 100)

    assert runs.run(key).error["_error_type"] == "TooLarge"


def test_a_stage_has_so_many_items_and_no_more() -> None:
    runs = Runs(Rules(run_items=3))
    key = runs.launch(plan(GIVEN))

    assert runs.run(key).error["_error_type"] == "TooMany"


def test_every_stage_that_is_left_is_a_checkpoint(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    runs.work()

    rows = runs.swarm.take().checkpoints
    assert [row.address for row in rows.values()] == [
        f"swarm://{key}/checkpoint/0",
        f"swarm://{key}/checkpoint/1",
    ]
    assert rows[key, 0].input == {"tasks": ["a", "b", "c", "d"]}
    assert rows[key, 1].context["got"] == [{"r": sign} for sign in "abcd"]
    assert (rows[key, 0].stage, rows[key, 1].stage) == ("work", "done")


def test_what_a_run_led_to_is_a_result(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    runs.work()

    assert runs.swarm.take().results[key, "result"].value == runs.run(key).output


def test_a_checkpoint_is_where_another_run_begins(runs: Runs) -> None:
    key = runs.launch(plan(GIVEN))
    runs.work()
    old = runs.run(key)
    at = runs.swarm.take().checkpoints[key, 1]

    other = runs.launch(
        plan(GIVEN), stage=at.stage, context=at.context, resumed_from=at.address
    )

    assert runs.run(other).output == old.output
    assert runs.run(other).resumed_from == at.address
    assert runs.run(key) == old
    assert len(runs.handled) == 4


def test_a_run_is_launched_once_under_its_id(runs: Runs) -> None:
    runs.launch(plan(GIVEN), id="mine")

    assert runs.do(Launch(id="mine", plan=plan(GIVEN), input={"tasks": []})) == []
    with pytest.raises(Conflict, match="there already"):
        runs.do(Launch(id="mine", plan=plan({**GIVEN, "timeout": 5})))
    with pytest.raises(Conflict, match="there already"):
        runs.do(Launch(id="mine", plan=plan(GIVEN, one=ONE), machine="one"))


def test_a_run_without_a_name_is_none_that_somebody_has_named(runs: Runs) -> None:
    taken = f"r{runs.swarm.cursor + 50}"
    runs.launch(plan(GIVEN), id=taken)
    while runs.swarm.cursor + 1 < int(taken[1:]):
        runs.do(Notify(agent="x", report="busy", message=str(runs.swarm.cursor)))

    assert runs.launch(plan(GIVEN)) != taken


@pytest.mark.parametrize("key", ["a.b", "a/b", "a b", "a?b", "a\nb", "x" * 300])
def test_an_id_that_would_not_fit_into_an_address_is_refused(
    runs: Runs, key: str
) -> None:
    with pytest.raises(Invalid):
        runs.launch(plan(GIVEN), id=key)


def test_a_plan_is_kept_with_the_first_run_of_it(runs: Runs) -> None:
    kept = []
    for _ in range(2):
        runs.launch(plan(GIVEN))
        kept.append(len(runs.swarm.take().plans))
    runs.work()
    # Whoever takes away what is old may have taken it with its last run.
    runs.launch(plan(GIVEN))
    kept.append(len(runs.swarm.take().plans))

    assert kept == [1, 0, 1]


def test_a_plan_that_is_none_is_refused(runs: Runs) -> None:
    with pytest.raises(Invalid):
        runs.launch({"name": "x"})
    with pytest.raises(Invalid, match="no machine 'other'"):
        runs.launch(plan(GIVEN), machine="other")


def test_events_tell_where_a_run_goes(runs: Runs) -> None:
    runs.launch(plan({}))

    entered = [event.stage for event in runs.log if isinstance(event, RunEntered)]
    moved = [event.stage for event in runs.log if isinstance(event, RunMoved)]
    assert (entered, moved) == (["work", "done"], ["done"])
