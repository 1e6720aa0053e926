"""What the hub knows, as rows: the same frozen records from the core to the screen.

A row is replaced, never changed, so that it may be handed to another thread, encoded
later or compared with an older one without copying. Times are aware datetimes in UTC,
by the hub's clock; costs are US dollars. `version` is the cursor of the last event that
touched the row: two rows with the same key and version are equal.
"""

from typing import Final, TypeAlias

from agentkit.rows.agents import (
    LATE_AFTER,
    SILENT_AFTER,
    Agent,
    Guarantee,
    HelpKind,
    HelpRequest,
    HelpState,
    Presence,
    Report,
    Role,
    Severity,
    Status,
    Token,
    day_of,
    presence,
    spent_today,
)
from agentkit.rows.mail import (
    Broadcast,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Letter,
    LetterState,
    Receipt,
    Spool,
)
from agentkit.rows.runs import (
    Checkpoint,
    Item,
    ItemKind,
    ItemState,
    Plan,
    Result,
    Run,
    RunState,
)
from agentkit.rows.work import (
    Task,
    TaskState,
)

__all__ = [
    "LATE_AFTER",
    "SILENT_AFTER",
    "Agent",
    "Broadcast",
    "Checkpoint",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "Guarantee",
    "HelpKind",
    "HelpRequest",
    "HelpState",
    "Item",
    "ItemKind",
    "ItemState",
    "Letter",
    "LetterState",
    "Plan",
    "Presence",
    "Receipt",
    "Report",
    "Result",
    "Role",
    "Row",
    "Run",
    "RunState",
    "Severity",
    "Spool",
    "Status",
    "Task",
    "TaskState",
    "Token",
    "day_of",
    "key_of",
    "presence",
    "spent_today",
]

Row: TypeAlias = (
    Agent
    | HelpRequest
    | Task
    | Broadcast
    | Delivery
    | Spool
    | Receipt
    | Token
    | Letter
    | Plan
    | Run
    | Item
    | Checkpoint
    | Result
)

_KEYS: Final[dict[type[Row], tuple[str, ...]]] = {
    Delivery: ("agent", "seq"),
    Spool: ("agent", "spool"),
    Receipt: ("key",),
    Item: ("run", "visit", "index"),
    Checkpoint: ("run", "number"),
    Result: ("run", "name"),
}


def key_of(row: Row) -> tuple[str | int, ...]:
    """Return the row's key within its table."""
    return tuple(getattr(row, name) for name in _KEYS.get(type(row), ("id",)))
