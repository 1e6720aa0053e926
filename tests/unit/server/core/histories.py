"""Random histories: commands that somebody might give, and what they lead to."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from agentkit.errors import SwarmError
from agentkit.protocol import (
    Ack,
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
    Link,
    Nack,
    Notify,
    Requeue,
    Resolve,
    Retry,
    RevokeToken,
    Send,
    SendBroadcast,
    Sent,
    Snooze,
    Spend,
    Start,
    Take,
    Tick,
    Unbury,
    Unlink,
    Watch,
)
from server.core import Rules, Swarm, Tables, decide, evolve

START = datetime(2026, 1, 1, tzinfo=UTC)
CURRENT = "current request of "
CURRENT_FENCE = -1
CONCERNED = "whoever it concerns"
RULES = Rules(keep_settled=3, keep_receipts=3, max_mailbox=9, budget=8.0)

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
spend = st.builds(
    Spend,
    agent=agents,
    cost=st.sampled_from([0.0, -1.0, 1.0, 5.0]),
    tokens_in=st.integers(0, 9),
    told=st.booleans(),
    **spools,
)
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
    st.builds(
        Extend,
        **held,
        progress=st.sampled_from([None, 0.0, 0.5, 2.0]),
        note=st.sampled_from([None, "", "soon"]),
    ),
    st.builds(Watch, task=tasks, agent=agents, on=st.sampled_from([True, True, False])),
    st.builds(
        Assign,
        agent=st.just("a"),
        id=tasks,
        by=st.sampled_from(["a", "me"]),
        watchers=st.lists(agents, max_size=2).map(tuple),
    ),
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
linked = st.builds(Link, agent=agents, capabilities=capabilities)
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
call_ids = st.sampled_from(["c1", "c2", "c3"])
talk: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        Send,
        agent=agents,
        to=st.sampled_from(["a", "b", "c@swarm", "cap:x", "*", "b@other", "none"]),
        text=st.sampled_from(["", "hello"]),
        **spools,
    ),
    st.builds(
        Send,
        agent=agents,
        to=st.sampled_from(["a", "b", "c", "*"]),
        text=st.just("?"),
        call=call_ids,
        expires=st.sampled_from([None, START + timedelta(seconds=100)]),
    ),
    st.builds(Send, agent=agents, to=st.just(""), answers=call_ids, **spools),
    st.builds(Send, agent=st.just(""), to=agents, text=st.just("hello")),
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
    spend,
    work,
    mail,
    talk,
    desk,
    letters,
    st.builds(
        CreateToken,
        id=st.sampled_from(["", "k1"]),
        role=st.just("viewer"),
        digest=st.just("d"),
    ),
    st.builds(RevokeToken, id=st.sampled_from(["k1", "agent:a", "viewer"])),
    linked,
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
        st.one_of(linked, work, ticks),
        st.one_of(linked, spend, work, mail, ticks),
        st.one_of(linked, mail, ticks),
        st.one_of(linked, talk, mail, ticks),
        st.one_of(notify, desk, ticks),
        st.one_of(notify, snooze, letters, ticks),
    ]
).flatmap(
    lambda about: st.lists(
        st.tuples(about, st.sampled_from([0, 0, 1, 20, 20, 120, 120, 1800, 40_000])),
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
    if isinstance(command, Send) and command.expires:
        command = replace(command, expires=now + (command.expires - START))
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
