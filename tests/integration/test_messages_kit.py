"""Agents send each other messages and call each other, through a real hub."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator, conversation, remote
from agentkit import agent as agent_module
from agentkit.agent import Mail, Message, Update
from agentkit.background import Background, Job, Tasks
from agentkit.errors import (
    CallFailed,
    CallTimeout,
    Conflict,
    HubRefused,
    HubUnavailable,
    Invalid,
    NotFound,
)
from agentkit.inbox import CALLS
from agentkit.jobs import WorkHandler
from agentkit.remote import current_call

Join = Callable[..., Awaitable[Agent]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let clients find the hub that a test starts."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def me(hub: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> str:
    """Let clients find the hub that all tests share; return a name of one's own."""
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    return home.name


@pytest.fixture
async def join(me: str) -> AsyncIterator[Join]:
    """Let agents join that leave with the test; `me` is part of their names."""
    async with AsyncExitStack() as stack:

        async def begin(name: str, **options: Any) -> Agent:
            return await stack.enter_async_context(Agent(f"{me}-{name}", **options))

        yield begin


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.005)


class Listener:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.heard]


# --- messages ------------------------------------------------------------------------


async def test_a_message_arrives_as_it_was_sent(join: Join) -> None:
    listener = Listener()
    sender, receiver = await join("a"), await join("b")
    receiver.on_message(listener)

    key = await sender.send(receiver.address, "hello", body={"n": [1]})
    await until(lambda: bool(listener.heard))

    (message,) = listener.heard
    assert receiver.address == f"{receiver.id}@swarm"
    assert (message.id, message.sender, message.to) == (
        key,
        sender.id,
        receiver.address,
    )
    assert (message.text, message.body, message.attempt) == ("hello", {"n": [1]}, 1)


