"""Whatever is written, trimmed, closed and opened in whatever order: stores agree.

The memory store is the model. What is written comes from the real core, so rows and
events are such as a hub writes.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agentkit.protocol import Logged, TaskEnqueued
from agentkit.rows import Delivery
from server.core import Swarm, Tables, Turn
from server.store import MemoryStore, SQLiteStore, Store, StoreError, by_agent
from tests.simulation.turns import AGENTS, RULES, TASKS, Turns

T = TypeVar("T")
Ask = Callable[[Store], Coroutine[Any, Any, T]]

dice = st.randoms(use_true_random=False)
cursors = st.integers(0, 400)
agents = st.sampled_from(["", *AGENTS])
subjects = st.sampled_from(["**", "agent.*", "task.leased", "*", "none.such"])
limits = st.integers(1, 30)


class Stores(RuleBasedStateMachine):
    """A store of SQLite beside one in memory."""

    master = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.model = MemoryStore()
        self.store = self.open_at("hub.db")
        self.turns = Turns(Random())

    def open_at(self, name: str) -> SQLiteStore:
        store = SQLiteStore(Path(self.folder.name) / name, master=self.master)
        self.runner.run(store.open())
        return store

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, ask: Ask[T]) -> tuple[T, T]:
        return self.runner.run(ask(self.model)), self.runner.run(ask(self.store))

    def agree(self, ask: Ask[T]) -> T:
        expected, found = self.both(ask)
        assert found == expected
        return expected

    # --- writing ---

    @initialize(dice=dice)
    def write_much(self, dice: Random) -> None:
        for _ in range(10):
            self.write(dice, 30)

    @rule(dice=dice, commands=st.integers(1, 40))
    def write(self, dice: Random, commands: int) -> None:
        self.turns.dice = dice
        turn = self.turns.turn(commands)
        self.both(lambda store: store.turn(lambda _: turn))

    @rule(off=st.sampled_from([-1, 0, 2, 5]))
    def write_out_of_place(self, off: int) -> None:
        event = self.enqueued({})
        at = max(0, self.turns.swarm.cursor + off)
        wrong = Turn((Logged(at, event),), Tables())

        self.refused(self.model, wrong)
        self.refused(self.store, wrong)

    @rule()
    def write_what_has_no_form(self) -> None:
        at = self.turns.swarm.cursor
        good, bad = self.enqueued({}), self.enqueued({"what": object()})

        self.refused(
            self.store, Turn((Logged(at + 1, good), Logged(at + 2, bad)), Tables())
        )

    def refused(self, store: Store, turn: Turn) -> None:
        with pytest.raises(StoreError):
            self.runner.run(store.turn(lambda _: turn))

    def enqueued(self, body: dict[str, object]) -> TaskEnqueued:
        return TaskEnqueued(
            at=self.turns.now,
            task="T0",
            title="",
            body=body,
            needs=(),
            priority=0,
            not_before=None,
            max_attempts=3,
            by="",
        )

    @rule(age=st.sampled_from([0, 60, 4000, 100_000]))
    def trim(self, age: int) -> None:
        before = self.turns.now - timedelta(seconds=age)

        async def trimmed(store: Store) -> None:
            while not (await store.trim(before, 1 << 40)).is_all:
                pass

        self.both(trimmed)

    # --- opening ---

    @rule()
    def reopen(self) -> None:
        self.both(lambda store: store.close())
        self.both(lambda store: store.open())
        cursor, rows = self.agree(lambda store: store.load())
        self.turns.swarm = Swarm.load(cursor, rows, RULES)

    @rule()
    def copy(self) -> None:
        with self.runner.run(self.store.copy()) as file:
            (Path(self.folder.name) / "copy.db").write_bytes(file.read())
        copy = self.open_at("copy.db")

        found = self.runner.run(copy.load())
        self.runner.run(copy.close())

        assert found == self.runner.run(self.store.load())

    # --- reading ---

    @invariant()
    def load(self) -> None:
        self.agree(lambda store: store.load())

    @invariant()
    def examine(self) -> None:
        assert self.runner.run(self.store.examine()).ok

    @rule(
        after=cursors,
        before=st.none() | cursors,
        limit=limits,
        subject=subjects,
        agent=agents,
        newest_first=st.booleans(),
    )
    def events(self, **query: Any) -> None:
        self.agree(lambda store: store.events(**query))
        self.agree(lambda store: store.oldest())

    @rule(dice=dice, agent=agents, limit=limits, after=agents)
    def ledger(self, dice: Random, agent: str, limit: int, after: str) -> None:
        ref = dice.choice(["", *TASKS, *self.turns.swarm.broadcasts])
        self.agree(
            lambda store: store.deliveries(
                ref=ref, agent=agent, limit=limit, after=after
            )
        )

    @rule(agent=agents, limit=limits)
    def dead(self, agent: str, limit: int) -> None:
        async def pages(store: Store) -> list[list[Delivery]]:
            found, after = [], ""
            while page := await store.deliveries(
                state="dead", agent=agent, limit=limit, after=after
            ):
                found.append(page)
                after = page[-1].id
            return found

        self.agree(pages)

    @rule(dice=dice)
    def rows(self, dice: Random) -> None:
        swarm = self.turns.swarm
        task = dice.choice([*TASKS, "none"])
        help_ = dice.choice([*swarm.helps, "none"])
        cast = dice.choice([*swarm.broadcasts, "none"])

        self.agree(lambda store: store.task(task))
        self.agree(lambda store: store.help(help_))
        self.agree(lambda store: store.broadcast(cast))

    @rule(dice=dice, limit=limits, before=cursors)
    def runs(self, dice: Random, limit: int, before: int) -> None:
        run = dice.choice([*self.turns.swarm.runs.rows, "none"])
        top = run.split(".")[0]

        self.agree(lambda store: store.run(run))
        self.agree(lambda store: store.run_tree(run))
        self.agree(lambda store: store.latest_failed_visit(run))
        for question in ({}, {"state": "cancelled"}, {"parent": run}, {"root": top}):
            self.agree(
                lambda store, question=question: store.runs(  # type: ignore[misc]
                    **question, before=before, limit=limit
                )
            )

    @rule(dice=dice, limit=limits, visit=st.none() | st.integers(1, 3))
    def what_belongs_to_runs(self, dice: Random, limit: int, visit: int | None) -> None:
        run = dice.choice([*self.turns.swarm.runs.rows, "mine"])

        self.agree(lambda store: store.items(run, visit=visit, limit=limit))
        self.agree(lambda store: store.checkpoints(run, limit))
        self.agree(lambda store: store.checkpoint(run))
        self.agree(lambda store: store.checkpoint(run, 0))
        self.agree(lambda store: store.result(run, "note"))
        self.agree(lambda store: store.results(run, limit))
        self.agree(lambda store: store.results(limit=limit))
        self.agree(lambda store: store.files())


class SealedStores(Stores):
    """The same with a master key."""

    master = "a master key that nobody guesses"


@pytest.mark.parametrize("machine", [Stores, SealedStores])
def test_a_store_on_disk_answers_as_one_in_memory(
    machine: type[RuleBasedStateMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    # a history of some hundred events shall go through what is done to many
    monkeypatch.setattr(by_agent, "BEHIND", 40)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            # a shorter example takes minutes to find
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
