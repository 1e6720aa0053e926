"""Every change of state that is allowed, as data.

Two rules read these tables. What an agent *reports* is always accepted, because reports
come in any order and from unreliable agents: `STATUS_AFTER` says where each leads. What
a person or the hub *wishes* is accepted when the pair of state and wish is in a table;
what is not there is refused (`helpdesk`) or changes nothing (`mailbox`, `work`).
"""

from typing import Final, Literal, TypeAlias

from agentkit.rows import DeliveryState, HelpState, Report, Status, TaskState

STATUS_AFTER: Final[dict[Report, Status]] = {
    "idle": "idle",
    "busy": "busy",
    "blocked": "blocked",
    "completed": "idle",
    "help": "help",
}

HelpWish: TypeAlias = Literal[
    "answer", "take", "assign", "snooze", "wake", "escalate", "resolve"
]

HELP: Final[dict[tuple[HelpState, HelpWish], HelpState]] = {
    ("open", "answer"): "answered",
    ("open", "take"): "taken",
    ("open", "assign"): "taken",
    ("open", "snooze"): "snoozed",
    ("open", "escalate"): "open",
    ("open", "resolve"): "resolved",
    ("taken", "answer"): "answered",
    ("taken", "take"): "taken",
    ("taken", "assign"): "taken",
    ("taken", "snooze"): "snoozed",
    ("taken", "escalate"): "taken",
    ("taken", "resolve"): "resolved",
    ("snoozed", "answer"): "answered",
    ("snoozed", "take"): "taken",
    ("snoozed", "assign"): "taken",
    ("snoozed", "snooze"): "snoozed",
    ("snoozed", "wake"): "open",
    ("snoozed", "escalate"): "open",
    ("snoozed", "resolve"): "resolved",
    # Answered or closed, and yet the agent is still blocked when its time is up.
    ("answered", "escalate"): "open",
    ("resolved", "escalate"): "open",
}

DELIVERY: Final[dict[tuple[DeliveryState, DeliveryState], DeliveryState]] = {
    ("queued", "sent"): "sent",
    ("queued", "acked"): "acked",
    ("queued", "done"): "done",
    ("sent", "sent"): "sent",
    ("sent", "acked"): "acked",
    ("sent", "done"): "done",
    # Sent again after a reconnect: that the agent once had it stays true.
    ("acked", "sent"): "acked",
    ("acked", "done"): "done",
}

TASK: Final[dict[tuple[TaskState, TaskState], TaskState]] = {
    ("queued", "sent"): "sent",
    ("queued", "acked"): "acked",
    ("queued", "working"): "working",
    ("queued", "done"): "done",
    ("sent", "acked"): "acked",
    ("sent", "working"): "working",
    ("sent", "done"): "done",
    ("acked", "working"): "working",
    ("acked", "done"): "done",
    ("working", "done"): "done",
}

RANK: Final[dict[DeliveryState, int]] = {"queued": 0, "sent": 1, "acked": 2, "done": 3}
"""How far a delivery has come; a ledger counts everything that came at least so far."""
