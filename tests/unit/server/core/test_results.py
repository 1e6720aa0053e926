"""Results in the core: rows for the store, and who may write them."""

import pytest

from agentkit.errors import Conflict, Invalid
from agentkit.protocol import Assign, Claim, DeleteResult, Launch, Notify, WriteResult
from agentkit.rows import Result
from server.core.results import may_write
from tests.unit.server.core.conftest import World

PLAN = {
    "name": "p",
    "main": "m",
    "machines": {
        "m": {
            "states": {
                "work": {
                    "type": "initial",
                    "agent": "draw",
                    "transitions": [{"to": "end"}],
                },
                "end": {"type": "final"},
            }
        }
    },
}


@pytest.fixture
def running(world: World) -> World:
    """A world with the run r1, whose one task agent a1 may claim."""
    world.do(Notify(agent="a1", report="idle", capabilities=("draw",)))
    world.do(Launch(id="r1", plan=PLAN))
    return world


def test_a_result_is_a_row_for_the_store_and_nothing_else(world: World) -> None:
    wish = WriteResult(run="r1", name="a/b", value=[1], type="text/x", size=3, by="ada")

    (event,) = world.do(wish)

    changed = world.swarm.take()
    assert event.subject == "result.written"
    assert list(changed.results.values()) == [
        Result(
            run="r1",
            name="a/b",
            at=world.now,
            type="text/x",
            value=[1],
            size=3,
            by="ada",
            version=1,
        )
    ]


def test_a_deleted_result_is_a_row_that_says_so(world: World) -> None:
    world.do(WriteResult(run="r1", name="x", value=1))

    (event,) = world.do(DeleteResult(run="r1", name="x", by="ada"))

    (row,) = world.swarm.take().results.values()
    assert event.subject == "result.deleted"
    assert (row.deleted, row.value, row.file, row.version) == (True, None, "", 2)


@pytest.mark.parametrize("name", ["result", "checkpoint", "checkpoint/0"])
def test_what_a_run_writes_itself_nobody_else_writes(running: World, name: str) -> None:
    for wish in (WriteResult(run="r1", name=name), DeleteResult(run="r1", name=name)):
        with pytest.raises(Conflict, match="written by the run itself"):
            running.do(wish)


@pytest.mark.parametrize("name", ["result", "checkpoint"])
def test_under_a_name_that_is_no_runs_everything_may_be_written(
    running: World, name: str
) -> None:
    assert running.subjects(WriteResult(run="mine", name=name)) == ["result.written"]


@pytest.mark.parametrize(
    "fields",
    [
        {"run": ""},
        {"name": ""},
        {"name": "x" * 257},
        {"run": "a\nb"},
        {"type": ""},
        {"size": -1},
    ],
)
def test_what_cannot_be_an_address_is_refused(
    world: World, fields: dict[str, str]
) -> None:
    with pytest.raises(Invalid):
        world.do(WriteResult(**{"run": "r1", "name": "x", **fields}))  # type: ignore[arg-type]


def test_an_agent_writes_under_its_own_name_and_those_of_its_work(
    running: World,
) -> None:
    running.do(Assign(agent="a1", id="T1"))
    running.do(Claim(agent="a1", tasks=2))

    may = {name: may_write(running.swarm, "a1", name) for name in ("a1", "T1", "r1")}
    others = [may_write(running.swarm, "a1", name) for name in ("a2", "T2", "r2", "")]

    assert may == {"a1": True, "T1": True, "r1": True}
    assert others == [False] * 4


def test_without_a_lease_an_agent_writes_under_its_own_name_alone(
    running: World,
) -> None:
    running.do(Assign(agent="a1", id="T1"))

    may = [may_write(running.swarm, "a1", name) for name in ("a1", "T1", "r1")]

    assert may == [True, False, False]
