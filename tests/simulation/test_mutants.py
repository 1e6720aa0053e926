"""The simulation bites: a hub with a rule taken out is found guilty within 100 seeds.

Each mutant breaks one rule of the core, of the pump or of an agent at run time, and
names the law that catches it (see `laws`). The same seeds are clean without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import pytest

from agentkit.plans import Stage
from agentkit.protocol import (
    AgentOverspent,
    AgentSolvent,
    Event,
    Extend,
    ItemDone,
    RunResumed,
    TaskLeased,
    TaskReleased,
    TaskRequeued,
)
from agentkit.rows import Broadcast, Delivery, Item, Run, Task
from server import hub as pump
from server import letters, mailroom
from server.core import (
    addresses,
    leases,
    messages,
    outboxes,
    spending,
    turns,
    watching,
)
from server.core.evolve import EVOLVE
from server.core.run_book import RunBook
from server.core.runs import following, items, stages
from server.core.swarm import Swarm
from server.core.tables import Tables, Turn
from server.core.transitions import DELIVERY
from server.store import memory
from tests.simulation import agents
from tests.simulation.histories import History

SEEDS: Final = range(100)
Patch: TypeAlias = pytest.MonkeyPatch


def any_fence(patch: Patch) -> None:
    patch.setattr(leases, "_shows", lambda wish, task: True)


def a_fence_outlives_its_lease(patch: Patch) -> None:
    def held(swarm: Swarm, wish: Extend) -> Task:
        task = swarm.task(wish.task)
        if task.fence == wish.fence:
            return replace(task, agent=wish.agent)
        return original(swarm, wish)

    original = leases._held
    patch.setattr(leases, "_held", held)


def no_idempotency_key(patch: Patch) -> None:
    def grant(hub: pump.Hub, wish: Any, events: list[Any]) -> Any:
        wish.key = ""
        return original(hub, wish, events)

    original = pump.Hub._grant
    patch.setattr(pump.Hub, "_grant", grant)


def answers_before_the_commit(patch: Patch) -> None:
    def decide(hub: pump.Hub, wishes: list[Any]) -> Turn:
        turn = original(hub, wishes)
        hub._committed(turn, wishes)
        return turn

    original = pump.Hub._decide
    patch.setattr(pump.Hub, "_decide", decide)


def a_failed_commit_is_not_taken_back(patch: Patch) -> None:
    async def load(hub: pump.Hub) -> None:
        if hub._swarm.cursor == 0:
            await original(hub)

    original = pump.Hub._load
    patch.setattr(pump.Hub, "_load", load)


def numbers_of_outboxes_do_not_count(patch: Patch) -> None:
    patch.setattr(outboxes, "_was_accepted", lambda swarm, wish: False)


def gaps_in_outboxes_are_fine(patch: Patch) -> None:
    def was_accepted(swarm: Swarm, wish: Any) -> bool:
        row = swarm.spools.get((wish.agent, wish.spool))
        return row is not None and wish.seq <= row.accepted

    patch.setattr(outboxes, "_was_accepted", was_accepted)


def leases_never_end(patch: Patch) -> None:
    patch.setattr(leases, "due_expiries", lambda swarm, now: [])


def the_claimed_stay_ready(patch: Patch) -> None:
    def line_up(swarm: Swarm, old: Task | None, new: Task) -> None:
        if new.state == "leased" and old is not None and old.is_ready:
            return
        if old is not None and old.state == "leased" and not new.is_held:
            swarm.ready.remove(old)
        original(swarm, old, new)

    original = Swarm._line_up
    patch.setattr(Swarm, "_line_up", line_up)


def attempts_do_not_count(patch: Patch) -> None:
    def leased(swarm: Swarm, event: TaskLeased) -> None:
        original(swarm, replace(event, attempt=0))

    original = EVOLVE[TaskLeased]
    patch.setitem(EVOLVE, TaskLeased, leased)


def the_released_are_lost(patch: Patch) -> None:
    def released(swarm: Swarm, event: TaskReleased) -> None:
        original(swarm, event)
        task = swarm.tasks[event.task]
        if task.is_ready:
            swarm.ready.remove(task)
        swarm.scheduled.set(task.id, None)

    original = EVOLVE[TaskReleased]
    patch.setitem(EVOLVE, TaskReleased, released)


def a_requeued_task_keeps_its_lease(patch: Patch) -> None:
    def requeued(swarm: Swarm, event: TaskRequeued) -> None:
        task = swarm.tasks[event.task]
        if task.state == "leased":
            swarm.put_task(replace(task, attempts=0, version=swarm.cursor))
        else:
            original(swarm, event)

    original = EVOLVE[TaskRequeued]
    patch.setitem(EVOLVE, TaskRequeued, requeued)


def what_was_sent_counts_as_received(patch: Patch) -> None:
    def in_mailbox(*asked: Any) -> list[tuple[Delivery, Any]]:
        return [pair for pair in original(*asked) if pair[0].state == "queued"]

    original = letters.in_mailbox
    patch.setattr(mailroom, "in_mailbox", in_mailbox)


def what_was_done_is_handed_out_again(patch: Patch) -> None:
    patch.setitem(DELIVERY, ("acked", "done"), "acked")
    patch.setitem(DELIVERY, ("sent", "done"), "sent")


def cursors_are_used_again(patch: Patch) -> None:
    async def load(hub: pump.Hub) -> None:
        await original(hub)
        hub._swarm.cursor = max(0, hub._swarm.cursor - 1)

    original = pump.Hub._load
    patch.setattr(pump.Hub, "_load", load)
    patch.setattr(memory, "next_cursor", lambda last, events: last)


def rows_are_not_written(patch: Patch) -> None:
    def decide(hub: pump.Hub, wishes: list[Any]) -> Turn:
        turn = original(hub, wishes)
        return replace(turn, rows=replace(turn.rows, helps={}))

    original = pump.Hub._decide
    patch.setattr(pump.Hub, "_decide", decide)


def an_agent_acknowledges_mail_that_it_has_not_stored(patch: Patch) -> None:
    def start(agent: agents.Agent) -> None:
        new = [mail for mail in agent.disk.inbox.values() if mail.state == "new"]
        for mail in new:
            del agent.disk.inbox[mail.seq]
        original(agent)

    original = agents.Agent.start
    patch.setattr(agents.Agent, "start", start)


def the_newest_mail_comes_first(patch: Patch) -> None:
    def in_mailbox(*asked: Any) -> list[tuple[Delivery, Any]]:
        return original(*asked)[::-1]

    original = letters.in_mailbox
    patch.setattr(mailroom, "in_mailbox", in_mailbox)


def a_message_gets_no_number(patch: Patch) -> None:
    patch.setattr(messages, "accept", lambda *spool: None)


def a_message_goes_to_the_next_best(patch: Patch) -> None:
    def choose(swarm: Swarm, to: str, sender: str, size: int) -> addresses.Chosen:
        chosen = original(swarm, to, sender, size)
        agents = [swarm.agents[agent] for agent in chosen.agents]
        if len(agents) != 1 or agents[0].linked:
            return chosen
        return addresses.Chosen((next(iter(swarm.agents)),))

    original = addresses.choose
    patch.setattr(messages, "choose", choose)


def any_answer_counts(patch: Patch) -> None:
    def call(swarm: Swarm, key: str) -> Broadcast | None:
        row = original(swarm, key)
        return row and replace(row, answered=())

    original = Swarm.call
    patch.setattr(Swarm, "call", call)


def a_call_is_done_before_it_is_answered(patch: Patch) -> None:
    async def handle(agent: agents.Agent, mail: agents.Mail) -> None:
        if mail.call:
            mail.state = "handled"
            if agent.chance(0.2):
                await agent.end(f"before answering {mail.call}")
        await original(agent, mail)

    original = agents.Agent._handle
    patch.setattr(agents.Agent, "_handle", handle)


def watchers_miss_the_end(patch: Patch) -> None:
    def to_watchers(swarm: Swarm, task: Task, *more: Any) -> list[Event]:
        return [] if task.is_settled else original(swarm, task, *more)

    original = watching._to_watchers
    patch.setattr(watching, "_to_watchers", to_watchers)


def what_was_settled_counts_twice(patch: Patch) -> None:
    def done(swarm: Swarm, event: ItemDone) -> None:
        original(swarm, event)
        run = swarm.runs.rows[event.run]
        swarm.put_run(replace(run, done=run.done + 1))

    original = EVOLVE[ItemDone]
    patch.setitem(EVOLVE, ItemDone, done)


def the_limit_is_off_by_one(patch: Patch) -> None:
    def stage(book: RunBook, run: Run) -> Stage:
        found = original(book, run)
        limit = found.concurrency
        return replace(found, concurrency=limit + 1) if limit else found

    original = RunBook.stage
    patch.setattr(RunBook, "stage", stage)


def the_limit_counts_what_is_done(patch: Patch) -> None:
    def done(swarm: Swarm, event: ItemDone) -> None:
        original(swarm, event)
        run = swarm.runs.rows[event.run]
        swarm.put_run(replace(run, active=run.active + 1))

    original = EVOLVE[ItemDone]
    patch.setitem(EVOLVE, ItemDone, done)


def whoever_goes_on_begins_anew(patch: Patch) -> None:
    def resumed(swarm: Swarm, event: RunResumed) -> None:
        original(swarm, event)
        for item in tuple(swarm.runs.items.get(event.run, {}).values()):
            if item.state == "done":
                run = swarm.runs.rows[event.run]
                swarm.put_run(replace(run, done=run.done - 1))
                swarm.put_item(replace(item, state="waiting"))

    original = EVOLVE[RunResumed]
    patch.setitem(EVOLVE, RunResumed, resumed)


def the_stirred_are_forgotten_with_the_process(patch: Patch) -> None:
    def admit(book: RunBook, tables: Tables) -> None:
        original(book, tables)
        book.stirred.clear()

    original = RunBook.admit
    patch.setattr(turns, "SPARE", 1)  # so that much is left for the next turn
    patch.setattr(RunBook, "admit", admit)


def results_come_as_they_are_done(patch: Patch) -> None:
    def gathered(stage: Stage, items: Sequence[Item]) -> Any:
        ordered = sorted(items, key=lambda item: item.version)
        return original(stage, ordered if stage.foreach else items)

    original = stages._gathered
    patch.setattr(stages, "_gathered", gathered)


def what_is_called_off_goes_on(patch: Patch) -> None:
    patch.setattr(following, "call_off", lambda at, reason, most: [])


def an_item_that_failed_is_not_tried_again(patch: Patch) -> None:
    patch.setattr(items, "_again", lambda at, item: None)


def the_budget_is_for_show(patch: Patch) -> None:
    patch.setitem(EVOLVE, AgentOverspent, lambda swarm, event: None)


def both_counts_of_the_same_are_added(patch: Patch) -> None:
    def used(*of: Any) -> dict[str, Any]:
        after = original(*of)
        told, metered = after["tokens_told"], after["tokens_metered"]
        return {**after, "tokens_in": told[0] + metered[0]}

    original = spending._used
    patch.setattr(spending, "_used", used)


def the_day_never_ends(patch: Patch) -> None:
    def solvent(swarm: Swarm, event: AgentSolvent) -> None:
        original(swarm, event)
        agent = swarm.agents[event.agent]
        swarm.put_agent(replace(agent, over_budget=True, spent_on="2026-12-31"))

    original = EVOLVE[AgentSolvent]
    patch.setitem(EVOLVE, AgentSolvent, solvent)


MUTANTS: Final[dict[Callable[[Patch], None], str]] = {
    any_fence: "I3",
    a_fence_outlives_its_lease: "I3",
    no_idempotency_key: "I4",
    answers_before_the_commit: "I1",
    a_failed_commit_is_not_taken_back: "I6",
    numbers_of_outboxes_do_not_count: "I5",
    gaps_in_outboxes_are_fine: "I5",
    leases_never_end: "I6",
    the_claimed_stay_ready: "I2",
    attempts_do_not_count: "I6",
    the_released_are_lost: "I6",
    a_requeued_task_keeps_its_lease: "I3",
    what_was_sent_counts_as_received: "I6",
    what_was_done_is_handed_out_again: "I1",
    cursors_are_used_again: "I1",
    rows_are_not_written: "I8",
    an_agent_acknowledges_mail_that_it_has_not_stored: "I6",
    the_newest_mail_comes_first: "I9",
    a_message_gets_no_number: "I5",
    a_message_goes_to_the_next_best: "I9",
    any_answer_counts: "I10",
    a_call_is_done_before_it_is_answered: "I10",
    watchers_miss_the_end: "I11",
    what_was_settled_counts_twice: "I17",
    the_limit_is_off_by_one: "I14",
    the_limit_counts_what_is_done: "I17",
    whoever_goes_on_begins_anew: "I13",
    the_stirred_are_forgotten_with_the_process: "I6",
    results_come_as_they_are_done: "I15",
    what_is_called_off_goes_on: "I16",
    an_item_that_failed_is_not_tried_again: "I15",
    the_budget_is_for_show: "I18",
    both_counts_of_the_same_are_added: "I18",
    the_day_never_ends: "I6",
}
"""What is taken out, and the law that catches it."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_rule_that_is_missing_is_noticed(
    mutant: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    mutant(monkeypatch)

    laws = (History(seed).tell().laws for seed in SEEDS)

    assert any(MUTANTS[mutant] in broken for broken in laws)


def test_nothing_is_noticed_when_no_rule_is_missing() -> None:
    for seed in SEEDS:
        told = History(seed).tell()

        assert not told.violations, told.report()
