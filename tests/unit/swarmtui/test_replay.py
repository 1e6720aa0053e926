"""A recording is played: however one gets to a second, the picture is the same."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.changes import Change
from agentkit.codec import encode, encode_event
from agentkit.errors import Conflict, NotFound
from agentkit.protocol import Event, Logged, PlanKept
from agentkit.recording import Header, Writer, create
from swarmtui.feed import Feed
from swarmtui.model import Model
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from tests.unit.swarmtui.conftest import NOW, agent, request, task
from tests.unit.swarmtui.running import DOCUMENT, run
from tests.unit.swarmtui.test_run_book import CHILD, STORY

STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)
TABLES = ("agents", "helps", "tasks", "broadcasts", "runs")
SECONDS = 60

Film = list[tuple[float, dict[str, Any]]]


class Clock:
    """A clock that goes when a test says so."""

    def __init__(self) -> None:
        self.second = 1000.0

    def __call__(self) -> float:
        return self.second


class Story:
    """Frames of a hub at which something happens at random."""

    def __init__(self, dice: Random) -> None:
        self.film: Film = []
        self.dice = dice
        self.cursor = 0
        self.rows: dict[str, dict[str, Any]] = {table: {} for table in TABLES}

    def tell(self, turns: int) -> Film:
        """Return a film of about a minute."""
        self.welcome(0.0)
        self.snapshot(0.0)
        moments = sorted(self.dice.uniform(0, SECONDS) for _ in range(turns))
        for moment in moments:
            self.happen(moment)
        self.add(SECONDS, {"type": "stats", "at": at(SECONDS), "in_rate": 1.0})
        return self.film

    def happen(self, second: float) -> None:
        """Let one thing happen."""
        self.dice.choices(
            [self.turn, self.snapshot, self.stats, self.reconnect], [20, 2, 3, 1]
        )[0](second)

    def turn(self, second: float) -> None:
        self.cursor += 1
        name = f"a{self.dice.randrange(4)}"
        status = self.dice.choice(["idle", "busy", "blocked"])
        row = agent(name, status=status, version=self.cursor, heard=NOW)
        changed: dict[str, list[Any]] = {"agents": [row]}
        subject, data = f"agent.{status}", report(second, name, status)
        if self.dice.random() < 0.2:
            changed["helps"] = [request(f"h{self.cursor}", name)]
            subject, data = "help.asked", asked(second, name, f"h{self.cursor}")
        if self.dice.random() < 0.3:
            changed["tasks"] = [task(f"T{self.dice.randrange(3)}", name)]
        if self.dice.random() < 0.2:
            changed["runs"] = [run(f"r{self.dice.randrange(3)}", version=self.cursor)]
        for table, rows in changed.items():
            self.rows[table].update((one.id, encode(one)) for one in rows)
        counts = {"queued": len(self.rows["tasks"])}
        event = {"cursor": self.cursor, "subject": subject, "data": data}
        told = {table: [encode(one) for one in on] for table, on in changed.items()}
        frame = {"type": "turn", "cursor": self.cursor, "events": [event]}
        self.add(second, {**frame, "counts": counts, **told})

    def welcome(self, second: float) -> None:
        hub = {"version": "9"}
        self.add(second, {"type": "welcome", "role": "operator", "hub": hub})

    def snapshot(self, second: float) -> None:
        """Send the rows in two parts, as a hub does that has many."""
        none: dict[str, Any] = {table: [] for table in TABLES}
        every = {table: list(rows.values()) for table, rows in self.rows.items()}
        frame = {"type": "snapshot", "cursor": self.cursor}
        counts = {"queued": len(self.rows["tasks"])}
        self.add(second, {**frame, "more": True, **none, "agents": every["agents"]})
        last = {**every, "agents": [], "counts": counts}
        self.add(second, {**frame, "more": False, **last})

    def stats(self, second: float) -> None:
        self.add(second, {"type": "stats", "at": at(second), "in_rate": second})

    def reconnect(self, second: float) -> None:
        """Go away and come back, with a snapshot of which the beginning comes twice."""
        gone: dict[str, Any] = {"type": "link", "state": "waiting", "error": "gone"}
        gone["retry_at"] = None
        self.add(second, gone)
        none: dict[str, Any] = {table: [] for table in TABLES}
        part = {"type": "snapshot", "cursor": self.cursor, "more": True, **none}
        self.add(second, part | {"agents": [encode(agent("never there"))]})
        self.add(
            second, {"type": "welcome", "role": "operator", "hub": {"version": "9"}}
        )
        self.snapshot(second)
        self.add(second, gone | {"state": "live", "error": ""})

    def add(self, second: float, frame: dict[str, Any]) -> None:
        self.film.append((second, frame))


def at(second: float) -> str:
    return (STARTED + timedelta(seconds=second)).isoformat()


def report(second: float, name: str, status: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "at": at(second),
        "agent": name,
        "report": status,
        "task": "",
        "via": "ws",
    }
    said |= {"message": "", "capabilities": [], "cost": None, "completed": 0}
    return said | {"reported_at": "", "waiting_since": None}


def asked(second: float, name: str, help_: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "at": at(second),
        "agent": name,
        "help": help_,
        "kind": "help",
    }
    said |= {"question": "why?", "choices": [], "wanted": [], "task": ""}
    return said | {"severity": "normal"}


def save(path: Path, film: Film) -> Path:
    with create(path, force=True) as file:
        writer = Writer(file, Header(started=STARTED, url="http://127.0.0.1:1"))
        for second, frame in film:
            writer.write(second, frame)
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A minute with some of everything."""
    return save(tmp_path / "a.rec", Story(Random(3)).tell(80))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def player(film: Path, clock: Clock) -> Iterator[Replay]:
    """The film at its start, playing by the clock of the test."""
    reel = Reel(film)
    replay = Replay(reel, clock=clock)
    replay.seek(0)
    yield replay
    reel.close()