@pytest.mark.parametrize("durable", [False, True])
async def test_messages_arrive_in_order_and_once(
    join: Join, durable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    receiver = await join("b", durable=durable)
    sender = await join("a", durable=durable)
    receiver.on_message(listener)
    texts = [f"{number}" for number in range(100)]

    for text in texts:
        await sender.send(receiver.id, text, id=f"{sender.id}{text}")
    await sender.send(receiver.id, "0", id=f"{sender.id}0")
    await sender.send(receiver.id, "last")
    await until(lambda: "last" in listener.texts)

    assert listener.texts == [*texts, "last"]
    assert not caplog.records


async def test_a_message_goes_to_all_whose_names_match(join: Join, me: str) -> None:
    listeners = [Listener() for _ in range(3)]
    agents = [await join(f"r.{number}") for number in range(3)]
    for agent, listener in zip(agents, listeners, strict=True):
        agent.on_message(listener)

    await agents[0].send(f"{me}-r.*", "hello")
    await until(lambda: all(listener.heard for listener in listeners[1:]))

    assert not listeners[0].heard


async def test_a_message_that_is_refused_is_named_in_the_log(
    join: Join, me: str, caplog: pytest.LogCaptureFixture
) -> None:
    sender = await join("a")

    await sender.send(f"{me}-nobody", "hello")
    await sender.flush()

    assert f"no agent '{me}-nobody' is known" in caplog.text


async def test_what_cannot_be_told_is_refused_before_it_is_said(join: Join) -> None:
    agent = await join("a")
    deep: Any = "x"
    for _ in range(250):
        deep = [deep]

    with pytest.raises(TypeError, match="set has no form in JSON"):
        await agent.send("b", body={"set": {1}})
    with pytest.raises(ValueError, match="NaN has no form in JSON"):
        await agent.send("b", body={"cost": float("nan")})
    with pytest.raises(ValueError, match="more than 64 bits"):
        await agent.send("b", body={"big": 2**64})
    with pytest.raises(ValueError, match="make it flatter"):
        await agent.send("b", body={"deep": deep})
    with pytest.raises(ValueError, match="keep it elsewhere"):
        await agent.send("b", body={"text": "x" * 300_000})
    with pytest.raises(Invalid, match="name an agent"):
        await agent.send("", "hello")
    with pytest.raises(Invalid, match="give it a text or a body"):
        await agent.send("b")
    with pytest.raises(Invalid, match="at most 16,384 are allowed"):
        await agent.send("b", "x" * 16_385)
    await agent.flush()


async def test_a_handler_of_messages_that_fails_gets_them_again_in_order(
    join: Join,
) -> None:
    heard: list[tuple[str, int]] = []
    sender, receiver = await join("a"), await join("b")

    @receiver.on_message
    async def stumble(message: Message) -> None:
        heard.append((message.text, message.attempt))
        if heard == [("1", 1)]:
            raise ValueError("no")

    await sender.send(receiver.id, "1")
    await sender.send(receiver.id, "2")
    await until(lambda: len(heard) == 3)

    assert heard == [("1", 1), ("1", 2), ("2", 1)]


# --- calls ---------------------------------------------------------------------------


class Adder:
    """What an agent serves."""

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def whoami(self) -> str:
        return current_call().sender

    async def fail(self) -> None:
        raise ValueError("no\nsuch file")

    async def strange(self) -> object:
        return {1}

    async def _hidden(self) -> None: ...


async def test_a_call_returns_what_the_method_returned(join: Join) -> None:
    caller, adder = await join("a"), await join("b")
    adder.serve(Adder())

    assert await caller.call(adder.address, "add", a=1, b=2) == 3
    assert await caller.remote(adder.id).add(a=3, b=4) == 7
    assert await caller.remote(adder.id).whoami() == caller.id


@pytest.mark.parametrize("seconds", [-40, 40])
async def test_a_clock_that_is_wrong_ends_no_call(
    join: Join, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wrong":
            return super().now(tz) + timedelta(seconds=seconds)

    for module in (agent_module, conversation, remote):
        monkeypatch.setattr(module, "datetime", Wrong)
    caller, adder = await join("a"), await join("b")
    adder.serve(Adder())

    assert await caller.call(adder.id, "add", timeout=20, a=1, b=2) == 3


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("fail", {}, "ValueError: no such file"),
        ("strange", {}, "TypeError: set has no form in JSON"),
        ("add", {"a": 1}, "missing 1 required positional argument: 'b'"),
        ("_hidden", {}, "no method '_hidden': call one of add, fail, strange, whoami"),
    ],
)
async def test_what_a_method_raises_is_told_to_the_caller_in_one_line(
    join: Join, method: str, params: dict[str, Any], error: str
) -> None:
    caller, adder = await join("a"), await join("b")
    adder.serve(Adder())

    with pytest.raises(CallFailed) as told:
        await caller.call(adder.id, method, **params)

    assert error in str(told.value)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(f"{adder.id} failed at {method!r}: ")


async def test_an_agent_that_is_not_there_yet_is_waited_for(
    join: Join, me: str
) -> None:
    caller = await join("a")
    calling = asyncio.create_task(caller.call(f"{me}-b", "add", a=1, b=2))
    await until(lambda: caller._talk.outbox.taken > 0)
    await caller.flush()

    adder = await join("b")
    adder.serve(Adder())

    assert await calling == 3


async def test_a_call_that_nobody_answers_ends_in_time_and_says_why(
    join: Join, me: str
) -> None:
    caller = await join("a")
    await join("b")

    with pytest.raises(CallTimeout, match=r"within 0.2 s, it may yet do it"):
        await caller.call(f"{me}-b", "add", timeout=0.2)
    with pytest.raises(TimeoutError, match=r"within 0.2 s: no agent .* is known"):
        await caller.call(f"{me}-c", "add", timeout=0.2)


