"""What an agent posts to the webhook endpoints, with the names of IF.notify."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field, TypeAdapter

from agentkit.protocol import Notify
from agentkit.rows import Report
from server.wire.values import COSTLIEST, LARGEST, PlainId


class AgentNotification(BaseModel):
    """What an agent posts, as IF.notify has it."""

    session_id: PlainId
    status: str
    timestamp: datetime
    last_task: str | None = None
    capabilities: list[str] = []
    cost_spent: float = Field(0.0, ge=0, le=COSTLIEST, allow_inf_nan=False)
    tasks_completed: int = Field(0, ge=0, le=LARGEST)
    waiting_since: datetime | None = None
    message: str | None = None


def notify_of(report: Report, said: AgentNotification) -> Notify:
    """Return the command: what was left out, or is null, keeps its known value."""
    given = said.model_fields_set
    return Notify(
        agent=said.session_id,
        report=report,
        task=said.last_task,
        message=said.message,
        capabilities=tuple(said.capabilities) if "capabilities" in given else None,
        cost=said.cost_spent if "cost_spent" in given else None,
        completed=said.tasks_completed if "tasks_completed" in given else None,
        reported_at=echo(said.timestamp),
        waiting_since=echo(said.waiting_since) if said.waiting_since else None,
    )


def echo(time: datetime) -> str:
    """Return a time as pydantic writes it: UTC is ``Z``, a naive one stays naive."""
    text = time.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


NOTIFICATION: Final = TypeAdapter(AgentNotification)
