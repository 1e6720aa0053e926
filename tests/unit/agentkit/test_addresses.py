"""Addresses of results: read, written, and what they mean."""

import pytest

from agentkit.addresses import Address, address_of
from agentkit.errors import Invalid


@pytest.mark.parametrize(
    ("text", "run", "name"),
    [
        ("swarm://r1/result", "r1", "result"),
        ("flatagents://r1/result", "r1", "result"),
        ("swarm://r1.2/a/b c", "r1.2", "a/b c"),
        ("swarm://r1//", "r1", "/"),
        (f"swarm://{'r' * 256}/{'n' * 256}", "r" * 256, "n" * 256),
    ],
)
def test_an_address_names_a_run_and_what_is_below_it(
    text: str, run: str, name: str
) -> None:
    address = address_of(text)

    assert address == (run, name)
    assert str(address) == f"swarm://{run}/{name}"


@pytest.mark.parametrize(
    "text",
    [
        *("", "r1/result", "swarm:/r1/x", "http://r1/x", "swarm://", "swarm://r1"),
        *("swarm://r1/", "swarm:///x", "swarm://r1/a\nb", "swarm://r\x001/a"),
        f"swarm://{'r' * 257}/x",
        f"swarm://r/{'n' * 257}",
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        address_of(text)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "reserved", "checkpoint", "number"),
    [
        ("result", True, False, None),
        ("result/x", False, False, None),
        ("checkpoint", True, True, None),
        ("checkpoint/0", True, True, 0),
        ("checkpoint/17", True, True, 17),
        ("checkpoint/x", True, False, None),
        ("checkpoint/", True, False, None),
        ("checkpoint/-1", True, False, None),
        ("checkpoint/²", True, False, None),
        ("checkpoint/" + "9" * 40, True, False, None),
        ("checkpoints", False, False, None),
        ("pages", False, False, None),
    ],
)
def test_what_the_run_itself_writes_is_told_from_the_rest(
    name: str, reserved: bool, checkpoint: bool, number: int | None
) -> None:
    address = Address("r1", name)

    assert address.is_reserved == reserved
    assert address.is_checkpoint == checkpoint
    assert address.number == number
