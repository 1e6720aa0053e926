"""Which agent a session is."""

from datetime import UTC, datetime, timedelta

import pytest

from agentkit.integrations.events import PRODUCTS, Event
from agentkit.integrations.happening import Happening
from agentkit.integrations.hook import _name
from agentkit.rows import Agent
from server.otlp.sessions import agent_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def agent(key: str, minutes: int = 0) -> Agent:
    at = NOW + timedelta(minutes=minutes)
    return Agent(id=key, status="idle", since=NOW, heard=at, joined=NOW)


@pytest.mark.parametrize(
    "session", ["25ac5053-4dfa-4e18-9ea6-46f2f4f8c9fe", "short-1", "ses_0abcdefghijk"]
)
def test_a_session_is_the_agent_that_its_hooks_name(session: str) -> None:
    said = {"session_id": session, "cwd": "/work/shop"}
    what = Happening(PRODUCTS["claude"], "Stop", Event("turn"), said)
    name = _name("claude", what, {})

    assert agent_of(session, [agent("claude-x-other@b"), agent(name)]) == name


def test_of_several_the_one_that_was_heard_last_is_meant() -> None:
    agents = [
        agent("claude-x-abc@b", 1),
        agent("codex-y-abc@b", 2),
        agent("gemini-z-abc", 0),
    ]

    assert agent_of("abc", agents) == "codex-y-abc@b"


@pytest.mark.parametrize("session", ["", "...", "bc", "claude-x-abc@b"])
def test_what_is_not_the_session_is_not_meant(session: str) -> None:
    assert agent_of(session, [agent("claude-x-abc@b"), agent("x-y-@b")]) == ""
