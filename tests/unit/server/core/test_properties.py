"""What holds whatever is commanded, in whatever order."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from hypothesis import Phase, given, seed, settings

from agentkit.errors import SwarmError
from agentkit.protocol import (
    AgentOverspent,
    AgentSolvent,
    Command,
    LetterDead,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskLeased,
    TaskReleased,
    TaskRequeued,
    Tick,
)
from agentkit.rows import Task
from server.core import Swarm, decide, evolve
from tests.unit.server.core.histories import (
    RULES,
    START,
    collect,
    commands,
    few,
    histories,
    play,
    resolved,
    run,
)


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
        task.target
        for task in tasks
        if task.target and (task.state == "scheduled" or is_held_back(task))
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
        if is_held_back(task):
            assert swarm.agents[task.target].over_budget
        elif task.target and task.is_ready:
            assert swarm.mail[task.target][task.seq].ref == task.id


def is_held_back(task: Task) -> bool:
    return bool(task.target) and task.state == "queued" and not task.seq


@few
@given(histories)
def test_nobody_works_beyond_the_budget_of_the_day(
    history: list[tuple[Command, int]],
) -> None:
    swarm, over = Swarm(RULES), set[str]()
    for events in play(swarm, history):
        for event in events:
            match event:
                case TaskLeased(agent=agent, attempt=attempt, task=task):
                    assert agent not in over or attempt > 1, task
                case AgentOverspent(agent=agent):
                    assert agent not in over
                    over.add(agent)
                case AgentSolvent(agent=agent):
                    over.remove(agent)

    assert over == {agent.id for agent in swarm.agents.values() if agent.over_budget}
    assert set(swarm.overspent) == over


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
    # those that memory let go of come back when others no longer stand before them
    assert again.letters.items() >= swarm.letters.items()
    assert again.held.keys() == swarm.held.keys()
    claimed = swarm.ready.best("a", ("x",), 9)
    assert again.ready.best("a", ("x",), 9) == claimed
    assert again.able == swarm.able
    assert again.calls.earliest == swarm.calls.earliest
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
            "message": swarm.broadcasts,
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
        {word: set(agents) for word, agents in swarm.able.items()},
        swarm.calls.earliest,
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
    "message.sent",
    "task.progressed",
    "task.watched",
    "agent.overspent",
    "agent.solvent",
}
"""What takes more than one command to come about."""


def test_the_histories_reach_what_needs_more_than_one_command() -> None:
    seen: set[str] = set()

    for number in range(12):
        seen |= subjects(number)
        if seen >= RARE:
            break

    assert seen >= RARE


def subjects(number: int) -> set[str]:
    """Return what happens in a sample of histories."""
    seen: set[str] = set()

    @seed(number)
    @settings(few, max_examples=300, phases=[Phase.generate], database=None)
    @given(histories)
    def look(history: list[tuple[Command, int]]) -> None:
        seen.update(event.subject for event in run(history)[1])

    look()
    return seen