async def test_an_agent_without_methods_says_so(join: Join) -> None:
    caller, other = await join("a"), await join("b")
    forever = asyncio.create_task(other.run_forever())

    with pytest.raises(CallFailed, match="there is no method 'add'"):
        await caller.call(other.id, "add", timeout=20)
    forever.cancel()


async def test_calls_are_handled_at_once_and_hold_up_no_messages(join: Join) -> None:
    caller, slow = await join("a"), await join("b")
    listener, running, release = Listener(), 0, asyncio.Event()
    slow.on_message(listener)

    @slow.on_call("work")
    async def work() -> int:
        nonlocal running
        running += 1
        await release.wait()
        return running

    calls = [
        asyncio.create_task(caller.call(slow.id, "work")) for _ in range(CALLS + 3)
    ]
    await until(lambda: running == CALLS)
    await caller.send(slow.id, "hello")
    await until(lambda: bool(listener.heard))
    assert running == CALLS

    release.set()
    await asyncio.gather(*calls)
    assert running == CALLS + 3


async def test_a_method_may_call_back(join: Join) -> None:
    caller, other = await join("a"), await join("b")

    @caller.on_call("name")
    async def name() -> str:
        return "caller"

    @other.on_call("greet")
    async def greet() -> str:
        return f"hello {await other.call(current_call().sender, 'name')}"

    assert await caller.call(other.id, "greet") == "hello caller"


async def test_a_handler_of_messages_may_call(join: Join) -> None:
    caller, adder = await join("a"), await join("b")
    adder.serve(Adder())
    sums: list[int] = []

    @caller.on_message
    async def add(message: Message) -> None:
        sums.append(await caller.call(adder.id, "add", a=len(sums), b=1))

    for _ in range(3):
        await adder.send(caller.id, "go on")
    await until(lambda: len(sums) == 3)

    assert sums == [1, 2, 3]


async def test_whoever_waits_for_an_answer_hears_that_none_can_come(
    join: Join, me: str
) -> None:
    caller, _ = await join("a"), await join("b")
    await caller.errands.undertake(f"{me}-t")
    calling = asyncio.create_task(caller.call(f"{me}-b", "add"))
    following = asyncio.create_task(caller.errands.wait(f"{me}-t"))
    await until(lambda: caller._talk.outbox.taken > 0)

    async with Agent(caller.id):
        with pytest.raises(HubRefused, match="a newer connection"):
            await calling
        with pytest.raises(HubRefused, match="a newer connection"):
            await following
        with pytest.raises(HubRefused):
            await caller.errands.look(f"{me}-t")
        with pytest.raises(HubRefused):
            await caller.send(f"{me}-b", "hello")


async def test_who_leaves_waits_for_no_answer(join: Join, me: str) -> None:
    await join("b")
    async with Agent(f"{me}-a") as caller:
        calling = asyncio.create_task(caller.call(f"{me}-b", "add", timeout=None))
        await until(lambda: caller._talk.outbox.taken > 0)

    with pytest.raises(HubUnavailable, match="has left"):
        await calling


async def test_methods_have_names_of_their_own_and_are_async(join: Join) -> None:
    agent = await join("a")
    agent.serve(Adder())

    with pytest.raises(Conflict, match="choose another name"):
        agent.on_call("add")(Adder().add)
    with pytest.raises(Invalid, match="make it an async function"):
        agent.on_call("len")(len)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="has no public async method"):
        agent.serve(object())


# --- tasks ---------------------------------------------------------------------------


async def follow(tasks: Tasks, key: str) -> list[Update]:
    return [update async for update in tasks.updates(key)]


class Counting:
    """A task in the background that waits at each step until it is told to go on."""

    def __init__(self) -> None:
        self.steps: asyncio.Queue[None] = asyncio.Queue()
        self.jobs: list[Job] = []
        self.told = 0

    async def count(self, job: Job) -> dict[str, Any]:
        self.jobs.append(job)
        for number in range(1, job.body["to"] + 1):
            await self.steps.get()
            await job.progress(number / 10, f"at {number}")
            self.told += await job.notify({"task_id": job.id, "n": number})
        await self.steps.get()
        return {"counted": job.body["to"]}

    async def step(self, tasks: Tasks, key: str, number: int) -> None:
        self.steps.put_nowait(None)
        while (await tasks.status(key)).note != f"at {number}":
            await asyncio.sleep(0.005)


