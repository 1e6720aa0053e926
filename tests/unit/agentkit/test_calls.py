"""Single requests: names that nobody looks up, hubs that hang up."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from agentkit import notify
from agentkit.calls import Caller
from agentkit.errors import ConnectionLost, HubUnreachable, Invalid
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


def test_a_hub_that_hangs_up_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)

        thread = Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        with pytest.raises(ConnectionLost, match=r"did not answer \(it hung up\)"):
            Caller(Endpoint(url), 10).get("agents")

        thread.join()


def test_a_certificate_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    hub = Endpoint("https://127.0.0.1:1", client_cert=tmp_path / "none.pem")

    with pytest.raises(Invalid, match=r"cannot be read \(pem lib\): check"):
        Caller(hub, 10).get("agents")
