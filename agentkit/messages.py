"""Messages between agents: what they are, and how they are said.

    await agent.send("web-2@swarm", "the build is green", body={"commit": "1f3a"})

    @agent.on_message
    async def hear(message: Message) -> None: ...

A message goes through the outbox: in order with everything else that its agent says,
with effect once, also after an outage of the hub and, from a durable agent, a crash.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias

from agentkit.bodies import check
from agentkit.codec import decode, dumps
from agentkit.errors import Invalid
from agentkit.shelf import Frame, Mail

LARGEST_BODY: Final = 262_144
"""Bytes of JSON that a message carries: four of them fit into a frame."""

LONGEST_TEXT: Final = 16_384
"""Characters that the hub takes."""

Say: TypeAlias = Callable[[Frame], Awaitable[None]]
"""Puts a frame into the outbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What another agent, a person or the hub has to say to this agent."""

    id: str
    at: datetime
    """When the hub took it, in UTC."""
    sender: str = ""
    """The agent that sent it; empty when a person did, or the hub."""
    by: str = ""
    """The person that sent it."""
    to: str = ""
    """The address that it was sent to."""
    text: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    call: str = ""
    """The correlation id of its answer, if it is a call."""
    answers: str = ""
    """The correlation id of the call that it answers."""
    expires: datetime | None = None
    """When nobody waits for the answer any more, by the hub's clock."""
    about: str = ""
    """The task that it tells of."""
    seq: int = 0
    """Its number in the mailbox."""
    attempt: int = 0
    """Which attempt at handling it this is, from 1."""

    @classmethod
    def of(cls, mail: Mail) -> "Message":
        """Return the message that mail carries."""
        said = {"id": mail.ref, "at": mail.at.isoformat(), **mail.message}
        told = {"by": mail.by, "seq": mail.seq, "attempt": mail.attempt}
        return decode(cls, {**said, **told})


MessageHandler: TypeAlias = Callable[[Message], Awaitable[None]]


def message_frame(
    to: str,
    text: str = "",
    body: Mapping[str, Any] | None = None,
    *,
    key: str = "",
    **role: Any,
) -> Frame:
    """Return a message as the outbox takes it: nothing that the hub cannot read.

    Args:
        to: an address.
        text: what it says to people.
        body: what it says to programs.
        key: its id; one is made when there is none.
        role: ``call`` and ``expires`` (by our clock), or ``answers``.

    Raises:
        Invalid: no address is given, or nothing is said, or too much.
        TypeError, ValueError: the body has no form in JSON that the hub takes.
    """
    if not to:
        raise Invalid(f"a message is sent to {to!r}: name an agent, or cap:CAPABILITY")
    if not text.strip() and not body:
        raise Invalid(f"an empty message is sent to {to!r}: give it a text or a body")
    if len(text) > LONGEST_TEXT:
        raise Invalid(
            f"a message of {len(text):,} characters is sent to {to!r}, at most "
            f"{LONGEST_TEXT:,} are allowed: send a shorter one, or a link"
        )
    check("the body of a message", body or {}, LARGEST_BODY)
    said = {"text": text, "body": body, **role}
    return {
        "type": "send",
        "to": to,
        "id": key or new_id(),
        **{name: value for name, value in said.items() if value},
    }


def on_the_wire(frame: Frame, now: datetime) -> Frame:
    """Return a frame as it goes to the hub, whose clock need not be ours.

    Args:
        frame: as the outbox has it.
        now: by our clock.
    """
    if "expires" not in frame:
        return frame
    said = dict(frame)
    left = datetime.fromisoformat(said.pop("expires")) - now
    return {**said, "within": max(left.total_seconds(), 0.0)}


def key_of(*parts: str) -> str:
    """Return an id that the same parts give again, however long they are."""
    return f"k{sha256(dumps(parts).encode()).hexdigest()[:32]}"


def new_id() -> str:
    """Return an id that no other message has."""
    return f"x{os.urandom(12).hex()}"
