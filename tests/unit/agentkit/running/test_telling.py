"""Telling the hub aside: nothing waits, and the last thing arrives."""

import threading
from queue import Queue

import pytest

from agentkit.errors import HubUnavailable, NotFound
from agentkit.running import telling
from agentkit.running.mood import Said
from agentkit.running.telling import Teller


class Hub:
    """Takes what it is told when it is let, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.told: Queue[str] = Queue()
        self.may = threading.Event()
        self.may.set()
        self.failures = list(failures)

    def begin(self, why: str) -> None:
        self.told.put(f"begin {why}")

    def tell(self, said: Said) -> None:
        self.may.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.told.put(said.report)

    def show_life(self) -> None:
        self.tell(Said("busy"))

    def next(self) -> str:
        return self.told.get(timeout=30)


def test_what_is_said_is_told() -> None:
    hub = Hub()
    with Teller(hub, 3600, "again") as teller:
        teller.say(Said("idle"))

        assert [hub.next(), hub.next()] == ["begin again", "idle"]


def test_a_hub_that_hangs_is_told_the_last_thing_only() -> None:
    hub = Hub()
    hub.may.clear()
    with Teller(hub, 3600, "") as teller:
        hub.next()
        for _ in range(1000):
            teller.say(Said("idle"))
        teller.say(Said("help"))
        hub.may.set()
        told = [hub.next()]
        while told[-1] != "help":
            told.append(hub.next())

    assert len(told) <= 2


def test_what_a_hub_was_away_for_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "AGAIN", 0.01)
    hub = Hub(HubUnavailable("away"), OSError())
    with Teller(hub, 3600, "") as teller:
        hub.next()
        teller.say(Said("idle"))

        assert hub.next() == "idle"


def test_what_a_hub_refuses_is_not_told_again() -> None:
    hub = Hub(NotFound("no"))
    with Teller(hub, 3600, "") as teller:
        hub.next()
        teller.say(Said("idle"))
        while hub.failures:
            pass
        teller.say(Said("help"))

        assert hub.next() == "help"


def test_in_between_there_is_life() -> None:
    hub = Hub()
    with Teller(hub, 0.01, ""):
        assert [hub.next() for _ in range(3)] == ["begin ", "busy", "busy"]


def test_at_the_end_nothing_old_is_told() -> None:
    hub = Hub()
    hub.may.clear()
    with Teller(hub, 3600, "") as teller:
        hub.next()
        teller.say(Said("idle"))
        while teller._next:
            pass
        teller.say(Said("help"))
        threading.Timer(0.1, hub.may.set).start()

    assert hub.next() == "idle"
    assert hub.told.empty()
