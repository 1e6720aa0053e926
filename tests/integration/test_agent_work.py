"""Work that is pushed to agents: claimed, kept alive, ended, and taken away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.agent import Job, Later, Mail, Reject
from agentkit.errors import Conflict, Invalid
from agentkit.jobs import Failed
from agentkit.protocol import TaskExtended
from agentkit.rows import Task

Start = Callable[..., Any]


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


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.005)


async def ended(swarm: Coordinator, task: str, state: str) -> Task:
    await until(lambda: task in swarm.tasks and swarm.tasks[task].state == state)
    return swarm.tasks[task]


async def test_work_is_pushed_and_its_result_told(swarm: Coordinator, me: str) -> None:
    async with Agent(me, capabilities=[me]) as agent:
        jobs: list[Job] = []

        @agent.on_work
        async def work(job: Job) -> dict[str, Any]:
            jobs.append(job)
            return {"pages": 3}

        await swarm.enqueue("Draw", task=f"{me}-T", needs=[me], body={"file": "a.png"})
        task = await ended(swarm, f"{me}-T", "done")

    (job,) = jobs
    assert (job.id, job.title, job.body["file"]) == (f"{me}-T", "Draw", "a.png")
    assert (job.attempt, job.fence) == (1, task.fence)
    assert (task.agent, task.result) == (me, {"pages": 3})


async def test_what_is_assigned_is_work_too(swarm: Coordinator, me: str) -> None:
    async with Agent(me, durable=True) as agent:

        @agent.on_work
        async def work(_: Job) -> None:
            pass

        await swarm.assign(me, f"{me}-T")
        await ended(swarm, f"{me}-T", "done")
        await until(lambda: swarm.agents[me].status == "idle")

        (row,) = await swarm.mailbox(me)
        assert row.state == "done"


async def test_as_many_jobs_at_once_as_there_are_slots(
    swarm: Coordinator, me: str
) -> None:
    running: set[str] = set()
    most = 0
    release = asyncio.Event()
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work(slots=2, lease=30)
        async def work(job: Job) -> None:
            nonlocal most
            running.add(job.id)
            most = max(most, len(running))
            await release.wait()
            running.discard(job.id)

        keys = [f"{me}-{number}" for number in range(5)]
        for key in keys:
            await swarm.enqueue(task=key, needs=[me])
        await until(lambda: len(running) == 2)
        release.set()
        for key in keys:
            await ended(swarm, key, "done")

    assert most == 2


async def test_a_handler_that_raises_fails_the_attempt(
    swarm: Coordinator, me: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(job: Job) -> dict[str, Any]:
            if job.attempt == 1:
                raise ValueError("no such file")
            return {"attempt": job.attempt}

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        waiting = await ended(swarm, f"{me}-T", "scheduled")
        assert waiting.reason == "ValueError: no such file"
        task = await ended(swarm, f"{me}-T", "done")

    assert (task.attempts, task.result) == (2, {"attempt": 2})
    assert f"the handler of task {me}-T failed" in caplog.text


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("a text", "give a mapping or None"),
        ({"set": {1}}, "set has no form in JSON"),
        ({"cost": float("nan")}, "NaN has no form in JSON"),
        ({"text": "x" * 70_000}, "keep it elsewhere and tell where it is"),
    ],
    ids=["text", "set", "nan", "large"],
)
async def test_a_result_that_cannot_be_told_fails_the_attempt(
    swarm: Coordinator, me: str, result: Any, reason: str
) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(_: Job) -> Any:
            return result

        await swarm.enqueue(task=f"{me}-T", needs=[me], max_attempts=1)
        task = await ended(swarm, f"{me}-T", "dead")

    assert reason in task.reason


async def test_what_is_rejected_is_dead_at_once(swarm: Coordinator, me: str) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(_: Job) -> None:
            raise Reject("no file is named")

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        task = await ended(swarm, f"{me}-T", "dead")

    assert (task.reason, task.attempts) == ("no file is named", 1)


async def test_a_failure_may_have_words_of_its_own(
    swarm: Coordinator, me: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(_: Job) -> None:
            raise Failed("there is no credit")

        await swarm.enqueue(task=f"{me}-T", needs=[me], max_attempts=1)
        task = await ended(swarm, f"{me}-T", "dead")

    assert task.reason == "there is no credit"
    assert "Traceback" not in caplog.text


async def test_no_job_comes_to_whoever_is_not_ready(
    swarm: Coordinator, me: str
) -> None:
    done: list[str] = []
    asked, permit = 0, asyncio.Event()

    async def ready() -> bool:
        nonlocal asked
        asked += 1
        await permit.wait()
        return len(done) < 2

    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work(ready=ready)
        async def work(job: Job) -> None:
            done.append(job.id)

        for number in range(3):
            await swarm.enqueue(task=f"{me}-{number}", needs=[me])
        await until(lambda: bool(asked))
        assert not done
        permit.set()
        await until(lambda: asked == 3)

        await swarm.assign(me, f"{me}-3")
        assert done == [f"{me}-0", f"{me}-1"]


async def test_what_is_put_off_is_given_back_uncounted(
    swarm: Coordinator, me: str
) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(_: Job) -> None:
            raise Later(300, "the disk is full")

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        task = await ended(swarm, f"{me}-T", "scheduled")

    assert (task.reason, task.attempts) == ("the disk is full", 0)
    assert task.not_before is not None


async def test_a_cancelled_task_stops_its_handler(swarm: Coordinator, me: str) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(job: Job) -> None:
            if job.id == f"{me}-T":
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    stopped.set()

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        await asyncio.wait_for(begun.wait(), 10)
        await swarm.cancel(f"{me}-T", reason="not needed")
        await asyncio.wait_for(stopped.wait(), 10)

        await swarm.enqueue(task=f"{me}-U", needs=[me])
        await ended(swarm, f"{me}-U", "done")
        assert swarm.tasks[f"{me}-T"].state == "cancelled"
        assert len(agent._talk.outbox) == 0


async def test_a_lease_lasts_while_the_handler_works(
    swarm: Coordinator, me: str
) -> None:
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work(lease=1)
        async def work(job: Job) -> None:
            async with Coordinator() as watcher:
                extended = 0
                async for change in watcher.changes():
                    subjects = [heard.event.subject for heard in change.events]
                    extended += subjects.count("task.extended")
                    if extended > 3:
                        return

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        task = await ended(swarm, f"{me}-T", "done")

    assert task.attempts == 1


async def test_heartbeats_keep_to_the_lease_that_a_handler_asked_for(
    swarm: Coordinator, me: str
) -> None:
    leases: list[float] = []
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work(lease=300)
        async def work(job: Job) -> None:
            async with Coordinator() as watcher:
                await job.extend(1)
                async for change in watcher.changes():
                    leases.extend(
                        heard.event.lease
                        for heard in change.events
                        if isinstance(heard.event, TaskExtended)
                        and heard.event.task == job.id
                    )
                    if len(leases) >= 4:
                        return

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        task = await ended(swarm, f"{me}-T", "done")

    assert task.attempts == 1
    assert set(leases) == {1}


async def test_a_job_whose_lease_has_ended_cannot_be_extended(
    swarm: Coordinator, me: str
) -> None:
    refused: list[str] = []
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(job: Job) -> None:
            await job.extend(60)
            with suppress(asyncio.CancelledError):
                await swarm.cancel(job.id)
                await asyncio.Event().wait()
            with pytest.raises(Conflict, match="the lease has ended") as refusal:
                await job.extend()
            refused.append(str(refusal.value))

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        await until(lambda: bool(refused))
        await until(lambda: swarm.tasks[f"{me}-T"].state == "cancelled")


async def test_leaving_gives_back_what_is_claimed(swarm: Coordinator, me: str) -> None:
    begun = asyncio.Event()
    async with Agent(me, capabilities=[me]) as agent:

        @agent.on_work
        async def work(_: Job) -> None:
            begun.set()
            await asyncio.Event().wait()

        await swarm.enqueue(task=f"{me}-T", needs=[me])
        await asyncio.wait_for(begun.wait(), 10)

    task = await ended(swarm, f"{me}-T", "queued")
    assert (task.attempts, task.reason) == (0, "the agent is leaving")


async def test_an_agent_works_one_way_or_the_other() -> None:
    async def handle(_: Mail) -> None: ...
    async def work(_: Job) -> None: ...

    one, other = Agent("a1"), Agent("a2")
    one.on_task(handle)
    other.on_work(work)

    with pytest.raises(Conflict, match="use on_work alone"):
        one.on_work(work)
    with pytest.raises(Conflict, match="use on_work alone"):
        other.on_task(handle)
    with pytest.raises(Conflict, match="use on_work alone"):
        other.on_work(work)


@pytest.mark.parametrize("asked", [{"slots": 0}, {"slots": 65}, {"lease": 0.5}])
async def test_what_no_hub_gives_is_not_asked_for(asked: Any) -> None:
    async def work(_: Job) -> None: ...

    hire: Any = Agent("a1").on_work

    with pytest.raises(Invalid, match=r"(is|are) asked for: choose 1 to"):
        hire(work, **asked)


async def test_work_outlives_an_outage_of_the_hub(start: Start) -> None:
    hub = start()
    begun, release = asyncio.Event(), asyncio.Event()
    async with Agent("a1") as agent:

        @agent.on_work(lease=30)
        async def work(_: Job) -> dict[str, Any]:
            begun.set()
            await release.wait()
            return {"ok": True}

        async with Coordinator() as swarm:
            await swarm.enqueue(task="T1")
            await asyncio.wait_for(begun.wait(), 10)
        hub.process.kill()
        await until(lambda: agent.link.state != "live")
        release.set()
        await until(lambda: len(agent._talk.outbox) == 1)
        start()

        async with Coordinator() as swarm:
            task = await ended(swarm, "T1", "done")
            assert (task.attempts, task.result) == (1, {"ok": True})
            await swarm.enqueue(task="T2")
            await ended(swarm, "T2", "done")


async def test_a_hub_that_comes_back_finds_the_work_alive(start: Start) -> None:
    hub = start()
    begun, release = asyncio.Event(), asyncio.Event()
    async with Agent("a1") as agent:

        @agent.on_work(lease=300)
        async def work(_: Job) -> None:
            begun.set()
            await release.wait()

        async with Coordinator() as swarm:
            await swarm.enqueue(task="T1")
            await asyncio.wait_for(begun.wait(), 10)
        hub.process.kill()
        start()
        await until(lambda: agent.link.state == "live")
        release.set()

        async with Coordinator() as swarm:
            assert (await ended(swarm, "T1", "done")).attempts == 1
