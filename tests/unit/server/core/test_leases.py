"""Claims, leases and fences."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import (
    Assign,
    Cancel,
    Claim,
    Command,
    Complete,
    Enqueue,
    Event,
    Extend,
    Fail,
    Link,
    Nack,
    Notify,
    Requeue,
    Start,
    TaskDead,
    TaskLeased,
    Tick,
)
from agentkit.rows import Report, Task
from server.core import Rules
from tests.unit.server.core.conftest import World

LEASE = 60.0


def claim(world: World, agent: str, tasks: int = 1, task: str = "") -> list[TaskLeased]:
    wish = Claim(agent=agent, tasks=tasks, task=task, lease=LEASE)
    return [event for event in world.do(wish) if isinstance(event, TaskLeased)]


def only(events: list[TaskLeased]) -> TaskLeased:
    (event,) = events
    return event


def task(world: World, key: str = "T1") -> Task:
    return world.swarm.tasks[key]


def fail(world: World, lease: TaskLeased, **said: object) -> list[Event]:
    said = {"reason": "it broke", **said}
    return world.do(
        Fail(agent=lease.agent, task=lease.task, fence=lease.fence, **said)  # type: ignore[arg-type]
    )


def test_a_claim_has_one_winner(world: World) -> None:
    world.do(Enqueue(id="T1"))

    first, second = claim(world, "a"), claim(world, "b")

    assert only(first).task == "T1"
    assert second == []
    assert task(world).agent == "a"


def test_the_most_urgent_comes_first_and_of_equals_the_oldest(world: World) -> None:
    for key, priority in (("low", -1), ("one", 0), ("two", 0), ("high", 5)):
        world.do(Enqueue(id=key, priority=priority))

    order = [event.task for event in claim(world, "a", tasks=9)]

    assert order == ["high", "one", "two", "low"]


def test_only_who_covers_the_needs_may_have_a_task(world: World) -> None:
    world.do(Link(agent="able", capabilities=("gpu", "video", "x", "y")))
    world.do(Link(agent="unable", capabilities=("gpu",)))
    world.do(Enqueue(id="T1", needs=("gpu", "video")))
    world.do(Enqueue(id="T2", needs=("gpu", "x", "y", "z")))

    assert claim(world, "unable", tasks=9) == []
    with pytest.raises(Conflict, match="needs gpu, video and unable has gpu"):
        claim(world, "unable", task="T1")
    assert [event.task for event in claim(world, "able", tasks=9)] == ["T1", "T2"]


def test_what_is_for_one_agent_is_claimed_by_no_other(world: World) -> None:
    world.do(Notify(agent="a", report="busy", task="other"))
    world.do(Assign(agent="a", id="T1"))

    assert claim(world, "b") == []
    with pytest.raises(Conflict, match="is for a"):
        claim(world, "b", task="T1")
    assert only(claim(world, "a")).task == "T1"
    assert world.swarm.mail["a"][task(world).seq].state == "acked"


def test_a_claim_makes_an_agent_busy_and_one_nobody_knew_joins(world: World) -> None:
    world.do(Enqueue(id="T1", needs=("gpu",)))

    world.do(Claim(agent="new", capabilities=("gpu",), via="cli"))

    agent = world.swarm.agents["new"]
    assert (agent.status, agent.task, agent.capabilities) == ("busy", "T1", ("gpu",))
    assert list(world.swarm.idle) == []


def test_a_claim_with_nothing_to_give_changes_nothing(world: World) -> None:
    assert world.do(Claim(agent="a")) == []
    assert world.swarm.agents == {}


def test_whoever_asked_for_help_and_claims_has_moved_on(world: World) -> None:
    world.do(Enqueue(id="T1"))
    world.do(Notify(agent="a", report="help", message="how?"))

    assert world.subjects(Claim(agent="a")) == ["help.resolved", "task.leased"]
    assert task(world).fence == world.swarm.cursor


def test_a_completion_is_accepted_once_and_its_agent_is_idle(world: World) -> None:
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))
    wish = Complete(agent="a", task="T1", fence=lease.fence, result={"n": 1}, cost=2.0)

    assert world.subjects(wish) == ["task.done"]
    assert world.do(wish) == []

    agent = world.swarm.agents["a"]
    assert (task(world).state, task(world).result) == ("done", {"n": 1})
    assert (agent.status, agent.completed, agent.cost) == ("idle", 1, 2.0)
    assert list(world.swarm.idle) == ["a"]


def test_who_holds_more_goes_on_with_it(world: World) -> None:
    for key in ("T1", "T2"):
        world.do(Enqueue(id=key))
    one, two = claim(world, "a", tasks=2)

    world.do(Complete(agent="a", task="T2", fence=two.fence))
    middle = world.swarm.agents["a"]
    world.do(Complete(agent="a", task="T1", fence=one.fence))

    assert (middle.status, middle.task) == ("busy", "T1")
    assert world.swarm.agents["a"].status == "idle"


def test_a_late_completion_with_an_old_fence_is_refused(world: World) -> None:
    world.do(Enqueue(id="T1"))
    late = only(claim(world, "a"))
    world.wait(seconds=LEASE)
    world.do(Tick())
    world.wait(seconds=10)
    world.do(Tick())
    current = only(claim(world, "b"))

    with pytest.raises(Conflict, match=f"leased by b under fence {current.fence}"):
        world.do(Complete(agent="a", task="T1", fence=late.fence))

    assert current.fence > late.fence
    world.do(Complete(agent="b", task="T1", fence=current.fence))
    assert task(world).state == "done"


def test_what_its_last_holder_reports_does_not_end_a_task_that_went_on(
    world: World,
) -> None:
    world.do(Enqueue(id="T1"))
    claim(world, "a")
    world.wait(seconds=LEASE)
    world.do(Tick())

    world.do(Notify(agent="a", report="completed", task="T1"))

    assert task(world).state == "scheduled"


def test_a_holder_may_complete_by_a_report(world: World) -> None:
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))

    world.do(Notify(agent="a", report="completed", task="T1"))

    assert task(world).state == "done"
    assert world.swarm.agents["a"].completed == 1
    assert world.do(Complete(agent="a", task="T1", fence=lease.fence)) == []
    assert world.swarm.agents["a"].completed == 1


def test_who_reports_one_task_completed_goes_on_with_its_newest_lease(
    world: World,
) -> None:
    for key in ("T1", "T2", "T3"):
        world.do(Enqueue(id=key))
    claim(world, "a", tasks=3)
    began = world.swarm.agents["a"].since
    world.wait(seconds=1)

    world.do(Notify(agent="a", report="completed", task="T3"))
    after_newest = world.swarm.agents["a"]
    world.do(Notify(agent="a", report="completed", task="T1"))
    after_oldest = world.swarm.agents["a"]
    world.do(Notify(agent="a", report="completed"))
    after_all = world.swarm.agents["a"]

    assert (after_newest.status, after_newest.task) == ("busy", "T2")
    assert (after_newest.since, after_newest.completed) == (began, 1)
    assert after_newest.waiting_since is None
    assert (after_oldest.status, after_oldest.task) == ("busy", "T2")
    assert (after_all.status, after_all.completed) == ("idle", 3)
    assert [row.state for row in world.swarm.tasks.values()] == ["done"] * 3


def test_who_completes_what_the_hub_does_not_know_still_has_its_lease(
    world: World,
) -> None:
    world.do(Enqueue(id="T1"))
    claim(world, "a")
    world.do(Notify(agent="a", report="blocked", message="no disk"))

    world.do(Notify(agent="a", report="completed", task="its own"))

    agent = world.swarm.agents["a"]
    assert (agent.status, agent.task) == ("busy", "T1")
    assert not list(world.swarm.idle)
    assert not world.swarm.blocked


keys = st.sampled_from(["T1", "T2", "T3"])
turns: st.SearchStrategy[Command] = st.one_of(
    st.builds(Enqueue, id=keys),
    st.builds(Requeue, id=keys),
    st.just(Claim(agent="a", lease=LEASE)),
    st.builds(
        Notify,
        agent=st.just("a"),
        report=st.sampled_from(["busy", "completed"]),
        task=keys | st.none(),
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(turns, min_size=5, max_size=20))
def test_who_completed_a_task_is_busy_with_a_lease_it_has_left_else_idle(
    wishes: list[Command],
) -> None:
    world = World()

    for wish in wishes:
        with suppress(Conflict, NotFound):
            world.do(wish)
            if isinstance(wish, Notify) and wish.report == "completed":
                agent = world.swarm.agents["a"]
                left = set(world.swarm.leases)
                assert agent.status == ("busy" if left else "idle")
                assert not left or agent.task in left


def test_what_was_begun_without_a_lease_does_not_keep_an_agent_busy(
    world: World,
) -> None:
    world.do(Link(agent="a"))
    for key in ("T1", "T2"):
        world.do(Assign(agent="a", id=key))
        world.do(Notify(agent="a", report="busy", task=key))

    world.do(Notify(agent="a", report="completed", task="T2"))

    assert task(world, "T1").state == "working"
    assert list(world.swarm.idle) == ["a"]


def test_a_lease_lasts_from_the_last_sign_of_life(world: World) -> None:
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))
    for _ in range(5):
        world.wait(seconds=LEASE / 2)
        world.do(Extend(agent="a", task="T1", fence=lease.fence))
        assert world.do(Tick()) == []

    assert task(world).state == "leased"
    assert world.swarm.deadline == world.now + timedelta(seconds=LEASE)


def test_signs_of_life_in_quick_succession_are_not_written_down(world: World) -> None:
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))
    wish = Extend(agent="a", task="T1", fence=lease.fence)
    world.wait(seconds=LEASE / 4)

    assert world.do(wish) == []

    world.wait(seconds=LEASE / 4)
    assert world.subjects(wish) == ["task.extended"]


def test_an_attempt_that_fails_is_followed_by_another_after_a_while(
    world: World,
) -> None:
    world.do(Enqueue(id="T1"))
    waits = []
    for _ in range(2):
        fail(world, only(claim(world, "a")))
        at = task(world).not_before
        assert at is not None
        waits.append((at - world.now).total_seconds())
        assert claim(world, "a") == []
        world.now = at
        assert world.subjects(Tick()) == ["task.ready"]

    assert [round(wait) for wait in waits] == [1, 2]
    assert only(claim(world, "a")).attempt == 3


def test_after_its_last_attempt_a_task_is_dead(world: World) -> None:
    world.do(Enqueue(id="T1", max_attempts=1))

    events = fail(world, only(claim(world, "a")))

    assert [event.subject for event in events] == ["task.dead"]
    assert (task(world).state, task(world).reason) == ("dead", "it broke")
    assert world.swarm.agents["a"].status == "idle"


def test_a_final_failure_leaves_no_attempts(world: World) -> None:
    world.do(Enqueue(id="T1"))

    fail(world, only(claim(world, "a")), final=True)

    assert task(world).state == "dead"


def test_whoever_is_not_heard_loses_the_task(world: World) -> None:
    world.do(Link(agent="a"))
    world.do(Enqueue(id="T1", max_attempts=2))
    claim(world, "a")
    world.wait(seconds=LEASE)

    assert world.subjects(Tick()) == ["task.released"]
    assert "nothing was heard of a for 60 s" in task(world).reason
    assert world.swarm.agents["a"].status == "idle"
    world.wait(seconds=10)
    world.do(Tick())
    claim(world, "a")
    world.wait(seconds=LEASE)
    assert world.subjects(Tick()) == ["task.dead"]


@pytest.mark.parametrize(("linked", "status"), [(True, "idle"), (False, "busy")])
def test_who_is_not_heard_until_the_last_attempt_ends_was_not_heard_by_that(
    world: World, *, linked: bool, status: str
) -> None:
    if linked:
        world.do(Link(agent="a"))
    world.do(Enqueue(id="T1", max_attempts=1))
    claim(world, "a")
    heard = world.now
    world.wait(seconds=LEASE)

    (event,) = world.do(Tick())

    assert isinstance(event, TaskDead)
    assert (event.cause, event.fence) == ("expired", task(world).fence)
    assert (task(world).state, world.swarm.agents["a"].status) == ("dead", status)
    assert world.swarm.agents["a"].heard == heard


def test_an_attempt_that_is_given_back_does_not_count(world: World) -> None:
    world.do(Enqueue(id="T1", max_attempts=1))
    lease = only(claim(world, "a"))

    world.do(Nack(agent="a", task="T1", fence=lease.fence))

    assert (task(world).state, task(world).attempts) == ("queued", 0)
    assert only(claim(world, "b")).fence > lease.fence


def test_who_has_a_task_may_claim_it_again_under_a_new_fence(world: World) -> None:
    world.do(Enqueue(id="T1"))
    first = only(claim(world, "a"))

    second = only(claim(world, "a", task="T1"))

    with pytest.raises(Conflict):
        world.do(Extend(agent="a", task="T1", fence=first.fence))
    assert second.attempt == 2


def test_a_crash_loop_cannot_claim_for_ever(world: World) -> None:
    world.do(Enqueue(id="T1", max_attempts=1))
    claim(world, "a")

    with pytest.raises(Conflict, match="at its last attempt of 1"):
        claim(world, "a", task="T1")


@pytest.mark.parametrize("wish", [Cancel(id="T1"), Requeue(id="T1")])
def test_what_a_person_decides_ends_the_lease(world: World, wish: Cancel) -> None:
    world.do(Link(agent="a"))
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))

    world.do(wish)

    with pytest.raises(Conflict):
        world.do(Complete(agent="a", task="T1", fence=lease.fence))
    assert world.swarm.agents["a"].status == "idle"


def test_a_start_of_the_hub_gives_every_lease_its_time_again(world: World) -> None:
    world.do(Enqueue(id="T1"))
    claim(world, "a")
    world.wait(hours=1)

    world.do(Start(version="2"))

    assert world.do(Tick()) == []
    assert task(world).lease_until == world.now + timedelta(seconds=LEASE)


def test_a_clock_that_was_set_back_before_a_start_prolongs_no_lease(
    world: World,
) -> None:
    world.do(Enqueue(id="T1"))
    claim(world, "a")
    world.wait(days=-30)

    world.do(Start(version="2"))
    world.wait(seconds=LEASE)
    world.do(Tick())

    assert not task(world).is_held


def test_what_comes_back_to_one_agent_comes_as_new_mail(world: World) -> None:
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1"))
    first = task(world).seq
    lease = only(claim(world, "a"))

    world.do(Nack(agent="a", task="T1", fence=lease.fence))

    assert task(world).seq > first
    assert list(world.swarm.mail["a"]) == [task(world).seq]


def test_a_numbered_completion_counts_once_whatever_becomes_of_it(
    world: World,
) -> None:
    world.do(Enqueue(id="T1"))
    lease = only(claim(world, "a"))
    wish = Complete(agent="a", task="T1", fence=lease.fence, spool="s", seq=1)
    stale = Complete(agent="a", task="T1", fence=lease.fence, spool="s", seq=2)

    assert world.subjects(wish) == ["task.done"]
    assert world.do(wish) == []
    assert world.subjects(stale) == ["report.refused"]
    assert world.swarm.spools["a", "s"].accepted == 2


def test_many_leases_that_end_at_once_end_in_bounded_turns(
    make_world: Callable[[Rules], World],
) -> None:
    world = make_world(Rules())
    for number in range(1500):
        world.do(Enqueue(id=f"T{number}"))
        claim(world, f"a{number}")
    world.wait(seconds=LEASE)

    assert len(world.do(Tick())) == 1000
    assert len(world.do(Tick())) == 500


@pytest.mark.parametrize(
    ("wish", "error", "text"),
    [
        (Claim(agent="a", tasks=0), Invalid, "0 tasks are claimed: ask for 1 to 100"),
        (Claim(agent="a", task="T9"), NotFound, "no task 'T9' is known"),
        (Claim(agent="a", task="T2"), Conflict, "is scheduled for"),
        (Claim(agent="a", task="T1", lease=0.1), Invalid, "a lease of 0.1 s"),
        (Claim(agent="a", task="T9", lease=0.1), Invalid, "a lease of 0.1 s"),
        (Claim(agent="", task="T1"), Invalid, "the agent is empty"),
        (Complete(agent="a", task="T1", fence=3), Conflict, "is queued, and a shows"),
        (Fail(agent="a", task="T9", fence=3), NotFound, "no task 'T9' is known"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    world: World, wish: Claim, error: type[Exception], text: str
) -> None:
    world.do(Enqueue(id="T1"))
    world.do(Enqueue(id="T2", not_before=world.now + timedelta(minutes=1)))

    with pytest.raises(error, match=text):
        world.do(wish)


@pytest.mark.parametrize("report", ["busy", "completed"])
def test_a_report_that_names_no_task_does_not_touch_one_that_was_given_back(
    world: World, report: Report
) -> None:
    world.do(Link(agent="a"))
    world.do(Assign(agent="a", id="T1"))
    lease = only(claim(world, "a"))
    world.do(Nack(agent="a", task="T1", fence=lease.fence))

    world.do(Notify(agent="a", report=report))

    assert world.swarm.tasks["T1"].state == "queued"
