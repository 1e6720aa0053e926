"""Rows by table: what a store loads at start, and what one turn changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from agentkit.protocol import Logged
from agentkit.rows import (
    Agent,
    Broadcast,
    Checkpoint,
    Delivery,
    HelpRequest,
    Item,
    Letter,
    Plan,
    Receipt,
    Result,
    Row,
    Run,
    Spool,
    Task,
    Token,
)


@dataclass(slots=True)
class Tables:
    """Rows by table and key: the id, or the pair that names the row."""

    agents: dict[str, Agent] = field(default_factory=dict)
    helps: dict[str, HelpRequest] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    broadcasts: dict[str, Broadcast] = field(default_factory=dict)
    deliveries: dict[tuple[str, int], Delivery] = field(default_factory=dict)
    spools: dict[tuple[str, str], Spool] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    items: dict[tuple[str, int, int], Item] = field(default_factory=dict)
    checkpoints: dict[tuple[str, int], Checkpoint] = field(default_factory=dict)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[str, dict[object, Row]]]:
        """Yield the name and the rows of each table."""
        for table in fields(self):
            yield table.name, getattr(self, table.name)

    def __bool__(self) -> bool:
        return any(rows for _, rows in self)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the pump decided: facts, and the rows they changed.

    A store writes both in one transaction; subscribers are pushed both after COMMIT.
    """

    events: tuple[Logged, ...]
    rows: Tables