def picture(replay: Replay) -> dict[str, Any]:
    """Return all that a dashboard can know of a moment."""
    rows = {table: dict(getattr(replay, table)) for table in TABLES}
    counts = dict(replay.task_counts)
    return {**rows, "counts": counts, "cursor": replay.cursor, "link": replay.link}


def play_to(replay: Replay, clock: Clock, second: float) -> None:
    """Let the time pass until a second of the recording."""
    while replay.second < second - 0.5:
        clock.second += 0.5
        replay.advance()
    replay._head.put(second, clock())
    replay.advance()


def shown(replay: Replay, *, then: Sequence[float]) -> Model:
    """Return what a dashboard shows after it was taken to some seconds in turn."""
    model = Model()
    feed = Feed(replay, model)
    for second in then:
        told: list[Change] = []
        replay._push = told.append  # type: ignore[assignment, method-assign]
        replay.seek(second)
        for change in told:
            feed.gather(change)
        feed.drain()
    return model


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000),
    way=st.lists(st.floats(0, SECONDS), min_size=1, max_size=5),
)
def test_seeking_is_playing_up_to_there(
    tmp_path: Path, seed: int, way: list[float]
) -> None:
    path, clock = save(tmp_path / "a.rec", Story(Random(seed)).tell(60)), Clock()
    sought, played = Replay(Reel(path), clock=clock), Replay(Reel(path), clock=clock)

    for second in way:
        sought.seek(second)
    played.seek(0)
    play_to(played, clock, way[-1])

    sought.seek(way[-1])
    assert picture(sought) == picture(played)
    assert sought.damaged == played.damaged == 0
    sought.reel.close()
    played.reel.close()


def test_the_time_is_that_of_the_recording(player: Replay, clock: Clock) -> None:
    player.seek(12.5)
    assert player.now() == STARTED + timedelta(seconds=12.5)

    clock.second += 2

    assert player.now() == STARTED + timedelta(seconds=14.5)


