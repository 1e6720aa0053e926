"""Mail is kept, recognised, sorted by kind, and told of until the hub knows."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from agentkit import inbox as module
from agentkit.boxes import Box, NotStored
from agentkit.inbox import ATTEMPTS, CRASHED, Inbox, Mail
from agentkit.rows import Guarantee
from agentkit.shelf import FileShelf

KEY = "correct horse battery staple"


def frame(seq: int, kind: str = "broadcast", minute: int = 0) -> dict[str, Any]:
    at = f"2026-01-01T00:{minute:02}:00+00:00"
    body = {"text": f"text {seq}", "title": "a title", "question": "how?"}
    return {
        "type": "mail",
        "seq": seq,
        "attempt": 1,
        "kind": kind,
        "ref": f"r{seq}",
        "at": at,
        "by": "operator",
        "body": body,
    }


class Reader:
    """An agent's inbox, and what comes of it."""

    def __init__(self, path: Path | None, key: str, guarantee: Guarantee) -> None:
        self._path = path
        self._key = key
        self._guarantee = guarantee
        self.said: list[Any] = []
        self.acked: list[int] = []
        self.failed: list[str] = []
        self.calls = Listener()
        self._box: Box | None = None
        self.inbox = self._new()

    def _new(self) -> Inbox:
        async def task_failed(mail: Mail, error: Exception) -> None:
            self.failed.append(f"{mail.ref}: {error}")

        box = Inbox(self.said.append, task_failed, self._guarantee)
        if self._path is not None:
            self._box = Box(self._path, self._key)
            box.open(FileShelf(self._box))
        return box

    @property
    def box(self) -> Box:
        assert self._box is not None
        return self._box

    def open(self) -> None:
        self.inbox.start(self.calls)

    async def crash(self) -> None:
        """Lose everything but the file, and begin anew with it."""
        await self.close()
        self.inbox = self._new()
        self.open()

    async def close(self) -> None:
        self.inbox.stop()
        await asyncio.sleep(0)
        if self._box is not None:
            self._box.close()

    async def take(self, *frames: dict[str, Any]) -> None:
        """Take mail, and wait until it is kept."""
        kept = [self.inbox.take(said, self._received) for said in frames]
        await asyncio.gather(*(one for one in kept if one is not None))

    def _received(self, mail: Mail, new: bool) -> None:
        self.acked.append(mail.seq)
        if new:
            self.inbox.deliver(mail)

    @property
    def done(self) -> list[int]:
        return [frame["seq"] for frame in self.said if frame["type"] == "done"]

    @property
    def dead(self) -> list[tuple[int, str]]:
        return [(f["seq"], f["reason"]) for f in self.said if f["type"] == "dead"]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)


Make = Callable[..., Reader]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Reader] = []

    def make(where: str = "file", guarantee: Guarantee = "at-least-once") -> Reader:
        path = None if where == "memory" else tmp_path / "a.db"
        reader = Reader(path, KEY if where == "sealed" else "", guarantee)
        reader.open()
        made.append(reader)
        return reader

    yield make
    for reader in made:
        await reader.close()


@pytest.fixture(params=["memory", "file", "sealed"])
async def reader(request: pytest.FixtureRequest, make: Make) -> Reader:
    return make(request.param)


@pytest.fixture
async def durable(make: Make) -> Reader:
    return make()


def texts(*numbers: int) -> list[str]:
    return [f"text {number}" for number in numbers]


class Listener:
    """A handler that hangs, fails, or takes what it is given."""

    def __init__(self, fails: Iterable[int] = (), hangs: Iterable[int] = ()) -> None:
        self.heard: list[tuple[int, int]] = []
        self.texts: list[str] = []
        self._fails = set(fails)
        self._hangs = set(hangs)

    async def __call__(self, mail: Mail) -> None:
        self.heard.append((mail.seq, mail.attempt))
        self.texts.append(mail.text)
        if mail.seq in self._hangs:
            await asyncio.Event().wait()
        if mail.seq in self._fails:
            raise ValueError("no")


async def test_mail_that_comes_again_is_handled_once(reader: Reader) -> None:
    listener = Listener()
    reader.inbox.desks["broadcast"].register(listener)
    await reader.take(frame(1), frame(2))
    await until(lambda: reader.done == [1, 2])

    await reader.take({**frame(1), "attempt": 2})

    assert listener.texts == texts(1, 2)
    assert (reader.inbox.got, reader.acked) == (2, [1, 2, 1])
    assert reader.done == [1, 2, 1]


