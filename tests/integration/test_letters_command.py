"""``swarmtui letters`` as a person or a script has it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from agentkit.settings import Endpoint
from agentkit.transports.hub import HubTransport
from tests.integration.conftest import RunningHub, Start
from tests.integration.test_commands import Done, Terminal, run
from tests.integration.test_letters import told

Run: TypeAlias = Callable[..., Done]

KEYS = ("aaaaaaaa11", "aaaaaaaa22", "bbbbbbbb33")


@pytest.fixture
async def hub(start: Start) -> RunningHub:
    """A hub with three letters."""
    running = start("--store", "memory")
    async with HubTransport(Endpoint(running.url, running.token), name="w1") as tells:
        for number, key in enumerate(KEYS):
            await tells.tell(told(key, f"works-{number}"))
    return running


@pytest.fixture
def command(hub: RunningHub) -> Run:
    return lambda *args, **more: run(hub.home, *args, **more)


def states(hub: RunningHub) -> dict[str, Any]:
    return {row["id"]: row["state"] for row in hub.get("/v1/letters").json()["letters"]}


def test_letters_are_listed_the_newest_first(command: Run) -> None:
    lines = command("letters").out.splitlines()

    assert lines[0].split()[:4] == ["STATE", "LETTER", "WHEN", "SUBJECT"]
    assert [line.split()[1] for line in lines[1:]] == [key[:8] for key in KEYS[::-1]]
    assert "job.made" in lines[1]
    assert "works-2" in lines[1]
    assert lines[1].endswith("ValueError: no")


def test_letters_as_json_are_rows(command: Run) -> None:
    rows = command("letters", "--json").data["letters"]

    assert [row["id"] for row in rows] == list(KEYS[::-1])
    assert rows[0]["told"] == "w1"


def test_a_letter_is_requeued_by_how_its_id_begins(
    hub: RunningHub, command: Run
) -> None:
    done = command("letters", "requeue", "bbbbbbbb")

    assert (done.code, done.out.split()) == (
        0,
        ["LETTER", "SUBJECT", "bbbbbbbb", "job.made"],
    )
    assert states(hub)["bbbbbbbb33"] == "requeued"
    assert len(command("letters", "--json").data["letters"]) == 2
    assert len(command("letters", "--settled", "--json").data["letters"]) == 3


def test_several_are_discarded(hub: RunningHub, command: Run) -> None:
    done = command("letters", "discard", "aaaaaaaa11", "bbbbbbbb33", "--json")

    assert [row["id"] for row in done.data["discarded"]] == ["aaaaaaaa11", "bbbbbbbb33"]
    assert set(states(hub).values()) == {"discarded", "dead"}


def test_all_takes_a_yes(hub: RunningHub, command: Run) -> None:
    refused = command("letters", "requeue", "--all")
    done = command("letters", "requeue", "--all", "--yes", "--json")

    assert (refused.code, refused.out) == (5, "")
    assert "3 letters" in refused.err
    assert "--yes" in refused.err
    assert [row["id"] for row in done.data["requeued"]] == list(KEYS), "in their order"
    assert set(states(hub).values()) == {"requeued"}


def test_all_asks_on_a_terminal(hub: RunningHub) -> None:
    terminal = Terminal(hub.home, "letters", "discard", "--all")
    terminal.until("Discard 3 letters")
    terminal.type("y\n")

    assert terminal.end() == 0
    assert set(states(hub).values()) == {"discarded"}


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("requeue",), 2, "say which ones, or --all"),
        (("requeue", "x", "--all"), 2, "and not both"),
        (("requeue", "aaaaaaaa"), 5, "2 letters begin with 'aaaaaaaa'"),
        (("discard", "bbbbbbbc"), 3, "did you mean bbbbbbbb?"),
        (("discard", "zzz"), 3, "see swarmtui letters --settled"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    command: Run, args: tuple[str, ...], code: int, text: str
) -> None:
    done = command("letters", *args)

    assert done.code == code
    assert text in done.err


def test_where_nothing_is_dead_all_is_nobody(command: Run) -> None:
    command("letters", "discard", "--all", "--yes")

    done = command("letters", "discard", "--all", "--yes")

    assert done.code == 4
    assert "no letter is dead" in done.err


def test_one_that_is_refused_keeps_nobody_else(hub: RunningHub, command: Run) -> None:
    command("letters", "discard", "bbbbbbbb33")

    done = command("letters", "discard", "bbbbbbbb33", "aaaaaaaa11")

    assert done.code == 5
    assert "is discarded" in done.err
    assert states(hub)["aaaaaaaa11"] == "discarded"
