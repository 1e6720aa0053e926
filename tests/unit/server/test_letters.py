"""A delivery as a frame."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from agentkit.rows import Broadcast, Delivery, DeliveryKind, HelpRequest, Task
from server.letters import Letter, Matter, rest_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

ASKED = HelpRequest(
    id="h1",
    agent="asker",
    kind="help",
    state="answered",
    question="which?",
    opened=NOON,
    task="T7",
    by="operator",
    answer="the left one",
    note="be quick",
)


def row(kind: DeliveryKind, **fields: Any) -> Delivery:
    return Delivery(
        agent="a1", seq=5, kind=kind, ref="r1", state="queued", queued=NOON, **fields
    )


def frame(delivery: Delivery, matter: Matter | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Letter(delivery, rest_of(delivery, matter)).text)
    return found


@pytest.mark.parametrize(
    ("kind", "matter", "body"),
    [
        (
            "task",
            Task(id="r1", agent="a1", state="queued", created=NOON, body={"id": "r1"}),
            {"id": "r1"},
        ),
        (
            "task",
            Task(
                id="r1",
                agent="a1",
                state="queued",
                created=NOON,
                title="look",
                body={"id": "r1", "x": [1, None]},
            ),
            {"id": "r1", "x": [1, None], "title": "look"},
        ),
        ("broadcast", Broadcast(id="r1", text="hi", where="", at=NOON), {"text": "hi"}),
        ("answer", ASKED, {"text": "the left one", "question": "which?"}),
        (
            "helper",
            ASKED,
            {"agent": "asker", "question": "which?", "task": "T7", "note": "be quick"},
        ),
        ("answer", None, {}),
    ],
)
def test_each_kind_carries_its_matter(
    kind: DeliveryKind, matter: Matter | None, body: dict[str, Any]
) -> None:
    assert frame(row(kind), matter)["body"] == body


def test_a_frame_tells_the_number_the_attempt_and_the_time() -> None:
    found = frame(row("answer", attempts=2), ASKED)

    assert (found["type"], found["seq"], found["attempt"]) == ("mail", 5, 3)
    assert (found["kind"], found["ref"], found["by"]) == ("answer", "r1", "operator")
    assert datetime.fromisoformat(found["at"]) == NOON
