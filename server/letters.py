"""A delivery as a frame: what it carries, written once for all who receive it."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from agentkit.rows import Broadcast, Delivery, HelpRequest, Task
from server.asgi import dumps
from server.core import Swarm
from server.core.tables import Tables

Matter: TypeAlias = Task | Broadcast | HelpRequest
"""What a delivery carries."""

MESSAGE: Final = (
    *("id", "sender", "to", "text", "body"),
    *("call", "answers", "expires", "about", "at"),
)
"""What an agent is told of a message."""


class Letter(NamedTuple):
    """A delivery, and the part of its frame that all recipients share."""

    delivery: Delivery
    rest: bytes

    @property
    def text(self) -> bytes:
        """The `mail` frame; handing it out makes it one attempt more."""
        return b'{"type":"mail","seq":%d,"attempt":%d,%b' % (
            self.delivery.seq,
            self.delivery.attempts + 1,
            self.rest,
        )


def in_mailbox(
    swarm: Swarm, agent: str, after: int, limit: int
) -> list[tuple[Delivery, Matter | None]]:
    """Return what waits in a mailbox, in order, above `after`.

    A number that this hub has not reached is of another hub, and counts as none.
    """
    after = after if after <= swarm.cursor else 0
    box = swarm.mail.get(agent, {})
    waiting = (seq for seq in sorted(box) if not box[seq].is_settled)
    chosen = list(islice((seq for seq in waiting if seq > after), limit))
    return [(box[seq], matter_of(swarm, box[seq])) for seq in chosen]


def matter_of(rows: Swarm | Tables, row: Delivery) -> Matter | None:
    """Return what a delivery carries; None when it was settled long ago."""
    match row.kind:
        case "task":
            return rows.tasks.get(row.ref)
        case "broadcast" | "message":
            return rows.broadcasts.get(row.ref)
        case "answer" | "helper":
            return rows.helps.get(row.ref)


def rest_of(row: Delivery, matter: Matter | None) -> bytes:
    """Return what follows the number and the attempt in a `mail` frame."""
    rest = {
        "kind": row.kind,
        "ref": row.ref,
        "at": row.queued,
        "by": matter.by if matter else "",
    }
    if row.kind == "message" and isinstance(matter, Broadcast):
        rest["message"] = {name: getattr(matter, name) for name in MESSAGE}
    else:
        rest["body"] = _body(row, matter)
    return dumps(rest)[1:]


def _body(row: Delivery, matter: Matter | None) -> Mapping[str, Any]:
    match matter:
        case Task():
            return (
                {**matter.body, "title": matter.title} if matter.title else matter.body
            )
        case Broadcast():
            return {"text": matter.text}
        case HelpRequest() if row.kind == "answer":
            return {"text": matter.answer, "question": matter.question}
        case HelpRequest():
            return {
                "agent": matter.agent,
                "question": matter.question,
                "task": matter.task,
                "note": matter.note,
            }
        case None:
            return {}