async def test_mail_that_waits_to_be_stored_is_recognised(reader: Reader) -> None:
    listener = Listener()
    reader.inbox.desks["broadcast"].register(listener)
    first = reader.inbox.take(frame(1), reader._received)
    reader.inbox.link(cursor=5)
    second = reader.inbox.take(frame(1), reader._received)
    await asyncio.gather(*(one for one in (first, second) if one is not None))
    await until(lambda: bool(reader.done))

    assert (listener.heard, reader.acked) == ([(1, 1)], [1, 1])


async def test_how_mail_ended_is_said_until_the_hub_confirms_it(
    reader: Reader,
) -> None:
    reader.inbox.desks["broadcast"].register(Listener())
    await reader.take(frame(1), frame(2))
    await until(lambda: reader.done == [1, 2])
    assert reader.inbox.notes == reader.said
    assert reader.said[0] == {"type": "done", "seq": 1, "confirm": True}

    reader.inbox.confirm(1)
    reader.inbox.confirm(1)

    assert [note["seq"] for note in reader.inbox.notes] == [2]


async def test_mail_is_handled_in_order(reader: Reader) -> None:
    listener = Listener()
    reader.inbox.desks["broadcast"].register(listener)
    await reader.take(*(frame(seq) for seq in range(1, 20)))
    await until(lambda: len(reader.done) == 19)

    assert listener.texts == texts(*range(1, 20))
    assert reader.done == list(range(1, 20))


