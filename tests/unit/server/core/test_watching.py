"""Progress, and who is told what becomes of a task."""

from typing import Any

import pytest

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import (
    Assign,
    Cancel,
    Claim,
    Complete,
    Enqueue,
    Extend,
    Fail,
    Nack,
    Notify,
    Requeue,
    Send,
    Tick,
    Watch,
)
from server.core import Rules


@pytest.fixture
def pair(world: Any) -> Any:
    for agent in ("worker", "watcher"):
        world.do(Notify(agent=agent, report="idle"))
    return world


@pytest.fixture
def watched(pair: Any) -> Any:
    pair.do(Assign(agent="worker", id="T", watchers=("watcher",)))
    return pair


def told(world: Any, agent: str = "watcher") -> list[Any]:
    """Return what an agent was told of tasks, in order."""
    rows = world.swarm.mail.get(agent, {}).values()
    messages = (world.swarm.broadcasts[row.ref] for row in rows if row.is_cast)
    return [message.body for message in messages if message.about]


def claim(world: Any) -> int:
    world.do(Claim(agent="worker", task="T"))
    fence: int = world.swarm.tasks["T"].fence
    return fence


def test_a_watcher_is_told_every_step_with_how_the_task_stands(watched: Any) -> None:
    held: Any = {"agent": "worker", "task": "T", "fence": claim(watched)}
    watched.do(Extend(**held, progress=0.5, note="half"))
    watched.do(Complete(**held, result={"sum": 6}))

    states = [(body["state"], body["progress"]) for body in told(watched)]
    assert states == [
        ("queued", None),
        ("leased", None),
        ("leased", 0.5),
        ("done", 0.5),
    ]
    assert told(watched)[-1] == {
        "task": "T",
        "state": "done",
        "progress": 0.5,
        "note": "half",
        "attempts": 1,
        "reason": "",
        "result": {"sum": 6},
    }


def test_a_message_for_watchers_comes_from_nobody_and_is_about_the_task(
    watched: Any,
) -> None:
    (row,) = watched.swarm.mail["watcher"].values()
    message = watched.swarm.broadcasts[row.ref]

    assert (message.sender, message.to, message.about) == ("", "", "T")
    assert message.text == "task T is queued"


def test_a_late_watcher_is_told_how_the_task_stands_first(pair: Any) -> None:
    pair.do(Enqueue(id="T", title="x"))
    fence = claim(pair)
    pair.do(Extend(agent="worker", task="T", fence=fence, progress=0.3))

    subjects = pair.subjects(Watch(task="T", agent="watcher"))
    again = pair.do(Watch(task="T", agent="watcher"))

    assert subjects == ["task.watched", "message.sent"]
    assert not again
    assert [body["progress"] for body in told(pair)] == [0.3]


def test_who_watches_a_settled_task_is_told_once_how_it_ended(pair: Any) -> None:
    pair.do(Enqueue(id="T", title="x"))
    pair.do(Cancel(id="T", reason="enough"))

    subjects = pair.subjects(Watch(task="T", agent="watcher"))

    assert subjects == ["message.sent"]
    assert told(pair)[0]["state"] == "cancelled"
    assert told(pair)[0]["reason"] == "enough"
    assert not pair.swarm.tasks["T"].watchers


def test_once_a_task_is_settled_nobody_watches_it(watched: Any) -> None:
    watched.do(Cancel(id="T"))
    watched.do(Requeue(id="T"))

    assert [body["state"] for body in told(watched)] == ["queued", "cancelled"]


def test_who_no_longer_watches_is_told_nothing(watched: Any) -> None:
    off = Watch(task="T", agent="watcher", on=False)

    assert watched.subjects(off) == ["task.watched"]
    assert not watched.do(off)
    claim(watched)

    assert len(told(watched)) == 1


def test_a_failed_attempt_is_told_and_the_next_begins_afresh(watched: Any) -> None:
    held: Any = {"agent": "worker", "task": "T", "fence": claim(watched)}
    watched.do(Extend(**held, progress=0.9, note="nearly"))
    watched.do(Fail(**held, reason="ran out", delay=60))
    watched.wait(seconds=60)
    watched.do(Tick())

    failed, ready = told(watched)[-2:]
    assert (failed["state"], failed["reason"]) == ("scheduled", "ran out")
    assert (failed["progress"], failed["note"]) == (None, "")
    assert (ready["state"], ready["attempts"]) == ("queued", 1)


def test_what_is_given_back_shows_the_attempt_as_unused(watched: Any) -> None:
    fence = claim(watched)
    watched.do(Nack(agent="worker", task="T", fence=fence))

    assert (told(watched)[-1]["state"], told(watched)[-1]["attempts"]) == ("queued", 0)


def test_a_lease_that_runs_out_is_told(watched: Any) -> None:
    claim(watched)
    watched.wait(seconds=301)
    watched.do(Tick())

    assert told(watched)[-1]["reason"] == "nothing was heard of worker for 300 s"


