"""Runs that memory has let go of are read back before a wish about them is decided."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit.errors import Conflict, NotFound
from agentkit.protocol import Claim, Complete, Fail, Launch, TaskLeased
from agentkit.rows import Run
from server.core import Rules
from server.hub import Hub
from server.runs import CANCEL, LAUNCH, RESUME, RETRY, Runs
from server.store.memory import MemoryStore
from tests.integration.plans import fan, machine, nested, plan

TWO = plan(
    machine(
        first={
            "type": "initial",
            "foreach": "{{ input.items }}",
            "agent": "worker",
            "input": {"n": "{{ item }}"},
            "output_to_context": {"first": "{{ output }}"},
            "transitions": [{"to": "second"}],
        },
        second={
            "agent": "worker",
            "input": {"n": 9},
            "output_to_context": {"second": "{{ output }}"},
            "transitions": [{"to": "done"}],
        },
        done={"type": "final", "output": "{{ context }}"},
    )
)
"""Two stages with work, one after the other."""


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(MemoryStore(), rules=Rules(keep_settled=1), version="test")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def runs(hub: Hub) -> Runs:
    return Runs(hub)


async def wish(runs: Runs, word: str, **fields: Any) -> Run:
    command = await runs.command(word, fields, "operator")
    return (await runs.submit(command)).run


async def claim(hub: Hub) -> list[Any]:
    wish = Claim(agent="w1", tasks=100, capabilities=("w",))
    outcome = await hub.submit(
        wish,
        read=lambda swarm, events: [
            swarm.tasks[event.task]
            for _, event in events
            if isinstance(event, TaskLeased)
        ],
    )
    return outcome.value or []


async def work(hub: Hub, *bad: int) -> list[int]:
    """Do all that waits, and return the numbers; those that are bad fail."""
    numbers: list[int] = []
    while tasks := await claim(hub):
        for task in tasks:
            number = task.body["input"]["n"]
            numbers.append(number)
            own: dict[str, Any] = {"agent": "w1", "task": task.id, "fence": task.fence}
            if number in bad:
                await hub.submit(Fail(**own, reason="bad", final=True))
            else:
                await hub.submit(Complete(**own, result={"n": number}))
    return numbers


async def forget(runs: Runs, run: str) -> None:
    """Settle other runs until memory has let go of one."""
    for _ in range(2):
        await wish(runs, LAUNCH, plan=fan(), input={"items": []})
    assert await runs._hub.ask(lambda swarm: run not in swarm.runs.rows)


async def test_a_run_that_was_called_off_long_ago_goes_on(hub: Hub, runs: Runs) -> None:
    await wish(runs, LAUNCH, id="R", plan=nested(), input={"parts": [[1], [2]]})
    await wish(runs, CANCEL, id="R")
    await forget(runs, "R")

    resumed = await wish(runs, RESUME, id="R")
    numbers = await work(hub)

    assert resumed.state == "running"
    assert sorted(numbers) == [1, 2]
    assert (await runs.find("R")).state == "done"


async def test_a_stage_that_was_left_long_ago_is_retried_with_what_was_known_then(
    hub: Hub, runs: Runs
) -> None:
    await wish(runs, LAUNCH, id="R", plan=TWO, input={"items": [1, 2, 3]})
    await work(hub, 2)
    await forget(runs, "R")

    retried = await wish(runs, RETRY, id="R")
    numbers = await work(hub)
    row = await runs.find("R")

    assert (retried.state, retried.stage, retried.visit) == ("running", "first", 1)
    assert numbers == [2, 9]
    assert row.output["first"] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_an_id_that_was_used_long_ago_is_the_same_run(runs: Runs) -> None:
    given = {"id": "R", "plan": fan(), "input": {"items": []}}
    await wish(runs, LAUNCH, **given)
    first = await runs.find("R")
    await forget(runs, "R")

    again = await wish(runs, LAUNCH, **given)

    assert again == first
    with pytest.raises(Conflict, match="'R' is there already"):
        await wish(runs, LAUNCH, id="R", plan=TWO)


async def test_what_has_ended_long_ago_cannot_be_called_off(runs: Runs) -> None:
    await wish(runs, LAUNCH, id="R", plan=fan(), input={"items": []})
    await forget(runs, "R")

    with pytest.raises(Conflict, match="is done: there is nothing to cancel"):
        await wish(runs, CANCEL, id="R")


@pytest.mark.parametrize("word", [CANCEL, RESUME, RETRY])
async def test_what_was_never_there_is_not_found(runs: Runs, word: str) -> None:
    with pytest.raises(NotFound, match="no run 'R' is known"):
        await wish(runs, word, id="R")


async def test_the_hub_refuses_what_is_recalled_too_late(hub: Hub, runs: Runs) -> None:
    """A run goes on between the question and the wish: it is not taken back."""
    await wish(runs, LAUNCH, id="R", plan=fan(), input={"items": [1, 2]})
    await work(hub, 2)
    late = await runs.command(RETRY, {"id": "R"}, "operator")
    await wish(runs, RETRY, id="R")

    with pytest.raises(Conflict, match="is running: cancel it first"):
        await runs.submit(late)


async def test_launching_is_a_command_like_any_other(hub: Hub) -> None:
    outcome = await hub.submit(Launch(id="", plan=fan(), input={"items": []}))

    subjects = [logged.event.subject for logged in outcome.events]
    assert subjects[:2] == ["plan.kept", "run.launched"]
    assert subjects[-1] == "run.finished"
