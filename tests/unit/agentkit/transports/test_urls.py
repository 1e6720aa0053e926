"""Which transport a URL names."""

import subprocess
import sys

import pytest

import agentkit.transports
from agentkit.errors import Invalid
from agentkit.transports import open_transport


@pytest.mark.parametrize(
    ("url", "kind", "persistent", "shown"),
    [
        ("local:", "local", False, "local:"),
        ("redis://u:secret@h:1/2?prefix=x", "redis", False, "h:1"),
        ("redis://h:1?persistent=1", "redis", True, "h:1"),
        ("rediss://h:1?persistent=no", "redis", False, "h:1"),
        ("nats://u:secret@h:1?prefix=x&persistent=true", "nats", True, "h:1"),
        ("tls://h:1", "nats", False, "h:1"),
        ("http://127.0.0.1:1", "hub", False, "127.0.0.1:1"),
        ("ws://127.0.0.1:1", "hub", False, "http://127.0.0.1:1"),
        ("wss://127.0.0.1:1", "hub", False, "https://127.0.0.1:1"),
    ],
)
def test_a_url_names_a_transport(
    url: str, kind: str, persistent: bool, shown: str
) -> None:
    transport = open_transport(url)

    figures = transport.metrics()
    assert (figures.kind, figures.persistent, figures.state) == (
        kind,
        persistent,
        "closed",
    )
    assert shown in figures.url
    assert "secret" not in figures.url


def test_a_transport_may_be_named() -> None:
    assert open_transport("local:?name=me").metrics().name == "me"
    assert open_transport("nats://h:1?name=me").metrics().name == "me"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka://h:1", "'kafka:' names no transport"),
        ("", "names no transport"),
        ("local:?prefix=x", "no option 'prefix'"),
        ("redis://h:1?persistent=maybe", "write 1 or 0"),
        ("nats://h:1?name=%1b", "printable"),
        ("redis://[h", "in brackets"),
        ("redis://h:99999", "no number up to 65,535"),
        ("redis://u:secret/1@h:1", "%2F for a / in a password"),
        ("nats://h:x", "no number up to 65,535"),
        ("nats://", "has no host"),
        ("http://h:x", "not between 0 and 65535"),
        ("http://", "has no host name"),
    ],
)
def test_a_url_that_names_none_is_refused(url: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        open_transport(url)


def test_all_names_are_there() -> None:
    for name in agentkit.transports.__all__:
        assert getattr(agentkit.transports, name)
    with pytest.raises(AttributeError, match="Kafka"):
        _ = agentkit.transports.Kafka


def test_clients_of_brokers_are_imported_when_they_are_used() -> None:
    code = """
import sys
from agentkit.transports import EventBus, open_transport
[open_transport(url) for url in ("local:", "redis://h:1", "nats://h:1", "http://h:1")]
print({"redis", "nats", "websockets", "httpx"} & set(sys.modules))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert said.stdout == "set()\n"
