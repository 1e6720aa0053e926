"""What a card says is found, whichever version wrote it."""

from typing import Any

import pytest

from agentkit.a2a.cards import read_card
from agentkit.a2a.errors import PeerError

PLACE = "http://127.0.0.1:9000/.well-known/agent-card.json"


def offers(*ways: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "name": "n",
        "supportedInterfaces": [
            {"url": url, "protocolBinding": binding, "protocolVersion": version}
            for url, binding, version in ways
        ],
    }


def test_a_card_of_1_0_says_where_and_how() -> None:
    found = {
        **offers(("http://h/", "JSONRPC", "1.0")),
        "description": "does",
        "version": "3",
        "capabilities": {"pushNotifications": True},
        "skills": [
            {"id": "a", "tags": ["x", "y"]},
            {"id": "b", "tags": []},
            {"id": "c", "tags": ["x", 1]},
        ],
    }

    card = read_card(found, PLACE)

    assert (card.url, card.protocol, card.pushes) == ("http://h/", "1.0", True)
    assert card.capabilities == ("x", "y", "b")


def test_a_card_of_0_3_says_where_and_how() -> None:
    found = {"name": "n", "url": "http://h/a2a", "protocolVersion": "0.3.0"}

    card = read_card(found, PLACE)

    assert (card.url, card.protocol, card.pushes) == ("http://h/a2a", "0.3", False)


@pytest.mark.parametrize(
    ("ways", "taken"),
    [
        ([("a", "JSONRPC", "0.3"), ("b", "JSONRPC", "1.0")], "b"),
        ([("a", "GRPC", "1.0"), ("b", "JSONRPC", "1.0")], "b"),
        ([("a", "HTTP+JSON", "1.0"), ("b", "JSONRPC", "0.3")], "b"),
        ([("a", "JSONRPC", "1.2")], "a"),
    ],
)
def test_of_several_ways_the_newest_that_we_speak_is_taken(
    ways: list[tuple[str, str, str]], taken: str
) -> None:
    named = [(f"http://h/{url}", *rest) for url, *rest in ways]

    assert read_card(offers(*named), PLACE).url == f"http://h/{taken}"  # type: ignore[arg-type]


def test_an_address_may_be_told_from_where_the_card_lies() -> None:
    card = read_card(offers(("/rpc", "JSONRPC", "1.0")), PLACE)

    assert card.url == "http://127.0.0.1:9000/rpc"


@pytest.mark.parametrize(
    ("ways", "spoken"),
    [([("u", "GRPC", "1.0")], "GRPC 1.0"), ([("u", "JSONRPC", "2.0")], "JSONRPC 2.0")],
)
def test_what_we_do_not_speak_is_named(
    ways: list[tuple[str, str, str]], spoken: str
) -> None:
    with pytest.raises(PeerError, match=f"speaks {spoken}, and this speaks"):
        read_card(offers(*ways), PLACE)


@pytest.mark.parametrize(
    "found", [{}, {"name": "n"}, {"name": 1, "url": "u"}, {"supportedInterfaces": [1]}]
)
def test_what_is_no_card_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(PeerError, match="is no A2A agent card: give"):
        read_card(found, PLACE)
