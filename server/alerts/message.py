"""Alerts as a message: one as itself, several as a summary."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal, TypeAlias

from server.alerts.facts import Alert

Weight: TypeAlias = Literal["info", "warning", "failure"]
"""How a message is marked where it arrives."""

LISTED: Final = 10
"""Alerts that a summary lists; the rest it counts."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a target is sent."""

    title: str
    body: str
    weight: Weight
    at: datetime
    """When the newest of what it tells came up."""


def trial(now: datetime) -> Message:
    """Return what shows that a target works."""
    title = "swarmtui: a test alert"
    return Message(title, "Alerts of this hub arrive here.", "info", now)


def compose(alerts: Sequence[Alert], zone: tzinfo | None = None) -> Message:
    """Return the message that tells of alerts.

    Args:
        alerts: at least one, in order.
        zone: whose time of day is told; None is this machine's.
    """
    first, *rest = alerts
    more = f", and {len(rest)} more" if rest else ""
    body = _summary(alerts, zone) if rest else first.text
    urgent = any(alert.urgent for alert in alerts)
    return Message(
        title=f"swarmtui: {first.title}{more}",
        body=body or first.title,
        weight="failure" if urgent else "warning",
        at=max(alert.at for alert in alerts),
    )


def _summary(alerts: Sequence[Alert], zone: tzinfo | None) -> str:
    lines = [_line(alert, zone) for alert in alerts[:LISTED]]
    if len(alerts) > LISTED:
        lines.append(f"and {len(alerts) - LISTED} more")
    return "\n".join(lines)


def _line(alert: Alert, zone: tzinfo | None) -> str:
    said = " · ".join(alert.text.splitlines())
    at = f"{alert.at.astimezone(zone):%H:%M}"
    return f"{at} {alert.title}{': ' if said else ''}{said}"
