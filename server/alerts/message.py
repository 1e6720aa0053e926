"""Alerts as a message: one as itself, several as a summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Literal, TypeAlias

from server.alerts.facts import Alert

Weight: TypeAlias = Literal["info", "warning", "failure"]
"""How a message is marked where it arrives."""

LISTED: Final = 10
"""Alerts that a summary lists at most; the rest it counts."""

ROOM: Final = 3500
"""Bytes that they take up together: of more than 4096 ntfy makes a file, or nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a target is sent."""

    title: str
    body: str
    weight: Weight


TRIAL: Final = Message(
    "swarmtui: a test alert", "Alerts of this hub arrive here.", "info"
)
"""What shows that a target works."""


def compose(alerts: Sequence[Alert], zone: tzinfo | None = None) -> Message:
    """Return the message that tells of alerts.

    Args:
        alerts: at least one, in order; the urgent come first.
        zone: whose time of day is told; None is this machine's.
    """
    first, *rest = ordered = sorted(alerts, key=lambda alert: not alert.urgent)
    more = f", and {len(rest)} more" if rest else ""
    body = _summary(ordered, zone) if rest else first.text
    return Message(
        title=f"swarmtui: {first.title}{more}",
        body=body or first.title,
        weight="failure" if first.urgent else "warning",
    )


def _summary(alerts: Sequence[Alert], zone: tzinfo | None) -> str:
    lines: list[str] = []
    room = ROOM
    for line in (_line(alert, zone) for alert in alerts[:LISTED]):
        room -= len(line.encode())
        if room < 0 and lines:
            break
        lines.append(line)
    if more := len(alerts) - len(lines):
        lines.append(f"and {more} more")
    return "\n".join(lines)


def _line(alert: Alert, zone: tzinfo | None) -> str:
    said = " · ".join(alert.text.splitlines())
    at = f"{alert.at.astimezone(zone):%H:%M}"
    return f"{at} {alert.title}{': ' if said else ''}{said}"
