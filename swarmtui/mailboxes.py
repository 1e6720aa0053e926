"""Mailboxes as events tell of them: what was put in, handed out, taken and handled.

The hub keeps these rows; who has only the events makes them anew. What was queued
before the first of the events is not known.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from agentkit.changes import Heard
from agentkit.protocol import (
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    Event,
    HelpAnswered,
    HelperAssigned,
    MessageSent,
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
)
from agentkit.rows import Delivery, DeliveryKind


class Mailboxes:
    """Every delivery that is known of, by agent and number."""

    def __init__(self, events: Iterable[Heard]) -> None:
        """Make them of events, the oldest first."""
        self.rows: dict[tuple[str, int], Delivery] = {}
        for heard in events:
            self._post(heard.cursor, heard.event)
            self._move(heard.event)

    def _post(self, cursor: int, event: Event) -> None:
        """Put into mailboxes what an event is the beginning of."""
        match event:
            case TaskAssigned():
                self._put(cursor, event.at, event.agent, "task", event.task)
            case HelpAnswered():
                self._put(cursor, event.at, event.agent, "answer", event.help)
            case HelperAssigned():
                self._put(cursor, event.at, event.helper, "helper", event.help)
            case BroadcastSent():
                for agent in event.recipients:
                    self._put(cursor, event.at, agent, "broadcast", event.broadcast)
            case MessageSent():
                for agent in event.recipients:
                    self._put(cursor, event.at, agent, "message", event.message)
            case DeliveryRetried():
                dead = self.rows.get((event.agent, event.seq))
                if dead is not None:
                    self.rows[dead.agent, dead.seq] = replace(dead, retried=cursor)
                    self._put(cursor, event.at, dead.agent, dead.kind, dead.ref)

    def _put(
        self, cursor: int, at: datetime, agent: str, kind: DeliveryKind, ref: str
    ) -> None:
        self.rows[agent, cursor] = Delivery(
            agent=agent, seq=cursor, kind=kind, ref=ref, state="queued", queued=at
        )

    def _move(self, event: Event) -> None:
        """Move on the deliveries that an event is about."""
        match event:
            case DeliverySent():
                for key in event.deliveries:
                    self._sent((key[0], key[1]), event.at)
            case DeliveryAcked():
                for row in self._open(event.agent):
                    if row.seq <= event.upto and not row.acked:
                        self._set(row, state="acked", acked=event.at)
            case DeliveryDone() | DeliveryDead():
                one = self.rows.get((event.agent, event.seq))
                self._end(event, [] if one is None else [one])
            case TaskDone() | TaskDead() | TaskCancelled():
                rows = self._open(event.agent)
                self._end(event, [row for row in rows if row.ref == event.task])

    def _sent(self, key: tuple[str, int], at: datetime) -> None:
        row = self.rows.get(key)
        if row is not None:
            state = "sent" if row.state == "queued" else row.state
            sent = row.sent or at
            self._set(row, state=state, sent=sent, attempts=row.attempts + 1)

    def _end(self, event: Event, rows: Iterable[Delivery]) -> None:
        dead = isinstance(event, DeliveryDead | TaskDead)
        reason = event.reason if isinstance(event, DeliveryDead | TaskDead) else ""
        for row in rows:
            acked = row.acked if dead else row.acked or event.at
            state = "dead" if dead else "done"
            self._set(row, state=state, acked=acked, done=event.at, reason=reason)

    def _open(self, agent: str) -> list[Delivery]:
        rows = self.rows.values()
        return [row for row in rows if row.agent == agent and not row.is_settled]

    def _set(self, row: Delivery, **fields: object) -> None:
        self.rows[row.agent, row.seq] = replace(row, **fields)  # type: ignore[arg-type]
