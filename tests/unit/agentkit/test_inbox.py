"""Mail is recognised, sorted by kind, and settled as its handler ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentkit.inbox import REMEMBERED, Inbox, Mail

Settled = list[tuple[str, Exception | None]]


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


@pytest.fixture
def settled() -> Settled:
    return []


@pytest.fixture
async def inbox(settled: Settled) -> AsyncIterator[Inbox]:
    async def settle(mail: Mail, error: Exception | None) -> None:
        settled.append((mail.ref, error))

    box = Inbox(settle)
    for desk in box.desks.values():
        desk.open()
    yield box
    for desk in box.desks.values():
        desk.close()


def take(box: Inbox, said: dict[str, Any]) -> Mail:
    mail = box.take(said)
    assert mail is not None
    box.deliver(mail)
    return mail


async def settle_down() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_mail_that_comes_again_is_taken_once(inbox: Inbox) -> None:
    assert inbox.take(frame(1)) is not None
    assert inbox.take(frame(2)) is not None

    assert inbox.take({**frame(1), "attempt": 2}) is None
    assert inbox.got == 2


async def test_the_mailbox_of_a_new_hub_begins_anew(inbox: Inbox) -> None:
    for seq in (1, 2, 3):
        take(inbox, frame(seq))
    inbox.note_done(take(inbox, frame(4)))

    assert inbox.take(frame(1, minute=5)) is not None
    assert inbox.got == 1
    assert list(inbox.done) == []


async def test_a_handler_works_through_its_mail_in_order(
    inbox: Inbox, settled: Settled
) -> None:
    seen: list[int] = []

    async def handler(mail: Mail) -> None:
        await asyncio.sleep(0)
        seen.append(mail.seq)

    inbox.desks["broadcast"].register(handler)
    for seq in (1, 2, 3):
        take(inbox, frame(seq))
    await settle_down()

    assert seen == [1, 2, 3]
    assert settled == [("r1", None), ("r2", None), ("r3", None)]


async def test_a_handler_that_fails_stops_nobody(
    inbox: Inbox, settled: Settled, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(mail: Mail) -> None:
        if mail.seq == 1:
            raise ValueError("no")

    inbox.desks["broadcast"].register(handler)
    take(inbox, frame(1))
    take(inbox, frame(2))
    await settle_down()

    assert [ref for ref, _ in settled] == ["r1", "r2"]
    assert isinstance(settled[0][1], ValueError)
    assert "the handler of broadcast r1 failed" in caplog.text


async def test_kinds_do_not_wait_for_each_other(inbox: Inbox, settled: Settled) -> None:
    async def never(_: Mail) -> None:
        await asyncio.Event().wait()

    async def at_once(_: Mail) -> None:
        pass

    inbox.desks["task"].register(never)
    inbox.desks["answer"].register(at_once)
    take(inbox, frame(1, "task"))
    take(inbox, frame(2, "answer"))
    await settle_down()

    assert settled == [("r2", None)]


async def test_a_kind_of_a_newer_hub_is_left_alone(inbox: Inbox) -> None:
    assert take(inbox, frame(1, "telegram")).ref == "r1"


async def test_old_mail_is_forgotten(inbox: Inbox) -> None:
    for seq in range(1, REMEMBERED + 2):
        inbox.take(frame(seq))

    assert inbox.take(frame(2)) is None
    assert inbox.take(frame(1)) is not None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("task", "a title"),
        ("helper", "how?"),
        ("broadcast", "text 1"),
        ("answer", "text 1"),
    ],
)
async def test_mail_says_what_it_says(inbox: Inbox, kind: str, text: str) -> None:
    assert take(inbox, frame(1, kind)).text == text
