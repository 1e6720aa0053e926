"""Mailboxes made of events."""

from datetime import timedelta
from typing import Any

from agentkit.changes import Heard
from agentkit.protocol import (
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Event,
    TaskAssigned,
    TaskDone,
)
from agentkit.rows import Delivery
from swarmtui.mailboxes import Mailboxes
from tests.unit.swarmtui.conftest import NOW

SENT = BroadcastSent(
    at=NOW, broadcast="b1", text="hi", where="", recipients=("a", "b"), by="you"
)
GIVEN = TaskAssigned(at=NOW, agent="a", task="T1", title="", body={}, by="you")
LATER = NOW + timedelta(seconds=5)


def rows(*events: Event) -> dict[tuple[str, int], Delivery]:
    return Mailboxes(
        Heard(number, event) for number, event in enumerate(events, 1)
    ).rows


def sent(*deliveries: Any) -> DeliverySent:
    return DeliverySent(at=LATER, deliveries=deliveries)


def test_a_broadcast_is_in_every_mailbox() -> None:
    found = rows(SENT)

    assert {key: row.state for key, row in found.items()} == {
        ("a", 1): "queued",
        ("b", 1): "queued",
    }


def test_a_delivery_goes_from_step_to_step() -> None:
    found = rows(
        SENT,
        sent(["a", 1], ["b", 1]),
        sent(["b", 1]),
        DeliveryAcked(at=LATER, agent="a", upto=1),
        DeliveryDone(at=LATER, agent="a", seq=1),
    )

    assert found["a", 1].state == "done"
    assert found["a", 1].acked == found["a", 1].done == LATER
    assert found["b", 1].state == "sent"
    assert found["b", 1].attempts == 2


def test_an_acknowledgement_is_for_all_up_to_it() -> None:
    found = rows(SENT, GIVEN, DeliveryAcked(at=LATER, agent="a", upto=2))

    assert [row.state for row in found.values()] == ["acked", "queued", "acked"]


def test_a_task_that_is_done_settles_what_carried_it() -> None:
    done = TaskDone(at=LATER, agent="a", task="T1", fence=0, result={}, cost=None)

    found = rows(SENT, GIVEN, done)

    assert found["a", 2].state == "done"
    assert found["a", 1].state == "queued"


def test_a_dead_delivery_that_is_retried_goes_on_as_a_new_one() -> None:
    found = rows(
        SENT,
        DeliveryDead(at=LATER, agent="a", seq=1, reason="KeyError"),
        DeliveryRetried(at=LATER, agent="a", seq=1, by="you"),
    )

    assert found["a", 1].state == "dead"
    assert found["a", 1].reason == "KeyError"
    assert found["a", 1].retried == 3
    assert found["a", 3].ref == "b1"
    assert found["a", 3].state == "queued"


def test_steps_of_what_is_not_known_change_nothing() -> None:
    found = rows(
        sent(["a", 7]),
        DeliveryDone(at=LATER, agent="a", seq=7),
        DeliveryRetried(at=LATER, agent="a", seq=7, by="you"),
    )

    assert found == {}
