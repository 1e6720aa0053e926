"""Letters in the core: kept once, given back, let be."""

from typing import Any

import pytest

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import Bury, Discard, LetterDead, LetterRequeued, Unbury
from server.core import Rules
from tests.unit.server.core.conftest import World

MESSAGE = {"name": "job.made", "id": "m1", "data": {"n": 1}}


def bury(key: str = "L1", **fields: Any) -> Bury:
    said: dict[str, Any] = {
        "message": MESSAGE,
        "subscription": "works",
        "pattern": "job.*",
        "transport": "worker",
        "link": "bus",
        "reason": "ValueError: no",
        "attempts": 3,
        "by": "a1",
    }
    return Bury(id=key, **{**said, **fields})


def test_a_letter_is_kept_as_it_was_told(world: World) -> None:
    (event,) = world.do(bury())

    letter = world.swarm.letters["L1"]
    assert isinstance(event, LetterDead)
    assert (letter.state, letter.subject, letter.message) == (
        "dead",
        "job.made",
        MESSAGE,
    )
    assert (letter.told, letter.reason, letter.attempts) == ("a1", "ValueError: no", 3)
    assert letter.at == world.now


def test_a_letter_that_is_told_again_is_the_same(world: World) -> None:
    world.do(bury())
    world.do(Unbury(id="L1", by="me"))

    assert world.do(bury()) == []
    assert world.swarm.letters["L1"].state == "requeued"


def test_a_letter_is_given_back_as_often_as_somebody_wants(world: World) -> None:
    world.do(bury())

    for _ in range(2):
        (event,) = world.do(Unbury(id="L1", by="me"))
        assert isinstance(event, LetterRequeued)

    letter = world.swarm.letters["L1"]
    assert (letter.state, letter.by, letter.settled) == ("requeued", "me", world.now)


def test_a_letter_is_let_be(world: World) -> None:
    world.do(bury())

    world.do(Discard(id="L1", by="me"))

    assert world.swarm.letters["L1"].state == "discarded"
    with pytest.raises(Conflict, match="is discarded"):
        world.do(Discard(id="L1"))


@pytest.mark.parametrize("wish", [Unbury(id="L9"), Discard(id="L9")])
def test_an_unknown_letter_is_not_found(world: World, wish: Unbury | Discard) -> None:
    with pytest.raises(NotFound, match="swarmtui letters lists them"):
        world.do(wish)


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (bury(""), "the letter is empty"),
        (bury("L\n1"), "control characters"),
        (bury(message={}), "empty segment"),
        (bury(message={"name": "a..b"}), "empty segment"),
        (bury(subscription="x" * 513), "the subscription has 513 characters"),
        (bury(reason="x" * 16_385), "the reason has 16,385 characters"),
        (
            bury(message={**MESSAGE, "data": {"text": "x" * Rules().letter_bytes}}),
            "letters of at most 262,144 are kept",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(world: World, wish: Bury, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        world.do(wish)


def test_of_letters_the_newest_stay_in_memory(world: World) -> None:
    keep = world.swarm.rules.keep_settled
    for number in range(keep + 5):
        world.do(bury(f"L{number}"))
    for number in range(5, keep + 5):
        world.do(Discard(id=f"L{number}"))
    world.do(bury("new"))

    assert len(world.swarm.letters) == keep + 1
    assert "L0" not in world.swarm.letters
    assert world.swarm.letters["new"].state == "dead"
