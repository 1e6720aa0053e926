"""Finds the agent that a session is: hooks name it by the session's end."""

from collections.abc import Iterable

from agentkit.rows import Agent

SHORT = 12
"""A session's id of at most so many letters stands in the name as it is."""

END = 6
"""Else so many of its last letters do."""


def agent_of(session: str, agents: Iterable[Agent]) -> str:
    """Return the agent that a session is, empty when none is.

    `agentkit hook` calls it ``PRODUCT-PROJECT-SESSION@HOST``; of several, the one that
    was heard last is meant.
    """
    short = shortened(session)
    meant = (
        agent
        for agent in agents
        if short and agent.id.rpartition("@")[0].endswith(f"-{short}")
    )
    found = max(meant, key=lambda agent: agent.heard, default=None)
    return found.id if found else ""


def shortened(session: str) -> str:
    """Return what of a session's id stands in the name of its agent."""
    letters = "".join(c for c in session if c.isalnum() or c in "-_")
    return letters if len(letters) <= SHORT else letters[-END:]
