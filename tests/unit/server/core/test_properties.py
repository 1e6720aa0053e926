"""What holds whatever is commanded, in whatever order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agentkit.errors import SwarmError
from agentkit.protocol import (
    Ack,
    AgentReported,
    Answer,
    Assign,
    AssignHelper,
    Bury,
    Cancel,
    Claim,
    Command,
    Complete,
    CreateToken,
    Discard,
    Done,
    Enqueue,
    Event,
    Extend,
    Fail,
    GiveUp,
    LetterDead,
    Link,
    Nack,
    Notify,
    Requeue,
    Resolve,
    Retry,
    RevokeToken,
    SendBroadcast,
    Sent,
    Snooze,
    Start,
    Take,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskLeased,
    TaskReleased,
    TaskRequeued,
    Tick,
    Unbury,
    Unlink,
)
from server.core import Rules, Swarm, Tables, decide, evolve

START = datetime(2026, 1, 1, tzinfo=UTC)
CURRENT = "current request of "
CURRENT_FENCE = -1
CONCERNED = "whoever it concerns"
RULES = Rules(keep_settled=3, keep_receipts=3, max_mailbox=9)

agents = st.sampled_from(["a", "b", "c"])
concerned = st.sampled_from([CONCERNED, CONCERNED, CONCERNED, "a", "b", "c"])
helps = concerned.map(lambda agent: f"{CURRENT}{agent}")
tasks = st.sampled_from(["T1", "T2"])
later = st.sampled_from([None, START, START + timedelta(seconds=900)])
fences = st.sampled_from([CURRENT_FENCE, CURRENT_FENCE, CURRENT_FENCE, 1])
capabilities = st.none() | st.lists(st.sampled_from("xyz"), max_size=3).map(tuple)
numbers = st.integers(1, 4)

notify = st.builds(
    Notify,
    agent=agents,
    report=st.sampled_from(["idle", "busy", "blocked", "completed", "help"]),
    task=tasks | st.none(),
    message=st.sampled_from(["", "why", "how"]),
    capabilities=capabilities,
    cost=st.none() | st.floats(-1, 9),
    completed=st.none() | st.integers(-1, 9),
)
numbered = st.builds(
    Notify,
    agent=agents,
    report=st.sampled_from(["idle", "busy", "completed"]),
    spool=st.sampled_from(["s1", "s2"]),
    seq=st.integers(1, 3),
    cost=st.sampled_from([None, -1.0, 2.0]),
)
spools = {"spool": st.sampled_from(["", "s1"]), "seq": st.integers(1, 3)}
begun = st.builds(Notify, agent=concerned, report=st.just("busy"), task=tasks)
held = {"agent": concerned, "task": tasks, "fence": fences}
work: st.SearchStrategy[Command] = st.one_of(
    begun,
    st.builds(
        Claim,
        agent=agents,
        tasks=st.integers(1, 2),
        task=st.just("") | tasks,
        lease=st.sampled_from([None, 30.0]),
        capabilities=capabilities,
    ),
    st.builds(Extend, **held),
    st.builds(Complete, **held, **spools),
    st.builds(Fail, **held, **spools, final=st.booleans()),
    st.builds(Nack, **held, **spools, delay=st.sampled_from([None, 60.0])),
    st.builds(Cancel, id=tasks),
    st.builds(Requeue, id=tasks),
    st.builds(
        Enqueue,
        id=tasks,
        needs=st.lists(st.sampled_from("xyz"), max_size=2).map(tuple),
        priority=st.integers(-1, 1),
        not_before=later,
        max_attempts=st.sampled_from([None, 1]),
    ),
)
mail: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        Sent, deliveries=st.lists(st.tuples(agents, numbers), max_size=4).map(tuple)
    ),
    st.builds(Ack, agent=agents, upto=numbers),
    st.builds(Done, agent=concerned, seq=numbers),
    st.builds(GiveUp, agent=concerned, seq=numbers, reason=st.just("no")),
    st.builds(Retry, agent=concerned, seq=numbers),
    st.builds(Assign, agent=agents, id=tasks, not_before=later),
    st.builds(
        SendBroadcast,
        id=st.just(""),
        text=st.just("hello"),
        where=st.sampled_from(["", "state:idle", "cap:x", "!lost"]),
    ),
)
snooze = st.builds(
    Snooze,
    help=helps,
    until=st.sampled_from([-300, 60, 300, 2000]).map(
        lambda after: START + timedelta(seconds=after)
    ),
)
desk: st.SearchStrategy[Command] = st.one_of(
    st.builds(Answer, help=helps, text=st.just("yes"), by=st.just("me")),
    st.builds(Take, help=helps, by=st.just("me")),
    st.builds(AssignHelper, help=helps, helper=agents),
    snooze,
    st.builds(Resolve, help=helps),
)
letter_ids = st.sampled_from(["L1", "L2", "L3", "L4", "L5"])
letters: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        Bury,
        id=letter_ids,
        message=st.sampled_from([{"name": "a.b"}, {"name": "a..b"}]),
        subscription=st.just("works"),
        attempts=numbers,
        by=agents,
    ),
    st.builds(Unbury, id=letter_ids, by=st.just("me")),
    st.builds(Discard, id=letter_ids, by=st.just("me")),
)
commands: st.SearchStrategy[Command] = st.one_of(
    notify,
    notify,
    numbered,
    work,
    mail,
    desk,
    letters,
    st.builds(
        CreateToken,
        id=st.sampled_from(["", "k1"]),
        role=st.just("viewer"),
        digest=st.just("d"),
    ),
    st.builds(RevokeToken, id=st.sampled_from(["k1", "agent:a", "viewer"])),
    st.builds(Link, agent=agents, capabilities=capabilities),
    st.builds(Unlink, agent=agents, reason=st.just("gone")),
    st.just(Tick()),
    st.just(Tick()),
    st.just(Start(version="1")),
)
few = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
ticks = st.just(Tick())
histories = st.sampled_from(
    [
        commands,
        st.one_of(notify, mail, work, ticks),
        st.one_of(work, ticks),
        st.one_of(mail, ticks),
        st.one_of(notify, desk, ticks),
        st.one_of(notify, snooze, letters, ticks),
    ]
).flatmap(
    lambda about: st.lists(
        st.tuples(about, st.sampled_from([0, 0, 1, 20, 20, 120, 120, 1800])),
        min_size=25,
        max_size=50,
    )
)
"""Some are about everything, and some about one thing, so as to get further with it."""


def play(swarm: Swarm, history: Iterable[tuple[Command, int]]) -> Iterator[list[Event]]:
    """Command a swarm, and yield what each command that was granted led to."""
    now = START
    for command, wait in history:
        now += timedelta(seconds=wait)
        try:
            events = decide(swarm, resolved(swarm, command, now), now)
        except SwarmError:
            continue
        for event in events:
            evolve(swarm, event)
        yield events


def resolved(swarm: Swarm, command: Command, now: datetime) -> Command:
    """Put in what a command cannot know: agents, numbers, fences, requests, times."""
    match command:
        case Sent(deliveries=pairs):
            numbered = tuple((agent, nth(swarm, agent, n)) for agent, n in pairs)
            return Sent(deliveries=numbered)
        case Ack(agent=agent, upto=number):
            return Ack(agent=agent, upto=nth(swarm, agent, number))
        case Done() | GiveUp() | Retry():
            return by_recipient(swarm, command)
        case Extend() | Complete() | Fail() | Nack():
            return by_holder(swarm, command)
        case Answer() | Take() | AssignHelper() | Snooze() | Resolve():
            asker = command.help.removeprefix(CURRENT)
            command = replace(command, help=request(swarm, asker))
    if isinstance(command, Snooze):
        command = replace(command, until=now + (command.until - START))
    if isinstance(command, Notify) and command.agent == CONCERNED:
        command = replace(command, agent=holder(swarm, command.task or ""))
    return command


def by_holder(
    swarm: Swarm, command: Extend | Complete | Fail | Nack
) -> Extend | Complete | Fail | Nack:
    """Put in who has the task, and the fence of its lease, where they are asked for."""
    if command.agent == CONCERNED:
        command = replace(command, agent=holder(swarm, command.task))
    if command.fence == CURRENT_FENCE:
        task = swarm.tasks.get(command.task)
        command = replace(command, fence=task.fence if task else 0)
    return command


def holder(swarm: Swarm, task: str) -> str:
    """Return who has a task or is to have it; else somebody."""
    row = swarm.tasks.get(task)
    return (row and row.agent) or "a"


def request(swarm: Swarm, asker: str) -> str:
    """Return the open request of an agent, or of the first who has one."""
    askers = list(swarm.agents) if asker == CONCERNED else [asker]
    open_ones = (swarm.agents[name].help for name in askers if name in swarm.agents)
    return next((key for key in open_ones if key), "")


def by_recipient(swarm: Swarm, command: Done | GiveUp | Retry) -> Done | GiveUp | Retry:
    """Put in a delivery: any that the command is meant for, where that is asked for."""
    if command.agent != CONCERNED:
        return replace(command, seq=nth(swarm, command.agent, command.seq))
    again = isinstance(command, Retry)
    rows = (row for box in swarm.mail.values() for row in box.values())
    meant = next((row for row in rows if (row.state == "dead") == again), None)
    return replace(command, agent=meant.agent, seq=meant.seq) if meant else command


def nth(swarm: Swarm, agent: str, number: int) -> int:
    """Return the number of the n-th delivery in a mailbox, or of none."""
    numbers: list[int] = [*swarm.mail.get(agent, {}), *range(1, 5)]
    return numbers[number - 1]


def run(history: Iterable[tuple[Command, int]]) -> tuple[Swarm, list[Event]]:
    swarm = Swarm(RULES)
    return swarm, [event for events in play(swarm, history) for event in events]


def collect(history: Iterable[tuple[Command, int]]) -> tuple[Swarm, Tables]:
    """Run a history and keep what a store would hold after it."""
    swarm, held = Swarm(RULES), Tables()
    for _ in play(swarm, history):
        for name, rows in swarm.take():
            getattr(held, name).update(rows)
    return swarm, held


@few
@given(histories)
def test_the_queue_holds_whoever_is_idle_once_in_order_of_waiting(
    history: list[tuple[Command, int]],
) -> None:
    swarm, _ = run(history)

    idle = [agent for agent in swarm.agents.values() if agent.state == "idle"]
    in_order = [agent.id for agent in sorted(idle, key=lambda agent: agent.ticket)]
    assert list(swarm.idle) == in_order
    assert len(set(swarm.idle)) == len(swarm.idle)
    assert all((agent.ticket > 0) == (agent in idle) for agent in swarm.agents.values())


@few
@given(histories)
def test_who_completed_a_task_is_idle_unless_it_has_a_lease_left(
    history: list[tuple[Command, int]],
) -> None:
    swarm = Swarm(RULES)

    for events in play(swarm, history):
        match events:
            case [AgentReported(report="completed", agent=name), *_]:
                agent = swarm.agents[name]
                leased = {
                    key
                    for key in swarm.held.get(name, ())
                    if swarm.tasks[key].state == "leased"
                }
                assert agent.status == ("busy" if leased else "idle")
                assert not leased or agent.task in leased


@few
@given(histories)
def test_counters_equal_what_is_counted(history: list[tuple[Command, int]]) -> None:
    swarm, _ = run(history)

    assert +swarm.counts == Counter(agent.state for agent in swarm.agents.values())


@few
@given(histories)
def test_a_broadcasts_ledger_equals_its_deliveries(
    history: list[tuple[Command, int]],
) -> None:
    _, held = collect(history)

    for cast in held.broadcasts.values():
        rows = [row for row in held.deliveries.values() if row.ref == cast.id]
        waiting = [row for row in rows if not row.retried]
        states = Counter(row.state for row in waiting)
        assert cast.recipients == len(waiting)
        assert cast.done == states["done"]
        assert cast.dead == states["dead"]
        assert cast.sent == sum(row.sent is not None for row in waiting)
        assert cast.acked == sum(row.acked is not None for row in waiting)


@few
@given(histories)
def test_every_task_stands_where_its_row_says(
    history: list[tuple[Command, int]],
) -> None:
    swarm, _ = run(history)

    tasks = swarm.tasks.values()
    assert +swarm.task_counts == Counter(task.state for task in tasks)
    assert len(swarm.ready) == sum(task.is_ready for task in tasks)
    assert {(agent, key) for agent, keys in swarm.held.items() for key in keys} == {
        (task.agent, task.id) for task in tasks if task.is_held
    }
    assert set(swarm.leases) == {task.id for task in tasks if task.state == "leased"}
    assert set(swarm.scheduled) == {
        task.id for task in tasks if task.state == "scheduled"
    }
    assert swarm.promised == Counter(
        task.target for task in tasks if task.state == "scheduled" and task.target
    )
    for task in tasks:
        assert (task.lease_until is not None) == (task.state == "leased")
        assert task.attempts <= task.max_attempts


@few
@given(histories)
def test_a_fence_rises_and_ends_with_its_lease(
    history: list[tuple[Command, int]],
) -> None:
    _, log = run(history)

    current: dict[str, int] = {}
    newest: dict[str, int] = {}
    for cursor, event in enumerate(log, 1):
        match event:
            case TaskLeased(task=task, fence=fence):
                assert fence == cursor > newest.get(task, 0)
                current[task] = newest[task] = fence
            case TaskDone(task=task, fence=fence) if fence:
                assert current.pop(task) == fence
            case TaskReleased(task=task, fence=fence):
                assert current.pop(task) == fence
            case TaskDead(task=task) | TaskCancelled(task=task):
                current.pop(task, None)
            case TaskRequeued(task=task) | TaskAssigned(task=task):
                current.pop(task, None)


@few
@given(histories)
def test_a_task_for_one_agent_that_is_ready_lies_in_its_mailbox(
    history: list[tuple[Command, int]],
) -> None:
    swarm, _ = run(history)

    for task in swarm.tasks.values():
        if task.target and task.is_ready:
            assert swarm.mail[task.target][task.seq].ref == task.id


@few
@given(histories)
def test_who_is_due_is_who_is_indexed(history: list[tuple[Command, int]]) -> None:
    swarm, _ = run(history)

    rows = swarm.agents.values()
    assert set(swarm.blocked) == {
        agent.id for agent in rows if agent.status == "blocked" and not agent.escalated
    }
    assert set(swarm.away) == {
        agent.id
        for agent in rows
        if agent.unlinked and not agent.linked and not agent.lost
    }
    assert set(swarm.snoozed) == {
        row.id for row in swarm.helps.values() if row.state == "snoozed"
    }
    for index in (swarm.blocked, swarm.away):
        assert list(index.values()) == sorted(index.values())


@few
@given(histories)
def test_the_same_commands_give_the_same_events(
    history: list[tuple[Command, int]],
) -> None:
    assert run(history)[1] == run(history)[1]


@few
@given(histories)
def test_events_alone_rebuild_the_swarm(history: list[tuple[Command, int]]) -> None:
    swarm, log = run(history)

    again = Swarm(RULES)
    for event in log:
        evolve(again, event)

    assert facts(again) == facts(swarm)


@few
@given(histories)
def test_rows_alone_rebuild_the_swarm(history: list[tuple[Command, int]]) -> None:
    swarm, held = collect(history)
    held.deliveries = {
        key: row
        for key, row in held.deliveries.items()
        if row.state != "done" and not row.retried
    }

    again = Swarm.load(swarm.cursor, held, RULES)

    assert again.agents == swarm.agents
    assert list(again.idle) == list(swarm.idle)
    assert again.mail == swarm.mail
    assert (again.blocked, again.away, again.snoozed) == (
        swarm.blocked,
        swarm.away,
        swarm.snoozed,
    )
    assert again.deadline == swarm.deadline
    assert +again.counts == +swarm.counts
    assert again.dead_deliveries == swarm.dead_deliveries
    assert again.letters == swarm.letters
    assert again.held.keys() == swarm.held.keys()
    claimed = swarm.ready.best("a", ("x",), 9)
    assert again.ready.best("a", ("x",), 9) == claimed
    assert not again.take()


@few
@given(histories, commands)
def test_deciding_alone_changes_nothing(
    history: list[tuple[Command, int]], wish: Command
) -> None:
    swarm, _ = run(history)
    before = facts(swarm)

    with suppress(SwarmError):
        now = START + timedelta(days=9)
        decide(swarm, resolved(swarm, wish, now), now)

    assert facts(swarm) == before


@few
@given(histories)
def test_little_stays_in_memory_and_nothing_that_is_carried_goes(
    history: list[tuple[Command, int]],
) -> None:
    swarm, _ = run(history)

    for row in swarm.deliveries():
        tables: dict[str, Mapping[str, object]] = {
            "task": swarm.tasks,
            "broadcast": swarm.broadcasts,
        }
        assert row.ref in tables.get(row.kind, swarm.helps)


@few
@given(histories)
def test_a_letter_is_kept_once_and_as_it_was_told(
    history: list[tuple[Command, int]],
) -> None:
    swarm, log = run(history)

    dead = [event for event in log if isinstance(event, LetterDead)]
    for key, letter in swarm.letters.items():
        told = [event for event in dead if event.letter == key]
        assert (letter.at, letter.attempts) == (told[-1].at, told[-1].attempts)
        assert (letter.state == "dead") == (letter.settled is None)
    states = Counter(letter.state == "dead" for letter in swarm.letters.values())
    assert max(states.values(), default=0) <= RULES.keep_settled


@few
@given(histories)
def test_a_tick_leaves_nothing_due(history: list[tuple[Command, int]]) -> None:
    swarm, _ = run(history)
    now = START + timedelta(days=30)

    for event in decide(swarm, Tick(), now):
        evolve(swarm, event)

    assert swarm.deadline is None or swarm.deadline > now
    assert decide(swarm, Tick(), now) == []


def facts(swarm: Swarm) -> object:
    return (
        swarm.cursor,
        dict(swarm.agents),
        dict(swarm.helps),
        dict(swarm.tasks),
        dict(swarm.broadcasts),
        {agent: dict(box) for agent, box in swarm.mail.items()},
        dict(swarm.spools),
        list(swarm.idle),
        +swarm.counts,
        dict(swarm.blocked),
        dict(swarm.away),
        dict(swarm.snoozed),
        dict(swarm.tokens),
        dict(swarm.letters),
        dict(swarm.held),
        +swarm.task_counts,
        swarm.dead_deliveries,
        swarm.ready.best("a", ("x", "y"), 9),
    )


RARE = {
    "agent.lost",
    "help.escalated",
    "help.woken",
    "task.done",
    "task.started",
    "delivery.done",
    "report.refused",
    "broadcast.sent",
    "task.ready",
    "task.leased",
    "task.extended",
    "task.released",
    "task.dead",
    "task.cancelled",
    "task.requeued",
    "delivery.dead",
    "delivery.retried",
    "token.revoked",
    "letter.requeued",
    "letter.discarded",
}
"""What takes more than one command to come about."""


def test_the_histories_reach_what_needs_more_than_one_command() -> None:
    seen: set[str] = set()

    @settings(few, max_examples=1000, phases=[Phase.generate], derandomize=True)
    @given(histories)
    def look(history: list[tuple[Command, int]]) -> None:
        seen.update(event.subject for event in run(history)[1])

    look()

    assert seen >= RARE
