"""What is promised of runs, with a hub process and agents that do the work."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.errors import Conflict, Invalid
from agentkit.jobs import Job, Reject
from agentkit.plans import read_plan
from agentkit.rows import Run

PAGE = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()

Start = Callable[..., Any]
Document = dict[str, Any]

FAN = """
    name: fan
    agents:
      worker: {capabilities: [WORKER], max_attempts: 1}
    states:
      work:
        type: initial
        foreach: "{{ input.items }}"
        agent: worker
        input: "{{ item }}"
        MORE
        output_to_context: {outputs: "{{ output }}"}
        transitions: [{to: done}]
      done:
        type: final
        output: {outputs: "{{ context.outputs }}"}
    """
"""Does each of the items that it is given."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def me(hub: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """Let clients find the hub that all tests share; return an agent of one's own."""
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    return home.name


@pytest.fixture
async def swarm(me: str) -> AsyncIterator[Coordinator]:
    assert me
    async with Coordinator() as swarm:
        yield swarm


class Plans:
    """Writes plans down, and reads them as everybody does."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder = folder
        self._worker = worker

    def read(self, text: str, *more: str) -> Document:
        """Return the document of a plan, with `more` lines in its first stage."""
        lines = ("\n" + " " * 8).join(more)
        text = text.replace("WORKER", self._worker).replace(
            "MORE", lines or "# no more"
        )
        path = self._folder / f"plan-{len(list(self._folder.glob('plan-*')))}.yml"
        path.write_text(f"spec: flatmachine\ndata:\n{indent(dedent(text), '  ')}")
        reading = read_plan(path)
        assert not reading.errors
        return dict(reading.document)


@pytest.fixture
def plans(home: Path) -> Plans:
    return Plans(home, home.name)


class Crew:
    """An agent that does as the items say, and remembers what it was given."""

    def __init__(self, name: str) -> None:
        self.begun: list[Any] = []
        """The `n` of each item, as often as it was begun."""
        self.running: set[Any] = set()
        self.most = 0
        self.cancelled: set[Any] = set()
        self.faults: Counter[Any] = Counter()
        """How often an item still fails, by `n`."""
        self.gates: dict[Any, asyncio.Event] = {}
        """What an item waits for, by `n`."""
        self._name = name

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["Crew"]:
        async with Agent(self._name, capabilities=[self._name]) as agent:
            agent.on_work(slots=32, lease=30)(self.work)
            yield self

    def hold(self, *numbers: Any) -> None:
        """Let items wait until they are let go."""
        self.gates |= {number: asyncio.Event() for number in numbers}

    async def has_begun(self, *numbers: Any) -> None:
        """Wait until these items are at work, and no others."""
        await until(lambda: self.running == set(numbers))

    async def finish(self, number: Any) -> None:
        """Let an item go on, and wait until it is done."""
        self.gates[number].set()
        await until(lambda: number not in self.running)

    async def work(self, job: Job) -> dict[str, Any]:
        number = job.body["input"]["n"]
        self.begun.append(number)
        self.running.add(number)
        self.most = max(self.most, len(self.running))
        try:
            return await self._do(number)
        except asyncio.CancelledError:
            self.cancelled.add(number)
            raise
        finally:
            self.running.discard(number)

    async def _do(self, number: Any) -> dict[str, Any]:
        if number in self.gates:
            await self.gates[number].wait()
        if self.faults[number] > 0:
            self.faults[number] -= 1
            raise ValueError(f"{number} went wrong")
        if self.faults[number] < 0:
            raise Reject(f"{number} cannot be done")
        return {"was": number}


@pytest.fixture
async def crew(home: Path) -> Crew:
    return Crew(home.name)


def items(count: int) -> dict[str, Any]:
    return {"items": [{"n": number} for number in range(count)]}


def was(*numbers: Any) -> list[dict[str, Any]]:
    return [{"was": number} for number in numbers]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


async def ended(swarm: Coordinator, run: str) -> Run:
    return await swarm.wait_run(run, timeout=30)


# --- launching ------------------------------------------------------------------------


async def test_a_launch_returns_at_once_though_nobody_can_do_the_work(
    swarm: Coordinator, plans: Plans
) -> None:
    run = await swarm.launch(plans.read(FAN), items(3))

    row = (await swarm.run(run)).run
    assert (row.state, row.stage) == ("running", "work")
    assert (await swarm.cancel_run(run)).state == "cancelled"


async def test_the_same_launch_twice_is_one_run(
    swarm: Coordinator, plans: Plans, crew: Crew, me: str
) -> None:
    document = plans.read(FAN)
    async with crew():
        for _ in range(2):
            assert await swarm.launch(document, items(3), run=me) == me
        await ended(swarm, me)

    assert sorted(crew.begun) == [0, 1, 2]


async def test_another_launch_with_the_same_id_is_refused(
    swarm: Coordinator, plans: Plans, me: str
) -> None:
    await swarm.launch(plans.read(FAN), items(0), run=me)

    with pytest.raises(Conflict, match="there already, with another input"):
        await swarm.launch(plans.read(FAN), items(1), run=me)
    with pytest.raises(Conflict, match="there already"):
        await swarm.launch(plans.read(FAN, "concurrency: 1"), items(0), run=me)


async def test_of_two_launches_at_once_with_one_id_one_is_refused(
    swarm: Coordinator, plans: Plans, me: str
) -> None:
    document = plans.read(FAN)
    launches = [swarm.launch(document, items(n), run=me) for n in range(10)]
    told = await asyncio.gather(*launches, return_exceptions=True)

    assert told.count(me) == 1
    assert [type(other) for other in told if other != me] == [Conflict] * 9


async def test_a_plan_that_is_too_large_is_refused_and_ends_no_connection(
    swarm: Coordinator, plans: Plans
) -> None:
    large = {"items": ["x" * (8 << 20)]}

    with pytest.raises(Invalid, match="at most 8,388,608 are taken"):
        await swarm.launch(plans.read(FAN), large)
    assert await swarm.ping() > 0


async def test_a_run_goes_on_without_whoever_launched_it(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    async with Coordinator() as other:
        run = await other.launch(plans.read(FAN), items(2))
    async with crew():
        row = await ended(swarm, run)

    assert (row.state, row.output) == ("done", {"outputs": was(0, 1)})


async def test_nobody_waits_for_what_a_stage_launches(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    document = plans.read("""
        name: boss
        machines:
          one: &one
            name: one
            states:
              work:
                type: initial
                agent: WORKER
                input: "{{ input }}"
                output_to_context: {out: "{{ output }}"}
                transitions: [{to: done}]
              done: {type: final, output: "{{ context.out }}"}
          two: {<<: *one, name: two}
        states:
          begin:
            type: initial
            launch: [one, two]
            launch_input: {n: "{{ input.n }}"}
            output_to_context: {launched: "{{ output.launched }}"}
            transitions: [{to: done}]
          done: {type: final, output: {launched: "{{ context.launched }}"}}
        """)
    run = await swarm.launch(document, {"n": 7})
    row = await ended(swarm, run)
    launched = row.output["launched"]
    below = [(await swarm.run(each)).run for each in launched]
    async with crew():
        outputs = [(await ended(swarm, each)).output for each in launched]

    assert (row.state, len(launched)) == ("done", 2)
    assert [each.state for each in below] == ["running", "running"]
    assert {each.launched_by for each in below} == {run}
    assert {each.parent for each in below} == {""}
    assert outputs == was(7, 7)


# --- results --------------------------------------------------------------------------


async def test_results_are_in_the_order_of_the_input_whoever_is_first(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(*range(5))
    async with crew():
        run = await swarm.launch(plans.read(FAN), items(5))
        await crew.has_begun(*range(5))
        for number in (4, 2, 0, 3, 1):
            await crew.finish(number)
        row = await ended(swarm, run)

    assert row.output == {"outputs": was(0, 1, 2, 3, 4)}
    assert sorted(crew.begun) == [0, 1, 2, 3, 4]


async def test_what_went_wrong_is_in_its_place_among_the_results(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults[1], crew.faults[2] = 1, -1
    async with crew():
        run = await swarm.launch(plans.read(FAN), items(4))
        row = await ended(swarm, run)

    first, second, third, fourth = row.output["outputs"]
    assert row.state == "done"
    assert [first, fourth] == was(0, 3)
    assert second == {"_error": "1 went wrong", "_error_type": "ValueError"}
    assert third == {"_error": "2 cannot be done", "_error_type": "TaskFailed"}


async def test_an_empty_list_gives_an_empty_list(
    swarm: Coordinator, plans: Plans
) -> None:
    row = await ended(swarm, await swarm.launch(plans.read(FAN), items(0)))

    assert (row.state, row.output) == ("done", {"outputs": []})


async def test_results_have_the_names_that_the_plan_gives_them(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    async with crew():
        keyed = await swarm.launch(plans.read(FAN, "key: item.n"), items(2))
        row = await ended(swarm, keyed)

    assert row.output == {"outputs": {"0": {"was": 0}, "1": {"was": 1}}}


async def test_several_machines_give_their_results_by_name(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    document = plans.read("""
        name: both
        machines:
          one: &one
            name: one
            states:
              work:
                type: initial
                agent: WORKER
                input: "{{ input }}"
                output_to_context: {out: "{{ output }}"}
                transitions: [{to: done}]
              done: {type: final, output: "{{ context.out }}"}
          two: {<<: *one, name: two}
        states:
          work:
            type: initial
            machine: [{name: one, input: {n: 1}}, {name: two, input: {n: 2}}]
            output_to_context: {out: "{{ output }}"}
            transitions: [{to: done}]
          done: {type: final, output: "{{ context.out }}"}
        """)
    async with crew():
        row = await ended(swarm, await swarm.launch(document))

    assert row.output == {"one": {"was": 1}, "two": {"was": 2}}


# --- limits ---------------------------------------------------------------------------


async def test_as_many_items_run_at_once_as_the_plan_says_no_more_and_no_fewer(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(*range(10))
    async with crew():
        run = await swarm.launch(plans.read(FAN, "concurrency: 3"), items(10))
        for number in range(10):
            await crew.has_begun(*range(number, min(number + 3, 10)))
            assert (await swarm.run(run)).run.active == len(crew.running)
            await crew.finish(number)
        row = await ended(swarm, run)

    assert row.output == {"outputs": was(*range(10))}
    assert (crew.most, sorted(crew.begun)) == (3, list(range(10)))


async def test_with_mode_any_the_first_that_is_done_counts_and_the_rest_is_called_off(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(*range(4))
    async with crew():
        run = await swarm.launch(plans.read(FAN, "mode: any"), items(4))
        await crew.has_begun(*range(4))
        crew.gates[2].set()
        row = await ended(swarm, run)
        await until(lambda: not crew.running)

    assert row.output == {"outputs": {"was": 2}}
    assert crew.cancelled == {0, 1, 3}


async def test_with_mode_any_it_is_an_error_when_all_have_failed(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults.update({0: 1, 1: 1})
    async with crew():
        row = await ended(
            swarm, await swarm.launch(plans.read(FAN, "mode: any"), items(2))
        )

    assert (row.state, row.error["_error_type"]) == ("failed", "ValueError")


async def test_a_stage_that_takes_too_long_fails_and_its_tasks_are_called_off(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(0, 1)
    async with crew():
        run = await swarm.launch(plans.read(FAN, "timeout: 0.5"), items(2))
        row = await ended(swarm, run)
        await until(lambda: len(crew.begun) == len(crew.cancelled))

    assert (row.state, row.error["_error_type"]) == ("failed", "Timeout")
    assert not crew.running


# --- what goes wrong ------------------------------------------------------------------


async def test_a_failed_item_is_begun_again_as_often_as_the_plan_says(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults.update({1: 2, 2: 3})
    again = "execution: {type: retry, backoffs: [0.05, 0.1], jitter: 0.1}"
    async with crew():
        run = await swarm.launch(plans.read(FAN, again), items(3))
        row = await ended(swarm, run)
        rows = await swarm.items(run, visit=1)

    assert row.output["outputs"][:2] == was(0, 1)
    assert row.output["outputs"][2]["_error"] == "2 went wrong"
    assert Counter(crew.begun) == {0: 1, 1: 3, 2: 3}
    assert [item.attempt for item in rows] == [1, 3, 3]


RESCUED = """
    name: rescued
    agents:
      worker: {capabilities: [WORKER], max_attempts: 1}
    states:
      work:
        type: initial
        agent: worker
        input: {n: 0}
        MORE
        transitions: [{to: done}]
      rescue:
        type: final
        output:
          rescued: "{{ context.last_error_stage }}: {{ context.last_error_type }}"
          why: "{{ context.last_error }}"
      other: {type: final, output: {other: true}}
      done: {type: final, output: {done: true}}
    """


@pytest.mark.parametrize(
    "leads",
    [
        "on_error: rescue",
        "on_error: {ValueError: rescue, default: other}",
        "on_error: {Timeout: other, default: rescue}",
    ],
)
async def test_an_error_leads_where_the_plan_says(
    swarm: Coordinator, plans: Plans, crew: Crew, leads: str
) -> None:
    crew.faults[0] = 1
    async with crew():
        row = await ended(swarm, await swarm.launch(plans.read(RESCUED, leads)))

    assert row.state == "done"
    assert row.output == {"rescued": "work: ValueError", "why": "0 went wrong"}


async def test_a_run_fails_with_the_error_of_the_run_below_it(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults[0] = 1
    document = plans.read("""
        name: above
        machines:
          below:
            name: below
            agents: {worker: {capabilities: [WORKER], max_attempts: 1}}
            states:
              work:
                type: initial
                agent: worker
                input: {n: 0}
                transitions: [{to: done}]
              done: {type: final}
        states:
          work: {type: initial, machine: below, transitions: [{to: done}]}
          done: {type: final, output: {}}
        """)
    async with crew():
        row = await ended(swarm, await swarm.launch(document))

    assert row.state == "failed"
    assert row.error == {"_error": "0 went wrong", "_error_type": "ValueError"}


async def test_what_a_cancelled_run_began_is_called_off(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(0, 1)
    async with crew():
        run = await swarm.launch(plans.read(FAN), items(2))
        await crew.has_begun(0, 1)
        row = await swarm.cancel_run(run, reason="not needed")
        await until(lambda: crew.cancelled == {0, 1})
        tasks = [task for task in swarm.tasks.values() if task.run == run]

    assert (row.state, row.reason) == ("cancelled", "not needed")
    await until(lambda: {task.state for task in tasks} <= {"leased", "cancelled"})


# --- going on -------------------------------------------------------------------------


TWICE = """
    name: twice
    agents:
      worker: {capabilities: [WORKER], max_attempts: 1}
    states:
      first:
        type: initial
        agent: worker
        input: {n: first}
        output_to_context: {first: "{{ output }}"}
        transitions: [{to: second}]
      second:
        agent: worker
        input: {n: second}
        output_to_context: {second: "{{ output }}"}
        transitions: [{to: done}]
      done:
        type: final
        output: ["{{ context.first.was }}", "{{ context.second.was }}"]
    """


async def test_resuming_a_failed_run_does_what_was_not_done(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults["second"] = 1
    async with crew():
        run = await swarm.launch(plans.read(TWICE))
        failed = await ended(swarm, run)
        await swarm.resume_run(run)
        row = await ended(swarm, run)

    assert failed.state == "failed"
    assert (row.state, row.output) == ("done", ["first", "second"])
    assert crew.begun == ["first", "second", "second"]


async def test_resuming_a_cancelled_run_keeps_the_items_that_were_done(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.hold(1, 3)
    async with crew():
        run = await swarm.launch(plans.read(FAN), items(4))
        await until(lambda: crew.running == {1, 3} and len(crew.begun) == 4)
        await until(lambda: done_tasks(swarm, run) == 2)
        await swarm.cancel_run(run)
        await until(lambda: not crew.running)
        crew.gates.clear()
        await swarm.resume_run(run)
        row = await ended(swarm, run)

    assert row.output == {"outputs": was(0, 1, 2, 3)}
    assert Counter(crew.begun) == {0: 1, 1: 2, 2: 1, 3: 2}


def done_tasks(swarm: Coordinator, run: str) -> int:
    found = [task for task in swarm.tasks.values() if task.run == run]
    return sum(task.state == "done" for task in found)


OVER = """
    name: over
    machines:
      part:
        name: part
        agents:
          worker: {capabilities: [WORKER], max_attempts: 1}
        states:
          first:
            type: initial
            agent: worker
            input: {n: "{{ input.part }}-first"}
            transitions: [{to: second}]
          second:
            agent: worker
            input: {n: "{{ input.part }}-second"}
            output_to_context: {second: "{{ output.was }}"}
            transitions: [{to: done}]
          done: {type: final, output: "{{ context.second }}"}
    states:
      parts:
        type: initial
        foreach: "{{ ['a', 'b'] }}"
        as: part
        machine: part
        output_to_context: {parts: "{{ output }}"}
        transitions: [{to: done}]
      done: {type: final, output: "{{ context.parts }}"}
    """
"""Has a machine for each of two parts, and each of these has two stages."""


async def test_a_run_below_goes_on_where_it_failed_when_it_is_retried(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults["b-second"] = 1
    async with crew():
        run = await swarm.launch(plans.read(OVER))
        first = await ended(swarm, run)
        await swarm.retry_failed(run)
        row = await ended(swarm, run)

    error = {"_error": "b-second went wrong", "_error_type": "ValueError"}
    assert first.output == ["a-second", error]
    assert row.output == ["a-second", "b-second"]
    assert Counter(crew.begun) == {
        "a-first": 1,
        "a-second": 1,
        "b-first": 1,
        "b-second": 2,
    }


async def test_resuming_a_run_that_is_done_runs_nothing(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    async with crew():
        run = await swarm.launch(plans.read(TWICE))
        row = await ended(swarm, run)
        cursor = swarm.cursor
        again = await swarm.resume_run(run)
        events = await swarm.events(after=cursor, subject="run.**")

    assert again.version == row.version
    assert [logged.event.subject for logged in events if about(logged, run)] == []
    assert again.output == row.output
    assert crew.begun == ["first", "second"]


def about(logged: Any, run: str) -> bool:
    return getattr(logged.event, "run", "") == run


async def test_only_what_failed_is_retried(
    swarm: Coordinator, plans: Plans, crew: Crew
) -> None:
    crew.faults.update({1: 1, 3: 1})
    async with crew():
        run = await swarm.launch(plans.read(FAN), items(5))
        first = await ended(swarm, run)
        await swarm.retry_failed(run)
        row = await ended(swarm, run)

    assert [each.get("_error_type") for each in first.output["outputs"]] == [
        None,
        "ValueError",
        None,
        "ValueError",
        None,
    ]
    assert row.output == {"outputs": was(0, 1, 2, 3, 4)}
    assert Counter(crew.begun) == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}


@pytest.mark.parametrize(
    ("number", "begun"), [(0, ["first", "second"]), (1, ["second"]), (2, [])]
)
async def test_a_run_from_a_checkpoint_is_another_one(
    swarm: Coordinator, plans: Plans, crew: Crew, number: int, begun: list[str]
) -> None:
    async with crew():
        old = await swarm.launch(plans.read(TWICE))
        before = await ended(swarm, old)
        crew.begun.clear()
        address = f"swarm://{old}/checkpoint/{number}"
        new = await swarm.launch_from(address)
        row = await ended(swarm, new)
        after = (await swarm.run(old)).run

    assert crew.begun == begun
    assert (row.output, row.resumed_from) == (before.output, address)
    assert new != old
    assert after == before


# --- a hub that is killed -------------------------------------------------------------


async def test_a_run_goes_on_after_a_killed_hub_and_does_only_what_was_not_done(
    start: Start, plans: Plans, crew: Crew
) -> None:
    hub = start()
    crew.hold(*range(4, 10))
    async with crew(), Coordinator() as swarm:
        run = await swarm.launch(plans.read(FAN, "concurrency: 4"), items(10))
        waiting = asyncio.create_task(ended(swarm, run))
        await crew.has_begun(4, 5, 6, 7)
        hub.process.kill()
        hub.process.wait()
        for number in (5, 7):  # these are done while there is no hub
            await crew.finish(number)
        start()
        await crew.has_begun(4, 6, 8, 9)
        for gate in crew.gates.values():
            gate.set()
        row = await waiting

    assert row.output == {"outputs": was(*range(10))}
    assert Counter(crew.begun) == dict.fromkeys(range(10), 1)
    assert crew.most == 4


async def test_what_had_ended_before_the_hub_was_killed_goes_on_after_that(
    start: Start, plans: Plans, crew: Crew
) -> None:
    hub = start()
    crew.faults["second"] = 1
    async with crew(), Coordinator() as swarm:
        run = await swarm.launch(plans.read(TWICE))
        failed = await ended(swarm, run)
        hub.process.kill()
        hub.process.wait()
        start()
        after = await ended(swarm, run)
        await swarm.resume_run(run)
        row = await ended(swarm, run)
        await swarm.resume_run(run)
        fresh = await ended(
            swarm, await swarm.launch_from(f"swarm://{run}/checkpoint/1")
        )

    assert failed.state == "failed"
    assert after == failed
    assert (row.state, row.output) == ("done", ["first", "second"])
    assert fresh.output == row.output
    assert crew.begun == ["first", "second", "second", "second"]


async def test_an_item_that_waited_to_be_tried_again_is_tried_by_the_next_hub(
    start: Start, plans: Plans, crew: Crew
) -> None:
    hub = start()
    crew.faults[1] = 1
    again = "execution: {type: retry, backoffs: [1]}"
    async with crew(), Coordinator() as swarm:
        run = await swarm.launch(plans.read(FAN, again, "concurrency: 2"), items(2))
        await until(lambda: crew.faults[1] == 0)
        while (await swarm.items(run))[1].state != "retrying":
            await asyncio.sleep(0.005)
        hub.process.kill()
        hub.process.wait()
        start()
        row = await ended(swarm, run)

    assert row.output == {"outputs": was(0, 1)}
    assert Counter(crew.begun) == {0: 1, 1: 2}


async def test_what_a_killed_hub_knew_of_a_run_that_was_done_is_what_the_next_one_knows(
    start: Start, plans: Plans, crew: Crew
) -> None:
    hub = start()
    async with crew(), Coordinator() as swarm:
        run = await swarm.launch(plans.read(TWICE))
        before = await ended(swarm, run)
        hub.process.kill()
        hub.process.wait()
        start()
        after = await ended(swarm, run)

    assert after == before
    assert crew.begun == ["first", "second"]


# --- the page -------------------------------------------------------------------------


async def test_what_the_page_shows_works(
    swarm: Coordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, *_ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    program, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pages.yml").write_text(plan)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(f"async def main():\n{indent(program, '    ')}    return run", scope)  # noqa: S102 - our own page
    async with Agent("page", capabilities=["css"]) as agent:

        @agent.on_work(slots=2)
        async def work(job: Job) -> dict[str, Any]:
            return {"file": job.body["input"]["file"], "title": job.title}

        run = await scope["main"]()

    assert run.output == {
        "pages": [
            {"file": "a.css", "title": "Fix a.css"},
            {"file": "b.css", "title": "Fix b.css"},
        ]
    }
