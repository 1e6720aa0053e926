"""Slack, Discord and others as they are asked: over TLS, at their own hosts."""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.alerts.message import Message
from server.alerts.plain import plain
from server.alerts.targets import FAILED, Target, targets
from tests.integration.internet import Answer, Asked, Internet, internet
from tests.integration.receivers import mail_server

TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"
SLACK = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/#ops"
DISCORD_TOKEN = "S" * 68
DISCORD = f"discord://{'1' * 18}/{DISCORD_TOKEN}"
BOT = "123456789:abcdefg_hijklmnop"
TELEGRAM = f"tgram://{BOT}/12315544/"
SAID = plain("ask @everyone, <!channel> or [me](https://elsewhere.example)")
MESSAGE = Message("swarmtui: web-1 needs help", f"{SAID}\nblue or green?", "warning")
LONG = Message("many", "\n".join([f"07:00 {'x' * 480}"] * 11), "warning")


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """The internet, and this process with nothing else to go by."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with internet(tmp_path) as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


def target(url: str) -> Target:
    (found,) = targets([url])
    return found


def slack(asked: Asked) -> dict[str, Any]:
    (told,) = asked.body["attachments"]
    return dict(told)


# --- what arrives ---------------------------------------------------------------------


async def test_slack_is_told_in_its_channel(net: Internet) -> None:
    assert await target(SLACK).send(MESSAGE) == ""

    asked = net.next()
    assert asked.host == "hooks.slack.com"
    assert asked.path == f"/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"
    assert asked.body["channel"] == "#ops"
    assert slack(asked)["title"] == MESSAGE.title
    assert slack(asked)["text"] == MESSAGE.body


async def test_the_web_hook_of_slack_is_an_address_too(net: Internet) -> None:
    url = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"

    assert await target(url).send(MESSAGE) == ""
    assert f"https://{net.next().host}" in url


async def test_discord_is_told(net: Internet) -> None:
    net.usual = Answer(204, b"")

    assert await target(DISCORD).send(MESSAGE) == ""
    asked = net.next()
    assert asked.host == "discord.com"
    assert asked.path == f"/api/webhooks/{'1' * 18}/{DISCORD_TOKEN}"
    content = asked.body["content"]
    assert content.splitlines() == [MESSAGE.title, *MESSAGE.body.splitlines()]


async def test_telegram_is_told(net: Internet) -> None:
    net.usual = Answer(body=b'{"ok": true, "result": []}')

    assert await target(TELEGRAM).send(MESSAGE) == ""
    asked = net.next()
    assert (asked.host, asked.path) == ("api.telegram.org", f"/bot{BOT}/sendMessage")
    assert asked.body["chat_id"] == 12315544
    assert "blue or green?" in asked.body["text"]


async def test_teams_is_told_by_a_workflow(net: Internet) -> None:
    host = "prod.westeurope.logic.azure.com"

    assert await target(f"workflows://{host}:443/WORK/SIGN/").send(MESSAGE) == ""
    asked = net.next()
    assert (asked.host, "/WORK/" in asked.path) == (host, True)
    (card,) = asked.body["attachments"]
    assert "blue or green" in card["content"]["body"][-1]["text"]


SERVICES = {
    SLACK: (TOKEN, Answer()),
    DISCORD: (DISCORD_TOKEN, Answer(204, b"")),
    "ntfy://a-topic": ("no token", Answer()),
    "ntfys://tk_HUSH@ntfy.example.org/topic": ("tk_HUSH", Answer()),
    "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#ops": (
        "4ddbc191d40ee098cbaae6f3523ada2d",
        Answer(body=b'{"ok": true}'),
    ),
}


@pytest.mark.parametrize("url", SERVICES, ids=lambda url: url.partition("://")[0])
async def test_no_service_is_given_a_mention_a_token_or_a_picture_of_others(
    net: Internet, url: str
) -> None:
    token, net.usual = SERVICES[url]

    assert await target(url).send(MESSAGE) == ""
    said = str(net.next().body)
    assert "elsewhere.example" in said
    assert token not in said
    assert not any(sign in said for sign in ("@everyone", "<!", "](", "github.com"))


@pytest.mark.parametrize(
    ("url", "room"), [(DISCORD, 2000), (TELEGRAM, 4096)], ids=["discord", "telegram"]
)
async def test_what_is_too_long_for_a_service_is_cut(
    net: Internet, url: str, room: int
) -> None:
    net.usual = Answer(body=b'{"ok": true, "result": []}')

    assert await target(url).send(LONG) == ""
    body = net.next().body
    said = body.get("content") or body["text"]
    assert room - 200 < len(said) <= room
    assert net.asked.empty()


# --- what does not --------------------------------------------------------------------


@pytest.mark.parametrize("url", [SLACK, DISCORD], ids=["slack", "discord"])
@pytest.mark.parametrize("code", [400, 403, 404, 500, 503])
async def test_who_refuses_is_told_by_the_code_alone(
    net: Internet,
    url: str,
    code: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    net.answers = [Answer(code, b"no_service")]

    assert await target(url).send(MESSAGE) == f"it answered {code}"
    said = caplog.text + "".join(capfd.readouterr())
    assert not any(token in said for token in (TOKEN, DISCORD_TOKEN))


async def test_slack_that_has_enough_is_asked_again_later(net: Internet) -> None:
    net.answers = [Answer(429, b"", {"Retry-After": "30"})]
    found = target(SLACK)

    assert await found.send(MESSAGE) == "it answered 429"
    assert await found.send(MESSAGE) == ""


async def test_discord_that_has_enough_is_asked_again_once(net: Internet) -> None:
    enough = Answer(429, b"{}", {"Retry-After": "1", "X-RateLimit-Remaining": "0"})
    found = target(DISCORD)

    net.answers = [enough]
    assert await found.send(MESSAGE) == ""
    net.answers = [enough, enough]
    assert await found.send(MESSAGE) == "it answered 429"
    assert net.asked.qsize() == 4


@pytest.mark.parametrize("url", [SLACK, DISCORD], ids=["slack", "discord"])
async def test_who_hangs_is_waited_for_no_longer_than_asked(
    net: Internet, url: str
) -> None:
    net.hangs = True

    assert "did not answer within 0.5 s" in await target(f"{url}?rto=60").send(
        MESSAGE, 0.5
    )
    assert (await asyncio.to_thread(net.next)).host in (
        "hooks.slack.com",
        "discord.com",
    )


async def test_who_shows_a_certificate_that_nobody_signed_is_told_nothing(
    net: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")

    assert await target(SLACK).send(MESSAGE) == FAILED
    assert net.asked.empty()


async def test_a_mail_server_that_refuses_is_asked_again() -> None:
    with mail_server() as server:
        parts = "from=hub@swarm.example&to=ana@swarm.example&mode=insecure&format=text"
        found = target(f"mailto://{server.place}?{parts}")

        server.refuses = True
        assert await found.send(MESSAGE) == FAILED
        server.refuses = False
        assert await found.send(MESSAGE) == ""
        assert server.next()["Subject"] == MESSAGE.title
