"""A renewed row is what `dataclasses.replace` would have made."""

import dataclasses
from datetime import UTC, datetime

import pytest

from agentkit.rows import Agent, Task
from server.core.renewal import replace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(id="T1", state="queued", created=NOW, body={"path": "a.mov"}, place=3)
AGENT = Agent(id="a1", status="idle", since=NOW, heard=NOW, joined=NOW, ticket=1)


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        (TASK, {}),
        (TASK, {"state": "leased", "agent": "a1", "fence": 7, "version": 7}),
        (AGENT, {"status": "busy", "ticket": 0}),
    ],
)
def test_it_is_what_the_library_would_have_made(
    row: Task | Agent, changes: dict[str, object]
) -> None:
    assert replace(row, **changes) == dataclasses.replace(row, **changes)  # type: ignore[arg-type]


def test_the_old_row_stays_as_it_was() -> None:
    before = dataclasses.asdict(TASK)

    replace(TASK, state="done", version=9)

    assert dataclasses.asdict(TASK) == before


def test_what_it_makes_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(TASK, state="done").state = "queued"  # type: ignore[misc]


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError):
        replace(TASK, colour="red")
