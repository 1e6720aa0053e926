"""Addresses of Apprise: how they are read, shown, refused, and used."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentkit.errors import Invalid
from server.alerts.message import Message
from server.alerts.plain import plain
from server.alerts.targets import (
    FAILED,
    HANGS,
    addresses,
    addresses_in,
    chosen,
    targets,
    try_out,
)
from tests.integration.receivers import Hooks, hooks, mail_server

MESSAGE = Message("title", "first\nsecond", "warning")
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"


@pytest.fixture
def receiver() -> Iterator[Hooks]:
    with hooks() as running:
        yield running


# --- read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("", ()),
        ("json://a", ("json://a",)),
        ("json://a,ntfy://b", ("json://a", "ntfy://b")),
        (" json://a , ntfy://b,", ("json://a", "ntfy://b")),
        ("mailto://h?to=a@x,b@y,json://c", ("mailto://h?to=a@x,b@y", "json://c")),
        (["json://a,b", " json://c "], ("json://a,b", "json://c")),
        ("no address", ("no address",)),
    ],
)
def test_addresses_stand_apart_where_the_next_scheme_begins(
    raw: object, read: tuple[str, ...]
) -> None:
    assert addresses(raw) == read


def test_what_is_no_list_of_addresses_is_refused() -> None:
    with pytest.raises(ValueError, match="not a list of addresses"):
        addresses(5)


def test_a_file_has_an_address_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts"
    path.write_text("# mine\n\n  json://a?to=b,c  \nntfy://d\n")
    path.chmod(0o600)

    assert addresses_in(path) == ("json://a?to=b,c", "ntfy://d")
    assert chosen(["ntfy://d", "json://e"], path) == (
        "ntfy://d",
        "json://e",
        "json://a?to=b,c",
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "alerts"
    path.write_text("json://HIDDEN")
    path.chmod(mode)

    with pytest.raises(Invalid, match=f"mode {mode:o}.: chmod 600 ") as refused:
        addresses_in(path)
    assert "HIDDEN" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="No such file or directory"):
        addresses_in(tmp_path / "none")

    (tmp_path / "noise").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Invalid, match="it is not text"):
        addresses_in(tmp_path / "noise")


# --- shown ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://127.0.0.1:99/hooks/SECRET?-k=SECRET", "json://127.0.0.1:99"),
        ("jsons://me:SECRET@hooks.example.org/SECRET", "jsons://hooks.example.org"),
        ("json://[::1]:99/SECRET", "json://[::1]:99"),
        ("json://localhost/SECRET", "json://localhost"),
        ("json://SECRET", "json://…"),
        (SLACK, "slack://…"),
        (f"https://hooks.slack.com/services/{SLACK[8:-5]}", "slack://…"),
        ("ntfy://SECRET", "ntfys://…"),
        ("ntfys://tk_SECRET@ntfy.example.org/SECRET", "ntfys://ntfy.example.org"),
        (f"discord://{'1' * 18}/{'SECRET' * 11}", "discord://…"),
        ("pbul://o.SECRETSECRETSECRETSECRETSECRETSECR", "pbul://…"),
        ("gotify://host.example.org/SECRET", "gotify://host.example.org"),
        (
            "mailtos://me:SECRET@mail.example.org?to=a@b.org",
            "mailtos://mail.example.org:587",
        ),
    ],
)
def test_a_target_is_shown_without_what_is_secret(url: str, shown: str) -> None:
    (target,) = targets([url])

    assert target.name == shown


def test_targets_that_look_alike_are_numbered() -> None:
    found = targets(["json://a.b/1", "ntfy://topic", "json://a.b/2"])

    assert [target.name for target in found] == [
        "json://a.b (1)",
        "ntfys://…",
        "json://a.b (3)",
    ]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("hooks.example.org/SECRET", "address 2 of the alerts has no scheme"),
        ("https://example.org/SECRET", "no service that Apprise knows: write jsons://"),
        ("http://example.org/SECRET", "no service that Apprise knows: write json://"),
        ("slak://SECRET/SECRET", "slak://…, is not as Apprise has it"),
        ("slack://SECRET", "slack://…, is not as Apprise has it"),
        ("\x1b[31mSECRET://x", "has no scheme"),
    ],
)
def test_what_apprise_does_not_understand_is_refused_without_its_secrets(
    url: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Invalid, match=why) as refused:
        targets(["json://fine", url])

    said = str(refused.value) + "".join(capfd.readouterr())
    assert "SECRET" not in said
    assert "\x1b" not in said


# --- used -----------------------------------------------------------------------------


async def test_a_message_arrives_as_it_is(receiver: Hooks) -> None:
    (target,) = targets([f"json://{receiver.place}/hook"])

    assert await target.send(MESSAGE) == ""
    path, body = receiver.next()
    assert path == "/hook"
    assert body == {
        "version": "1.0",
        "title": "title",
        "message": "first\nsecond",
        "attachments": [],
        "type": "warning",
    }


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("ntfy://{}/topic", "message"),
        ("gotify://{}/tokenAAAAAAAAAAA", "message"),
        ("mmost://{}/abcdefghijklmnopqrstuvwxyz", "text"),
        ("rocket://" + "a" * 32 + "/" + "b" * 32 + "@{}/%23ops", "text"),
    ],
)
async def test_no_service_makes_markup_of_what_agents_say(
    receiver: Hooks, url: str, field: str
) -> None:
    (target,) = targets([url.format(receiver.place)])
    said = plain("ask @all <!channel> or [me](https://elsewhere.example)")

    assert await target.send(Message("title", said, "warning")) == ""
    told = receiver.next().body[field]
    assert "elsewhere" in told
    assert not any(sign in told for sign in ("@all", "<!", "]("))


async def test_the_code_of_a_refusal_is_told_and_nothing_else(
    receiver: Hooks, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    (target,) = targets([f"json://{receiver.place}/SECRET?-key=SECRET"])
    receiver.answers = [401, 500]

    assert await target.send(MESSAGE) == "it answered 401"
    assert await target.send(MESSAGE) == "it answered 500"
    assert await target.send(MESSAGE) == ""
    assert "SECRET" not in caplog.text + "".join(capfd.readouterr())


async def test_a_redirection_is_not_followed(receiver: Hooks) -> None:
    (target,) = targets([f"json://{receiver.place}/hook"])
    receiver.answers = [302]

    assert await target.send(MESSAGE) == "it answered 302"
    assert receiver.posts.empty()


async def test_a_target_that_is_away_is_told() -> None:
    (target,) = targets(["json://127.0.0.1:1/x"])

    assert await target.send(MESSAGE) == FAILED


async def test_a_target_that_hangs_gets_no_second_thread(receiver: Hooks) -> None:
    (target,) = targets([f"json://{receiver.place}/x?rto=60"])
    receiver.hangs = True

    assert await target.send(MESSAGE, 0.2) == "it did not answer within 0.2 s"
    assert await target.send(MESSAGE, 0.2) == HANGS
    assert receiver.asked == 1

    receiver.hangs = False
    receiver.over.set()
    async with asyncio.timeout(20):
        while await target.send(MESSAGE):
            await asyncio.sleep(0.01)
    assert receiver.next().body["title"] == "title"


async def test_mail_arrives() -> None:
    with mail_server() as server:
        parts = "from=hub@swarm.example&to=ana@swarm.example&mode=insecure&format=text"
        (target,) = targets([f"mailto://{server.place}?{parts}"])

        assert await target.send(MESSAGE) == ""
        mail = server.next()

    assert mail["To"] == "ana@swarm.example"
    assert mail["Subject"] == "title"
    assert mail.get_content().splitlines() == ["first", "second"]


def test_all_targets_are_tried_out_at_once(receiver: Hooks) -> None:
    good, bad = f"json://{receiver.place}/x", "json://127.0.0.1:1/x"

    assert try_out(targets([good, bad, good])) == ["", FAILED, ""]
    assert receiver.next().body["title"] == "swarmtui: a test alert"
