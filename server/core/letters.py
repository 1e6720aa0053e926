"""Letters: messages that a subscription gave up, kept until somebody looks at them."""

from dataclasses import replace
from datetime import datetime

from agentkit.codec import dumps
from agentkit.errors import Conflict, Invalid
from agentkit.protocol import (
    Bury,
    Discard,
    Event,
    LetterDead,
    LetterDiscarded,
    LetterRequeued,
    Unbury,
)
from agentkit.rows import Letter, LetterState
from agentkit.subjects import read_subject
from server.core.checks import check_id, check_text
from server.core.rules import Rules
from server.core.swarm import Swarm

NAME = 512
"""Characters in the name of a subscription or transport."""


def decide_bury(swarm: Swarm, wish: Bury, now: datetime) -> list[Event]:
    """Keep a letter; one that is known already is no other."""
    _check(swarm.rules, wish)
    if wish.id in swarm.letters:
        return []
    return [
        LetterDead(
            at=now,
            letter=wish.id,
            message=wish.message,
            subscription=wish.subscription,
            pattern=wish.pattern,
            transport=wish.transport,
            link=wish.link,
            reason=wish.reason,
            attempts=wish.attempts,
            by=wish.by,
        )
    ]


def decide_unbury(swarm: Swarm, wish: Unbury, now: datetime) -> list[Event]:
    """Give a letter to its subscription once more, whatever became of it."""
    letter = swarm.letter(wish.id)
    return [LetterRequeued(at=now, letter=letter.id, by=wish.by)]


def decide_discard(swarm: Swarm, wish: Discard, now: datetime) -> list[Event]:
    """Let a letter be."""
    letter = swarm.letter(wish.id)
    if letter.state == "discarded":
        raise Conflict(f"letter {letter.id!r} is discarded: there is nothing to do")
    return [LetterDiscarded(at=now, letter=letter.id, by=wish.by)]


def evolve_dead(swarm: Swarm, event: LetterDead) -> None:
    """Keep the letter."""
    swarm.put_letter(
        Letter(
            id=event.letter,
            state="dead",
            at=event.at,
            message=event.message,
            subscription=event.subscription,
            pattern=event.pattern,
            transport=event.transport,
            link=event.link,
            reason=event.reason,
            attempts=event.attempts,
            told=event.by,
            version=swarm.cursor,
        )
    )


def evolve_requeued(swarm: Swarm, event: LetterRequeued) -> None:
    """Note who gave it to its subscription once more."""
    _settle(swarm, event, "requeued")


def evolve_discarded(swarm: Swarm, event: LetterDiscarded) -> None:
    """Note who has looked at it."""
    _settle(swarm, event, "discarded")


def _settle(
    swarm: Swarm, event: LetterRequeued | LetterDiscarded, state: LetterState
) -> None:
    swarm.put_letter(
        replace(
            swarm.letters[event.letter],
            state=state,
            by=event.by,
            settled=event.at,
            version=swarm.cursor,
        )
    )


def _check(rules: Rules, wish: Bury) -> None:
    check_id(rules, "letter", wish.id)
    check_text(rules, "reason", wish.reason)
    read_subject(str(wish.message.get("name", "")))
    for what in ("subscription", "pattern", "transport"):
        text: str = getattr(wish, what)
        if len(text) > NAME:
            raise Invalid(
                f"the {what} has {len(text):,} characters, at most {NAME} are allowed: "
                "give it a shorter name"
            )
    size = len(dumps(wish.message).encode())
    if size > rules.letter_bytes:
        raise Invalid(
            f"the message has {size:,} bytes as JSON, and letters of at most "
            f"{rules.letter_bytes:,} are kept: the transport has it still"
        )