async def test_a_task_is_run_watched_and_ends_with_its_result(join: Join) -> None:
    caller, counter, counting = await join("a"), await join("b"), Counting()
    Background(counter, counting.count)
    tasks = Tasks(caller, counter.address)

    started = await tasks.run(to=2)
    again = await tasks.run(started.task, to=2)
    watching = asyncio.create_task(follow(tasks, started.task))
    await counting.step(tasks, started.task, 1)
    late = asyncio.create_task(follow(tasks, started.task))
    await counting.step(tasks, started.task, 2)
    counting.steps.put_nowait(None)
    ended = await tasks.wait(started.task)
    seen, seen_late = await watching, await late

    assert again.task == started.task
    assert len(counting.jobs) == 1
    assert (ended.state, ended.result) == ("done", {"counted": 2})
    assert [u.progress for u in seen if u.state == "leased"][-2:] == [0.1, 0.2]
    assert seen_late[0] in seen
    assert seen[-1] == seen_late[-1] == ended
    assert [u.note for u in seen_late][-1] == "at 2"
    assert await follow(tasks, started.task) == [ended]


async def test_a_task_is_cancelled_and_its_job_knows(join: Join) -> None:
    caller, worker = await join("a"), await join("b")
    seen: list[bool] = []
    begun = asyncio.Event()

    async def hang(job: Job) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(job.cancelled)

    Background(worker, hang)
    tasks = Tasks(caller, worker.id)
    started = await tasks.run()
    await begun.wait()

    cancelled = await tasks.cancel(started.task, "enough")
    await until(lambda: bool(seen))

    assert (cancelled.state, cancelled.reason) == ("cancelled", "enough")
    assert (await tasks.wait(started.task)).state == "cancelled"
    assert seen == [True]
    with pytest.raises(CallFailed, match="is cancelled"):
        await tasks.cancel(started.task)


async def test_notifications_go_to_the_endpoints_of_their_task_alone(
    join: Join,
) -> None:
    counter, counting = await join("b"), Counting()
    Background(counter, counting.count, slots=2)
    heard: dict[str, Listener] = {}
    for name in ("one", "two"):
        agent, heard[name] = await join(name), Listener()
        agent.on_message(heard[name])
        tasks = Tasks(agent, counter.id)
        assert await tasks.register_push_endpoint(f"{agent.id}-t")
        assert not await tasks.register_push_endpoint(f"{agent.id}-t")
        await tasks.run(f"{agent.id}-t", to=3)
    for _ in range(8):
        counting.steps.put_nowait(None)

    await until(lambda: all(len(one.heard) == 3 for one in heard.values()))

    assert counting.told == 6
    for name, listener in heard.items():
        bodies = [message.body for message in listener.heard]
        assert [body["n"] for body in bodies] == [1, 2, 3]
        assert {body["task_id"].split("-")[-2] for body in bodies} == {name}


async def test_two_agents_do_not_keep_each_other_at_work(join: Join) -> None:
    one, two = await join("a"), await join("b")
    refused: list[str] = []

    def passing_on(agent: Agent, other: Agent) -> WorkHandler:
        async def pass_on(_: Job) -> None:
            try:
                await Tasks(agent, other.id).run()
            except CallFailed as failure:
                refused.append(str(failure))

        return pass_on

    Background(one, passing_on(one, two), slots=2)
    Background(two, passing_on(two, one), slots=2)

    await Tasks(one, two.id).run()
    await until(lambda: bool(refused))

    assert "a person has to give this task" in refused[0]


