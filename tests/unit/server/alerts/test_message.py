"""One alert is told as itself, several as a summary."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.facts import Alert
from server.alerts.message import LISTED, ROOM, compose

AT = datetime(2026, 3, 10, 2, 5, tzinfo=UTC)


def alert(who: str, *, text: str = "", urgent: bool = False, minutes: int = 0) -> Alert:
    at = AT + timedelta(minutes=minutes)
    return Alert((who,), 1, "help", at, f"{who} needs help", text, urgent)


def test_one_alert_is_its_title_and_its_text() -> None:
    message = compose([alert("web-1", text="blue or green?\ntask T1")])

    assert message.title == "swarmtui: web-1 needs help"
    assert message.body == "blue or green?\ntask T1"
    assert message.weight == "warning"


def test_a_message_is_never_empty() -> None:
    assert compose([alert("web-1")]).body == "web-1 needs help"


def test_several_are_a_summary_with_times_the_urgent_first() -> None:
    several = [
        alert("web-2"),
        alert("web-1", text="blue?\ntask T1", urgent=True, minutes=10),
    ]

    message = compose(several, UTC)

    assert message.title == "swarmtui: web-1 needs help, and 1 more"
    assert message.body == (
        "02:15 web-1 needs help: blue? · task T1\n02:05 web-2 needs help"
    )
    assert message.weight == "failure"


def test_a_flood_is_counted() -> None:
    message = compose([alert(f"w{number}") for number in range(15)], UTC)

    assert message.title == "swarmtui: w0 needs help, and 14 more"
    assert len(message.body.splitlines()) == LISTED + 1
    assert message.body.endswith("\nand 5 more")


@pytest.mark.parametrize(
    "sign", ["x", "\N{CYRILLIC SMALL LETTER ZHE}", "\N{LION FACE}"]
)
def test_what_is_long_is_listed_as_far_as_there_is_room(sign: str) -> None:
    said = [alert(f"w{number}", text=sign * 400) for number in range(15)]

    *listed, rest = compose(said, UTC).body.splitlines()

    assert rest == f"and {15 - len(listed)} more"
    assert 1 <= len(listed) < LISTED
    assert len("".join(listed).encode()) <= ROOM
