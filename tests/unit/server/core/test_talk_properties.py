"""What holds of messages, calls and watched tasks, whatever is commanded."""

from collections import Counter

from hypothesis import given

from agentkit.protocol import Command, MessageSent
from agentkit.rows import Task
from server.core import Swarm, Tables
from tests.unit.server.core.histories import RULES, few, histories, play, run


@few
@given(histories)
def test_a_message_lies_once_in_the_mailbox_of_each_recipient(
    history: list[tuple[Command, int]],
) -> None:
    swarm, held = Swarm(RULES), Tables()
    sent: Counter[tuple[str, str]] = Counter()

    for events in play(swarm, history):
        for event in events:
            if isinstance(event, MessageSent):
                sent.update((agent, event.message) for agent in event.recipients)
        held.deliveries.update(swarm.take().deliveries)

    there = Counter(
        (row.agent, row.ref)
        for row in held.deliveries.values()
        if row.kind == "message" and not row.retried
    )
    assert there == sent
    assert set(there.values()) <= {1}


@few
@given(histories)
def test_nobody_answers_a_call_twice_or_one_that_it_did_not_get(
    history: list[tuple[Command, int]],
) -> None:
    _, log = run(history)

    called: dict[str, MessageSent] = {}
    waited_for: set[tuple[str, str]] = set()
    for event in log:
        match event:
            case MessageSent(call=call) if call:
                called[call] = event
                waited_for |= {(call, agent) for agent in event.recipients}
            case MessageSent(answers=call, agent=agent) if call:
                assert event.recipients == (called[call].agent,)
                waited_for.remove((call, agent))


@few
@given(histories)
def test_watchers_are_told_how_a_task_stands_in_the_end_without_fail(
    history: list[tuple[Command, int]],
) -> None:
    swarm = Swarm(RULES)
    watched: dict[str, Task] = {}

    for events in play(swarm, history):
        told = {
            event.about: event
            for event in events
            if isinstance(event, MessageSent) and event.about
        }
        for key, event in told.items():
            row = swarm.tasks[key]
            facts = {name: getattr(row, name) for name in event.body if name != "task"}
            assert event.body == {"task": key, **facts}
        for key, task in watched.items():
            if swarm.tasks[key].is_settled:
                assert told[key].recipients == task.watchers
        watched = {task.id: task for task in swarm.tasks.values() if task.watchers}
        assert not any(task.is_settled for task in watched.values())


@few
@given(histories)
def test_who_is_able_is_who_says_so_and_is_not_lost(
    history: list[tuple[Command, int]],
) -> None:
    swarm, _ = run(history)

    able = {(word, agent) for word, agents in swarm.able.items() for agent in agents}
    assert able == {
        (word, agent.id)
        for agent in swarm.agents.values()
        for word in agent.capabilities
        if not agent.lost
    }
