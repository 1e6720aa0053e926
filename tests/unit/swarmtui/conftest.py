"""Rows for the tests of the dashboard: valid, and otherwise plain."""

from datetime import UTC, datetime
from typing import Any

from agentkit.rows import Agent, HelpRequest, Task

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def agent(key: str, **fields: Any) -> Agent:
    """Return an idle agent that has just reported."""
    given = {"status": "idle", "since": NOW, "heard": NOW, "joined": NOW} | fields
    return Agent(id=key, **given)


def request(key: str, asker: str = "a", **fields: Any) -> HelpRequest:
    """Return an open question."""
    given = {"kind": "help", "state": "open", "question": "why?", "opened": NOW}
    return HelpRequest(id=key, agent=asker, **(given | fields))


def task(key: str, holder: str, **fields: Any) -> Task:
    """Return a task that has not been sent yet."""
    given = {"state": "queued", "created": NOW} | fields
    return Task(id=key, agent=holder, **given)
