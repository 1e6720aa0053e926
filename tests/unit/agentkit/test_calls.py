"""Single requests: how long they take when a name cannot be looked up."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from agentkit import notify
from agentkit.calls import Caller
from agentkit.errors import HubUnreachable
from agentkit.settings import Endpoint, KitSettings

SLOW = "http://slow.example:8765"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """A resolver that answers when it is let go."""
    let_go = Event()

    def look_up(*_: object, **__: object) -> list[object]:
        let_go.wait(60)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield let_go
    let_go.set()


def test_a_name_that_nobody_looks_up_is_given_up_in_time(resolver: Event) -> None:
    with pytest.raises(HubUnreachable, match="too long"):
        Caller(Endpoint(SLOW), 0.1).get("agents")

    assert not resolver.is_set()


def test_a_report_to_such_a_name_waits_on_disk(
    resolver: Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))

    sent = notify("idle", agent="a1", timeout=0.1, settings=KitSettings(url=SLOW))

    assert not resolver.is_set()
    assert (sent.delivered, sent.waiting) == (False, 1)


def test_a_name_that_there_cannot_be_is_told() -> None:
    with pytest.raises(HubUnreachable, match="no hub answers"):
        Caller(Endpoint(f"http://{'a' * 64}.example:1"), 10).get("agents")