def test_it_stops_at_the_end(player: Replay, clock: Clock) -> None:
    play_to(player, clock, SECONDS)

    assert not player.playing
    assert player.second == player.length


def test_it_begins_again_at_the_end_when_it_loops(film: Path, clock: Clock) -> None:
    player = Replay(Reel(film), loop=True, clock=clock)
    player.seek(SECONDS - 1)
    clock.second += 5
    player.advance()

    assert player.playing
    assert player.second < 1
    player.reel.close()


def test_at_64_times_it_shows_the_same(player: Replay, clock: Clock) -> None:
    for _ in range(6):
        player.faster()
    clock.second += 0.5
    player.advance()
    fast = picture(player)
    assert player.second == 32

    player.seek(32)

    assert picture(player) == fast


def test_seeking_back_forgets_what_came_after(player: Replay) -> None:
    late = shown(player, then=[SECONDS])
    back = shown(player, then=[SECONDS, 10])

    assert len(back.traffic) < len(late.traffic)
    assert back.traffic[-1].cursor == player.cursor
    assert max(back.rates, default=0) <= 10
    assert list(shown(player, then=[10]).agents) == list(back.agents)
    assert back.epoch == late.epoch + 1


def test_calls_are_found_in_both_directions(player: Replay) -> None:
    calls = player.reel.calls
    assert len(calls) > 3
    player.toggle()

    found = []
    while player.next_call():
        found.append(player.second)
    assert found == pytest.approx(calls)

    player.seek(calls[2] + 1.5)
    assert player.last_call()
    assert player.second in calls


def test_orders_are_refused(player: Replay) -> None:
    with pytest.raises(Conflict, match="this is a recording"):
        asyncio.run(player.assign("a1", "T1"))


async def test_questions_are_answered_as_of_the_second(player: Replay) -> None:
    player.seek(30)
    early = await player.history("a1", limit=1000)
    player.seek(SECONDS)
    late = await player.history("a1", limit=1000)

    assert 0 < len(early) < len(late)
    assert early == late[-len(early) :]
    assert all(getattr(one.event, "agent", "") == "a1" for one in late)