async def test_an_agent_registers_itself_and_nobody_else(join: Join, me: str) -> None:
    worker, caller = await join("b"), await join("a")
    Background(worker, Counting().count)
    tasks = Tasks(caller, worker.id)

    for other in ("**", f"{me}-c", f"{me}-c@swarm", "cap:x", f"{caller.id}@mars"):
        with pytest.raises(CallFailed, match="an agent registers its own"):
            await tasks.register_push_endpoint("t", other)
    assert await tasks.register_push_endpoint("t", caller.id)
    assert not await tasks.register_push_endpoint("t", caller.address)
    assert not await tasks.register_push_endpoint("t")

    assert worker.endpoints.of("t") == (caller.address,)


async def test_a_notification_that_another_attempt_repeats_arrives_once(
    join: Join,
) -> None:
    worker, receiver, listener = await join("b"), await join("a"), Listener()
    receiver.on_message(listener)

    async def work(job: Job) -> None:
        for number in range(3):
            await job.notify({"n": number}, key=str(number))
            if job.attempt == 1 and number == 1:
                raise ValueError("no")

    Background(worker, work)
    tasks = Tasks(receiver, worker.id)
    key = f"{worker.id}-t"
    await tasks.register_push_endpoint(key)
    await tasks.run(key)
    ended = await tasks.wait(key)
    await until(lambda: len(listener.heard) == 3)

    assert (ended.state, ended.attempts) == ("done", 2)
    assert [message.body["n"] for message in listener.heard] == [0, 1, 2]


async def test_who_subscribes_by_a_call_is_told_in_its_mailbox(join: Join) -> None:
    caller, counter, counting = await join("a"), await join("b"), Counting()
    Background(counter, counting.count)
    updates: list[Update] = []

    @caller.on_update
    async def hear(update: Update) -> None:
        updates.append(update)

    remote = caller.remote(counter.id)
    key = (await remote.run_task(to=1))["task"]
    stands = await remote.subscribe_task(id=key)
    counting.steps.put_nowait(None)
    counting.steps.put_nowait(None)
    await until(lambda: bool(updates) and updates[-1].is_settled)

    assert stands["task"] == key
    assert (await remote.task_status(id=key))["state"] == "done"
    assert updates[-1].result == {"counted": 1}


async def test_who_stops_following_is_told_no_longer(join: Join) -> None:
    caller, counter, counting = await join("a"), await join("b"), Counting()
    Background(counter, counting.count)
    tasks = Tasks(caller, counter.id)
    key = (await tasks.run(to=1)).task

    async with aclosing(tasks.updates(key)) as updates:
        first = await anext(updates)
    async with Coordinator() as swarm:
        await until(lambda: not swarm.tasks[key].watchers)

    assert first.task == key


async def test_a_task_that_is_unknown_is_said_to_be(join: Join, me: str) -> None:
    caller, worker = await join("a"), await join("b")
    Background(worker, Counting().count)
    tasks = Tasks(caller, worker.id)

    with pytest.raises(NotFound, match="is known"):
        await tasks.wait(f"{me}-nothing")
    with pytest.raises(CallFailed, match=f"no task '{me}-nothing' is known"):
        await tasks.cancel(f"{me}-nothing")


async def test_progress_is_a_share(join: Join) -> None:
    caller, worker = await join("a"), await join("b")

    async def work(job: Job) -> None:
        await job.progress(1.5)

    Background(worker, work, max_attempts=1)
    tasks = Tasks(caller, worker.id)
    ended = await tasks.wait((await tasks.run()).task)

    assert ended.state == "dead"
    assert "the progress is 1.5: give the share done, 0 to 1" in ended.reason


async def test_background_work_and_another_handler_exclude_each_other(
    join: Join,
) -> None:
    agent = await join("a")

    @agent.on_task
    async def work(_: Mail) -> None: ...

    with pytest.raises(Conflict, match="use on_work alone"):
        Background(agent, Counting().count)
