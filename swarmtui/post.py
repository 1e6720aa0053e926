"""Letters as events tell of them: what subscriptions gave up, and who settled it.

The hub keeps these rows; who has only the events makes them anew. What was given up
before the first of the events is not known.
"""

from collections.abc import Iterable
from dataclasses import replace

from agentkit.changes import Heard
from agentkit.protocol import LetterDead, LetterDiscarded, LetterRequeued
from agentkit.rows import Letter


def letters_of(events: Iterable[Heard]) -> list[Letter]:
    """Return the letters that events tell of, those that changed last first.

    Args:
        events: the oldest first; those about something else are passed over.
    """
    rows: dict[str, Letter] = {}
    for heard in events:
        row = _after(rows, heard)
        if row is not None:
            rows[row.id] = row
    return sorted(rows.values(), key=lambda row: -row.version)


def _after(rows: dict[str, Letter], heard: Heard) -> Letter | None:
    """Return the letter that an event is about as it is then, if it is known."""
    match heard.event:
        case LetterDead() as event:
            return _given_up(event, heard.cursor)
        case LetterRequeued() | LetterDiscarded() as event if event.letter in rows:
            return replace(
                rows[event.letter],
                state="requeued" if isinstance(event, LetterRequeued) else "discarded",
                by=event.by,
                settled=event.at,
                version=heard.cursor,
            )
    return None


def _given_up(event: LetterDead, version: int) -> Letter:
    return Letter(
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
        version=version,
    )