async def test_one_event_is_found_by_its_cursor(player: Replay) -> None:
    player.seek(SECONDS)

    for cursor in (1, player.cursor // 2, player.cursor):
        found = await player.events(after=cursor - 1, before=cursor + 1, limit=1)
        assert [one.cursor for one in found] == [cursor]
    assert await player.events(after=player.cursor, limit=1) == []


async def test_events_are_chosen_by_subject_in_order(player: Replay) -> None:
    player.seek(SECONDS)

    found = await player.events(subject="help.*", limit=1000)

    assert len(found) == player.reel.events - len(
        await player.events(subject="agent.*", limit=1000)
    )
    assert found == sorted(found, key=lambda one: one.cursor)


def test_a_frame_that_makes_no_sense_is_passed_over(tmp_path: Path) -> None:
    film = Story(Random(1)).tell(10)
    film.insert(5, (film[5][0], {"type": "stats", "at": "yesterday"}))
    player = Replay(Reel(save(tmp_path / "a.rec", film)))

    player.seek(SECONDS)

    assert player.damaged
    assert player.agents
    player.reel.close()


def told(second: float, cursor: int, subject: str, **data: Any) -> dict[str, Any]:
    """Return the turn of one event about a letter."""
    said = {"at": at(second), "by": "archive", **data}
    event = {"cursor": cursor, "subject": subject, "data": said}
    return {"type": "turn", "cursor": cursor, "events": [event], "counts": {}}


def given_up(second: float, cursor: int, letter: str) -> dict[str, Any]:
    """Return the turn in which a subscription gave a message up."""
    why = {"subscription": "logs", "pattern": "build.**", "transport": "archive"}
    why |= {"link": "bus", "reason": "ValueError: too short"}
    message = {"name": "build.web.passed", "data": {}}
    return told(
        second,
        cursor,
        "letter.dead",
        letter=letter,
        message=message,
        attempts=3,
        **why,
    )


async def test_letters_are_those_of_the_second(tmp_path: Path) -> None:
    story = Story(Random(1))
    story.welcome(0.0)
    story.snapshot(0.0)
    story.add(5, told(5, 1, "letter.discarded", letter="of before"))
    story.add(10, given_up(10, 2, "l1"))
    story.add(20, given_up(20, 3, "l2"))
    story.add(30, told(30, 4, "letter.requeued", letter="l1"))
    story.add(40, told(40, 5, "letter.discarded", letter="l2"))
    story.add(50, given_up(50, 6, "l1"))
    player = Replay(Reel(save(tmp_path / "a.rec", story.film)))
    seen: dict[int, list[str]] = {}

    for second in (50, 45, 35, 25, 15, 6):
        player.seek(second)
        seen[second] = [row.id for row in await player.letters()]
    player.seek(45)
    settled = await player.letters(dead=False)

    assert seen == {50: ["l1"], 45: [], 35: ["l2"], 25: ["l2", "l1"], 15: ["l1"], 6: []}
    assert [(row.id, row.state) for row in settled] == [
        ("l2", "discarded"),
        ("l1", "requeued"),
    ]
    assert settled[0].settled == STARTED + timedelta(seconds=40)
    assert await player.letters(dead=False, before=5) == settled[1:]
    assert await player.letters(dead=False, limit=1) == settled[:1]
    player.reel.close()


# --- Runs ----------------------------------------------------------------------------


@pytest.fixture
def run_player(tmp_path: Path, clock: Clock) -> Iterator[Replay]:
    """A film with a plan, a run and one below it: an event a second."""
    kept = PlanKept(at=NOW, plan="p", name="lessons", document=DOCUMENT)
    story = Story(Random(1))
    story.rows["runs"]["r"] = encode(run("r", plan="p", visit=1, version=1))
    story.welcome(0.0)
    story.snapshot(0.0)
    events: Sequence[Event] = (kept, *STORY, *CHILD)
    for cursor, event in enumerate(events, 1):
        frame = {"type": "turn", "cursor": cursor}
        told = [encode_event(Logged(cursor, event))]
        story.add(cursor, {**frame, "events": told, "counts": {}})
    reel = Reel(save(tmp_path / "runs.rec", story.film))
    replay = Replay(reel, clock=clock)
    yield replay
    reel.close()


async def test_a_run_is_told_as_it_was_at_the_second(run_player: Replay) -> None:
    told = []
    for second in (1, 6, 10, SECONDS):
        run_player.seek(second)
        rows = await run_player.items("r", visit=1)
        told.append([item.state for item in rows])

    assert told == [
        [],
        ["running"] * 3,
        ["done", "failed", "retrying", "running"],
        ["done", "failed", "retrying", "cancelled"],
    ]


async def test_a_recording_has_plans_checkpoints_and_runs_below(
    run_player: Replay,
) -> None:
    run_player.seek(SECONDS)

    points = await run_player.checkpoints("r", limit=1)
    tree = await run_player.tree("r")

    assert [one.number for one in points] == [1]
    assert [one.run.id for one in tree.children] == ["r.1"]
    assert (await run_player.run("r.1")).run.parent == "r"
    assert (await run_player.run("r")).plan == "lessons"
    assert (await run_player.plan("p")).document == DOCUMENT


async def test_of_the_items_some_are_chosen(run_player: Replay) -> None:
    run_player.seek(SECONDS)

    failed = await run_player.items("r", visit=1, state="failed")
    later = await run_player.items("r", visit=1, after=0, limit=2)

    assert [one.index for one in failed] == [1]
    assert [one.index for one in later] == [1, 2]


async def test_a_run_that_is_not_in_the_recording_is_not_known(
    run_player: Replay,
) -> None:
    run_player.seek(SECONDS)

    with pytest.raises(NotFound, match="not in this recording"):
        await run_player.run("r9")
