"""Tokens in the core: who is let in, until when."""

from datetime import timedelta

import pytest

from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.protocol import CreateToken, RevokeToken
from tests.unit.server.core.conftest import World


def test_a_token_is_let_in_until_it_is_revoked(world: World) -> None:
    world.do(CreateToken(id="", role="viewer", digest="d", name="wall", by="ann"))
    assert world.swarm.tokens["k1"].revoked is None

    world.do(RevokeToken(id="k1", by="ann"))

    row = world.swarm.tokens["k1"]
    assert (row.revoked, row.generation, row.by) == (world.now, 0, "ann")
    assert world.do(RevokeToken(id="k1")) == []


@pytest.mark.parametrize("key", ["agent:a1", "viewer"])
def test_a_derived_token_gives_way_to_its_next_generation(
    world: World, key: str
) -> None:
    for generation in (1, 2):
        world.do(RevokeToken(id=key))
        assert world.swarm.tokens[key].generation == generation


@pytest.mark.parametrize(
    ("wish", "error", "text"),
    [
        (CreateToken(id="", role="agent", digest="d"), Invalid, "names its agent"),
        (CreateToken(id="viewer", role="viewer", digest="d"), Conflict, "is there"),
        (RevokeToken(id="k9"), NotFound, "no token 'k9' is known"),
    ],
)
def test_what_cannot_be_is_refused(
    world: World, wish: CreateToken, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        world.do(wish)


def test_a_token_cannot_have_expired_already(world: World) -> None:
    gone = world.now - timedelta(seconds=1)

    with pytest.raises(Invalid, match="would have expired"):
        world.do(CreateToken(id="", role="viewer", digest="d", expires=gone))
