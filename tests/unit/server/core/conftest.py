"""A swarm to talk to, and a clock that stands still until it is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.protocol import Command, Event
from server.core import Rules, Swarm, decide, evolve

START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """One swarm and its time."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.swarm = Swarm(rules)
        self.now = START
        self.log: list[Event] = []

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def do(self, command: Command) -> list[Event]:
        events = decide(self.swarm, command, self.now)
        for event in events:
            evolve(self.swarm, event)
        self.log += events
        return events

    def subjects(self, command: Command) -> list[str]:
        return [event.subject for event in self.do(command)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> Callable[[Rules], World]:
    return World
