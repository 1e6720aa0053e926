"""From the coordinator's changes to the model, a batch at a time."""

import asyncio

from agentkit.coordinator import Change, Link
from swarmtui.feed import Feed
from swarmtui.model import Model
from tests.unit.swarmtui.conftest import StillSwarm, agent, asked, task


def fed(*changes: Change, swarm: StillSwarm | None = None) -> tuple[Feed, Model]:
    model = Model()
    feed = Feed(swarm or StillSwarm(), model)
    for change in changes:
        feed.gather(change)
    return feed, model


def turn(*agents_: object, **fields: object) -> Change:
    return Change(kind="turn", agents=agents_, **fields)  # type: ignore[arg-type]


def test_of_a_row_only_the_latest_is_kept() -> None:
    feed, model = fed(turn(agent("a")), turn(agent("a", status="busy")))

    delta = feed.drain()

    assert delta is not None
    assert delta.agents == {"a"}
    assert model.agents["a"].status == "busy"


def test_nothing_is_drained_when_nothing_happened() -> None:
    feed, _ = fed()

    assert feed.drain() is None


def test_a_snapshot_discards_the_rows_that_waited_but_not_the_events() -> None:
    snapshot = Change(kind="snapshot", agents=(agent("b"),))
    feed, model = fed(turn(agent("a"), events=(asked("a", "why?"),)), snapshot)

    delta = feed.drain()

    assert delta is not None
    assert delta.reset
    assert list(model.agents) == ["b"]
    assert len(model.traffic) == 1


def test_the_backlog_counts_events_that_wait() -> None:
    feed, _ = fed(turn(events=(asked("a", "1"), asked("a", "2"))))
    assert feed.backlog == 2

    feed.drain()

    assert feed.backlog == 0


def test_a_paused_view_still_learns_of_the_link() -> None:
    swarm = StillSwarm(link=Link("waiting", "gone"))
    feed, model = fed(turn(agent("a")), Change(kind="link"), swarm=swarm)

    delta = feed.drain_link()

    assert delta is not None
    assert delta.link
    assert model.link == Link("waiting", "gone")
    assert not model.agents
    assert feed.drain_link() is None


async def test_running_gathers_until_it_is_cancelled() -> None:
    swarm, model = StillSwarm(agent("a")), Model()
    feed = Feed(swarm, model)
    running = asyncio.create_task(feed.run())
    while not feed.drain():
        await asyncio.sleep(0)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert list(model.agents) == ["a"]
    assert model.live


def test_a_task_that_is_let_go_leaves_the_model_and_is_still_counted() -> None:
    swarm = StillSwarm()
    swarm.task_counts.update(queued=2)
    feed, model = fed(turn(tasks=(task("T1", ""), task("T2", ""))), swarm=swarm)
    feed.drain()
    feed.gather(turn(gone=("T1",)))

    delta = feed.drain()

    assert delta is not None
    assert delta.tasks == {"T1"}
    assert set(model.tasks) == {"T2"}
    assert model.task_counts == {"queued": 2}
    assert model.unsettled == 2


def test_a_task_that_comes_back_before_the_drain_stays() -> None:
    feed, model = fed(
        turn(tasks=(task("T1", ""),)),
        turn(gone=("T1",)),
        turn(tasks=(task("T1", "", version=2),)),
    )
    feed.drain()

    assert set(model.tasks) == {"T1"}