def test_to_extend_a_lease_alone_is_not_told(watched: Any) -> None:
    fence = claim(watched)
    before = len(told(watched))
    watched.wait(seconds=200)

    subjects = watched.subjects(Extend(agent="worker", task="T", fence=fence))

    assert subjects == ["task.extended"]
    assert len(told(watched)) == before


def test_several_watchers_share_one_message(pair: Any) -> None:
    pair.do(Assign(agent="worker", id="T", watchers=("watcher", "worker", "watcher")))

    (cast,) = pair.swarm.broadcasts.values()
    assert cast.recipients == 2
    assert told(pair, "watcher") == told(pair, "worker")


def test_a_task_that_moves_keeps_its_watchers(watched: Any) -> None:
    watched.do(Assign(agent="watcher", id="T", watchers=("worker",)))

    assert watched.swarm.tasks["T"].watchers == ("watcher", "worker")


def test_a_full_mailbox_misses_steps_but_not_the_end(make_world: Any) -> None:
    world = make_world(Rules(max_mailbox=4))
    for agent in ("worker", "watcher"):
        world.do(Notify(agent=agent, report="idle"))
    world.do(Assign(agent="worker", id="T", watchers=("watcher",)))
    world.do(Send(agent="worker", to="watcher", text="more"))

    fence = claim(world)
    world.do(Complete(agent="worker", task="T", fence=fence))

    assert [body["state"] for body in told(world)] == ["queued", "done"]


def test_who_watches_and_what_is_watched_must_be_known(pair: Any) -> None:
    with pytest.raises(NotFound, match="no task 'T' is known"):
        pair.do(Watch(task="T", agent="watcher"))
    with pytest.raises(NotFound, match="no agent 'x' is known"):
        pair.do(Assign(agent="worker", id="T", watchers=("x",)))
    pair.do(Enqueue(id="T", title="x"))
    with pytest.raises(NotFound, match="no agent 'x' is known"):
        pair.do(Watch(task="T", agent="x"))


def test_a_task_has_so_many_watchers_at_most(pair: Any) -> None:
    agents = tuple(f"a{number}" for number in range(65))
    for agent in agents:
        pair.do(Notify(agent=agent, report="idle"))
    pair.do(Assign(agent="worker", id="T", watchers=agents[:64]))

    with pytest.raises(Conflict, match="65 agents would watch"):
        pair.do(Watch(task="T", agent=agents[64]))


# --- progress ------------------------------------------------------------------------


def test_progress_is_told_when_it_is_news(watched: Any) -> None:
    held: Any = {"agent": "worker", "task": "T", "fence": claim(watched)}

    first = watched.subjects(Extend(**held, progress=0.5, note="half"))
    same = watched.subjects(Extend(**held, progress=0.5))
    note = watched.subjects(Extend(**held, note="soon"))

    assert first == note == ["task.progressed", "message.sent"]
    assert not same
    task = watched.swarm.tasks["T"]
    assert (task.progress, task.note) == (0.5, "soon")
    assert watched.swarm.agents["worker"].heard == watched.now


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(watched: Any, progress: float) -> None:
    fence = claim(watched)

    with pytest.raises(Invalid, match="give the share that is done, 0 to 1"):
        watched.do(Extend(agent="worker", task="T", fence=fence, progress=progress))


def test_only_who_has_a_task_tells_of_its_progress(watched: Any) -> None:
    fence = claim(watched)

    with pytest.raises(Conflict, match="the lease has ended"):
        watched.do(Extend(agent="watcher", task="T", fence=fence, progress=0.5))
    with pytest.raises(Conflict, match="the lease has ended"):
        watched.do(Extend(agent="worker", task="T", fence=fence - 1, progress=0.5))


# --- what an agent gives itself -------------------------------------------------------


def undertake(agent: str, **fields: Any) -> Assign:
    return Assign(
        agent=agent, id="T", by=agent, title="count", undertaken=True, **fields
    )


def test_what_an_agent_gives_itself_twice_it_has_once(pair: Any) -> None:
    pair.do(undertake("worker", body={"n": 1}))
    fence = claim(pair)
    pair.do(Complete(agent="worker", task="T", fence=fence))

    assert not pair.do(undertake("worker", body={"n": 1}))
    assert pair.swarm.tasks["T"].state == "done"


def test_an_operator_may_be_called_like_an_agent(pair: Any) -> None:
    pair.do(Assign(agent="watcher", id="T", by="worker"))

    assert pair.subjects(Assign(agent="worker", id="T", by="worker"))
    assert pair.swarm.tasks["T"].target == "worker"


def test_what_an_agent_gives_itself_is_no_larger_than_a_message(pair: Any) -> None:
    body = {"text": "x" * pair.swarm.rules.message_bytes}

    with pytest.raises(Invalid, match=r"body of the task has 262,1.* elsewhere"):
        pair.do(undertake("worker", body=body))
    assert pair.do(Assign(agent="worker", id="T", body=body))


def test_an_agent_takes_no_task_from_another(pair: Any) -> None:
    pair.do(undertake("worker"))

    for wish in (undertake("watcher"), undertake("worker", body={"n": 2})):
        with pytest.raises(Conflict, match="is there already"):
            pair.do(wish)
