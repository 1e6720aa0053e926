"""A swarm to talk to, and a clock that stands still until it is told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agentkit.protocol import Command, Event
from server.core import Rules, Swarm, carry_out

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
        logged = carry_out(self.swarm, command, self.now)
        events = [event for _, event in logged]
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