async def test_mail_that_fails_is_dead_after_its_last_attempt(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(fails=[1])
    reader.inbox.desks["broadcast"].register(listener)
    await reader.take(frame(1), frame(2))
    await until(lambda: reader.done == [2])

    attempts = [(1, number) for number in range(1, ATTEMPTS + 1)]
    assert listener.heard == [*attempts, (2, 1)]
    assert reader.dead == [(1, "ValueError: no")]
    assert "the handler of broadcast r1 failed" in caplog.text


async def test_a_task_that_fails_is_told_and_not_tried_again(reader: Reader) -> None:
    listener = Listener(fails=[1])
    reader.inbox.desks["task"].register(listener)
    await reader.take(frame(1, "task"), frame(2, "task"))
    await until(lambda: (2, 1) in listener.heard)

    assert listener.heard == [(1, 1), (2, 1)]
    assert reader.failed == ["r1: no"]
    assert reader.said == []


def message(seq: int, **role: str) -> dict[str, Any]:
    """Return a message, or a call."""
    return {**frame(seq, "message"), "message": {"text": f"text {seq}", **role}}


async def test_messages_and_calls_do_not_wait_for_ever_for_a_handler(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    await reader.take(
        message(1), message(2, call="c2"), message(3), message(4, call="c4")
    )
    before = list(reader.done)

    reader.inbox.settle()
    await until(lambda: len(reader.done) == 4)

    assert before == []
    assert reader.calls.heard == [(2, 1), (4, 1)]
    named = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert sorted(named) == [
        "nobody handles call r2, and those that follow",
        "nobody handles message r1, and those that follow",
    ]


async def test_other_mail_waits_for_its_handler(reader: Reader) -> None:
    await reader.take(
        *(frame(n, kind) for n, kind in enumerate(("task", "broadcast"), 1))
    )
    reader.inbox.settle()
    await reader.take(message(9))
    await until(lambda: reader.done == [9])


async def test_a_handler_takes_the_place_of_its_stand_in(reader: Reader) -> None:
    listener = Listener()
    reader.inbox.settle()
    reader.inbox.desks["message"].register(listener)

    await reader.take(message(1))
    await until(lambda: bool(reader.done))

    assert listener.heard == [(1, 1)]


async def test_a_handler_that_is_there_is_left_in_place(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.0)
    reader, listener = make(), Listener()
    reader.inbox.desks["message"].register(listener)

    await reader.take(message(1), message(2, call="c"))
    await until(lambda: len(reader.done) == 2)

    assert (listener.heard, reader.calls.heard) == ([(1, 1)], [(2, 1)])


async def test_kinds_do_not_wait_for_each_other(reader: Reader) -> None:
    reader.inbox.desks["task"].register(Listener(hangs=[1]))
    reader.inbox.desks["answer"].register(Listener())
    await reader.take(frame(1, "task"), frame(2, "answer"))

    await until(lambda: reader.done == [2])


async def test_a_kind_of_a_newer_hub_is_left_alone(reader: Reader) -> None:
    await reader.take(frame(1, "telegram"))

    assert reader.acked == [1]


async def test_the_mailbox_of_a_new_hub_begins_anew(reader: Reader) -> None:
    listener = Listener()
    reader.inbox.desks["broadcast"].register(listener)
    await reader.take(frame(1), frame(2), frame(3))
    await until(lambda: reader.done == [1, 2, 3])
    reader.said.clear()

    await reader.take(frame(1, minute=5))
    await until(lambda: reader.done == [1])

    assert reader.inbox.got == 1
    assert listener.texts == texts(1, 2, 3, 1)
    assert [note["seq"] for note in reader.inbox.notes] == [1]


async def test_a_hub_whose_log_is_shorter_is_another(reader: Reader) -> None:
    reader.inbox.desks["broadcast"].register(Listener())
    await reader.take(frame(9))
    await until(lambda: reader.done == [9])

    reader.inbox.link(cursor=3)

    assert (reader.inbox.got, reader.inbox.notes) == (0, [])


async def test_a_hub_that_went_back_in_time_is_told_again(reader: Reader) -> None:
    reader.inbox.desks["broadcast"].register(Listener())
    await reader.take(frame(1), frame(9))
    await until(lambda: reader.done == [1, 9])
    reader.inbox.confirm(1)
    reader.inbox.confirm(9)
    reader.inbox.link(cursor=3)

    await reader.take(frame(1))

    assert reader.done == [1, 9, 1]
    assert [note["seq"] for note in reader.inbox.notes] == [1]


async def test_old_mail_is_forgotten(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    reader.inbox.desks["broadcast"].register(Listener())
    await reader.take(*(frame(seq) for seq in range(1, 6)))
    await until(lambda: reader.done == [1, 2, 3, 4, 5])
    for seq in range(1, 6):
        reader.inbox.confirm(seq)

    assert [seq for seq, _ in reader.inbox._entries] == [3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("task", "a title"),
        ("helper", "how?"),
        ("broadcast", "text 1"),
        ("answer", "text 1"),
    ],
)
async def test_mail_says_what_it_says(reader: Reader, kind: str, text: str) -> None:
    listener = Listener()
    reader.inbox.desks[kind].register(listener)
    await reader.take(frame(1, kind))
    await until(lambda: bool(listener.texts))

    assert listener.texts == [text]


# --- over a crash ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["file", "sealed"])
async def test_what_was_not_finished_is_handled_again_before_what_is_new(
    make: Make, where: str
) -> None:
    reader = make(where)
    reader.inbox.desks["broadcast"].register(Listener(hangs=[2]))
    await reader.take(frame(1), frame(2), frame(3))
    await until(lambda: reader.done == [1])
    await reader.crash()
    assert (reader.inbox.got, reader.acked) == (3, [1, 2, 3])

    listener = Listener()
    await reader.take(frame(4))
    reader.inbox.desks["broadcast"].register(listener)
    await until(lambda: reader.done == [1, 2, 3, 4])

    assert listener.heard == [(2, 2), (3, 1), (4, 1)]
    assert listener.texts == texts(2, 3, 4)


async def test_mail_that_kills_its_agent_ends_as_a_dead_letter(durable: Reader) -> None:
    await durable.take(frame(1), frame(2))
    for attempt in range(1, ATTEMPTS + 1):
        listener = Listener(hangs=[1])
        durable.inbox.desks["broadcast"].register(listener)
        await until(lambda heard=listener.heard: bool(heard))  # type: ignore[misc]
        assert listener.heard == [(1, attempt)]
        await durable.crash()

    durable.inbox.desks["broadcast"].register(Listener())
    await until(lambda: durable.done == [2])

    assert durable.dead == [(1, CRASHED)]


async def test_attempts_that_failed_before_a_crash_count(durable: Reader) -> None:
    await durable.take(frame(1))
    for _ in range(2):
        hanging = Listener(hangs=[1])
        durable.inbox.desks["broadcast"].register(hanging)
        await until(lambda heard=hanging.heard: bool(heard))  # type: ignore[misc]
        await durable.crash()

    listener = Listener(fails=[1])
    durable.inbox.desks["broadcast"].register(listener)
    await until(lambda: bool(durable.dead))

    assert [attempt for _, attempt in listener.heard] == list(range(3, ATTEMPTS + 1))
    assert durable.dead == [(1, "ValueError: no")]


async def test_what_the_hub_has_not_confirmed_is_said_after_a_crash(
    durable: Reader,
) -> None:
    durable.inbox.desks["broadcast"].register(Listener())
    await durable.take(frame(1), frame(2), frame(3))
    await until(lambda: durable.done == [1, 2, 3])
    durable.inbox.confirm(2)
    await durable.crash()

    assert [note["seq"] for note in durable.inbox.notes] == [1, 3]
    await durable.take(frame(2))
    assert [note["seq"] for note in durable.inbox.notes] == [1, 3, 2]


async def test_at_most_once_is_done_before_it_is_handled(make: Make) -> None:
    reader = make(guarantee="at-most-once")
    listener = Listener(hangs=[1])
    reader.inbox.desks["broadcast"].register(listener)
    await reader.take(frame(1), frame(2))
    await until(lambda: listener.heard == [(1, 1)])
    assert reader.done == [1]
    await reader.crash()

    again = Listener(fails=[2])
    reader.inbox.desks["broadcast"].register(again)
    await until(lambda: reader.done == [1, 2])
    await reader.crash()

    assert again.heard == [(2, 1)]
    assert reader.dead == []


async def test_what_is_left_of_another_hub_is_handled_and_not_told(
    durable: Reader,
) -> None:
    await durable.take(frame(1), frame(2))
    await durable.take(frame(1, minute=5))
    await durable.crash()
    listener = Listener()
    durable.inbox.desks["broadcast"].register(listener)
    await until(lambda: len(listener.heard) == 3 and bool(durable.done))

    assert listener.texts == texts(1, 2, 1)
    assert durable.done == [1]
    assert durable.inbox.got == 1


async def test_mail_after_one_that_could_not_be_stored_is_not_acknowledged(
    durable: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    await durable.take(frame(1))
    pages = "pragma max_page_count = {}"
    await durable.box.write(lambda db: db.execute(pages.format(1)).fetchall())
    huge = {**frame(2), "body": {"text": "x" * 100_000}}
    with pytest.raises(NotStored, match="database or disk is full"):
        await durable.take(huge)
    await durable.box.write(lambda db: db.execute(pages.format(9999)).fetchall())

    with pytest.raises(NotStored, match="delivery 3 came after one that could not be"):
        await durable.take(frame(3))
    assert durable.acked == [1]
    durable.inbox.link(cursor=9)
    await durable.take(huge, frame(3))

    assert durable.acked == [1, 2, 3]
    assert "cannot be written" in caplog.text


async def test_what_was_handled_leaves_no_text_behind(durable: Reader) -> None:
    durable.inbox.desks["broadcast"].register(Listener())
    await durable.take(frame(1))
    await until(lambda: durable.done == [1])

    rows = await durable.box.write(
        lambda db: db.execute("select state, body from mail").fetchall()
    )
    assert rows == [("done", "")]


async def test_a_handler_that_cancels_itself_holds_up_nothing(reader: Reader) -> None:
    heard: list[int] = []

    async def stumble(mail: Mail) -> None:
        heard.append(mail.seq)
        if mail.attempt == 1 and mail.seq == 1:
            raise asyncio.CancelledError

    reader.inbox.desks["broadcast"].register(stumble)

    await reader.take(frame(1), frame(2))
    await until(lambda: reader.done == [1, 2])

    assert heard == [1, 1, 2]


async def test_a_store_that_is_another_is_another_hub(reader: Reader) -> None:
    reader.inbox.link(cursor=9, store="one")
    reader.inbox.desks["broadcast"].register(Listener())
    await reader.take(frame(9))
    await until(lambda: reader.done == [9])
    reader.inbox.link(cursor=9, store="one")
    stayed = reader.inbox.got

    reader.inbox.link(cursor=900, store="two")

    assert stayed == 9
    assert (reader.inbox.got, reader.inbox.notes) == (0, [])


async def test_a_hub_that_does_not_say_which_store_it_has_is_believed(
    reader: Reader,
) -> None:
    reader.inbox.link(cursor=9)
    await reader.take(frame(9))
    reader.inbox.link(cursor=9, store="one")
    reader.inbox.link(cursor=9)

    assert (reader.inbox.got, reader.inbox.store) == (9, "one")


async def test_whose_mailbox_it_is_survives_a_crash(durable: Reader) -> None:
    durable.inbox.link(cursor=9, store="one")
    await durable.take(frame(9))

    await durable.crash()

    assert (durable.inbox.got, durable.inbox.store) == (9, "one")


async def test_a_mailbox_whose_beginning_was_not_stored_begins_with_the_next_link(
    durable: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    durable.inbox.link(cursor=9, store="one")
    await durable.take(frame(9))
    spoil = "before delete on hub begin select raise(abort, 'no'); end"
    await durable.box.write(lambda db: db.execute(f"create trigger spoil {spoil}"))
    durable.inbox.link(cursor=900, store="two")
    with pytest.raises(NotStored):
        await durable.take(frame(3, minute=5))
    await durable.box.write(lambda db: db.execute("drop trigger spoil"))

    durable.inbox.link(cursor=900, store="two")
    await durable.take(frame(3, minute=5), frame(4, minute=5))
    await durable.crash()

    assert durable.acked == [9, 3, 4]
    assert (durable.inbox.got, durable.inbox.store) == (4, "two")
    assert "cannot be written" in caplog.text
