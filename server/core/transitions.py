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
    ("queued", "dead"): "dead",
    ("sent", "sent"): "sent",
    ("sent", "acked"): "acked",
    ("sent", "done"): "done",
    ("sent", "dead"): "dead",
    # Sent again after a reconnect: that the agent once had it stays true.
    ("acked", "sent"): "acked",
    ("acked", "done"): "done",
    ("acked", "dead"): "dead",
}

TASK: Final[frozenset[tuple[TaskState, TaskState]]] = frozenset(
    {
        # It becomes ready, and goes down to its agent.
        ("scheduled", "queued"),
        ("queued", "sent"),
        ("queued", "acked"),
        ("sent", "acked"),
        # It is claimed: by whoever may, or again by whoever has it.
        ("queued", "leased"),
        ("sent", "leased"),
        ("acked", "leased"),
        ("working", "leased"),
        ("leased", "leased"),
        # Its agent reports busy with it.
        ("queued", "working"),
        ("sent", "working"),
        ("acked", "working"),
        # Its agent completes it, whether or not it said that it had begun.
        ("queued", "done"),
        ("sent", "done"),
        ("acked", "done"),
        ("working", "done"),
        ("leased", "done"),
        # An attempt ends without success.
        ("leased", "queued"),
        ("leased", "scheduled"),
        ("leased", "dead"),
        # Its agent gives up on the delivery that carries it.
        ("queued", "dead"),
        ("sent", "dead"),
        ("acked", "dead"),
        ("working", "dead"),
        # It is called off.
        ("scheduled", "cancelled"),
        ("queued", "cancelled"),
        ("sent", "cancelled"),
        ("acked", "cancelled"),
        ("leased", "cancelled"),
        ("working", "cancelled"),
        ("dead", "cancelled"),
    }
)
"""How a task moves on. To begin anew (to be assigned or requeued) is always allowed."""

STEPS: Final[tuple[DeliveryState, ...]] = ("sent", "acked", "done")
"""How a delivery moves on; a ledger counts everything that came at least so far."""
