"""Bringing back what memory has let go of: settled runs, with what they go on with."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from agentkit import protocol as p
from agentkit.protocol import CancelRun, Command, Launch, ResumeRun, RetryRun, Send
from agentkit.rows import Broadcast, Checkpoint, HelpRequest, Item, Letter, Run, Task
from server.core import Swarm
from server.core.messages import own_id
from server.core.tables import Tables
from server.store.base import Store

PAGE: Final = 1000
"""Rows that are read at a time."""

RunCommand: TypeAlias = Launch | CancelRun | ResumeRun | RetryRun
Kind: TypeAlias = Literal["task", "help", "broadcast", "letter", "run"]
Known: TypeAlias = Task | HelpRequest | Broadcast | Letter | Tables
"""A row, or a run with what it needs to go on."""

NAMES: Final[Mapping[type, tuple[Kind, str]]] = {
    **dict.fromkeys((p.Assign, p.Enqueue, p.Cancel, p.Requeue), ("task", "id")),
    **dict.fromkeys((p.Claim, p.Extend, p.Complete), ("task", "task")),
    **dict.fromkeys((p.Fail, p.Nack), ("task", "task")),
    **dict.fromkeys((p.Answer, p.Take, p.AssignHelper), ("help", "help")),
    **dict.fromkeys((p.Snooze, p.Resolve), ("help", "help")),
    **dict.fromkeys((p.SendBroadcast, p.Send), ("broadcast", "id")),
    **dict.fromkeys((p.Bury, p.Unbury, p.Discard), ("letter", "id")),
    **dict.fromkeys((Launch, CancelRun, ResumeRun, RetryRun), ("run", "id")),
    p.Watch: ("task", "task"),
}
"""What commands name: of which kind it is, and the field that names it."""


async def recall(store: Store, swarm: Swarm, command: Command) -> Known | None:
    """Read what a command names if memory does not have it: it may be settled."""
    kind, field = NAMES.get(type(command), ("task", ""))
    key: str = getattr(command, field, "")
    match kind:
        case _ if not key:
            found: Known | None = None
        case "task":
            found = None if key in swarm.tasks else await store.task(key)
        case "help":
            found = None if key in swarm.helps else await store.help(key)
        case "letter":
            found = None if key in swarm.letters else await store.letter(key)
        case "broadcast":
            found = await _message(store, swarm, key, command)
        case "run":
            found = await _run(store, swarm.runs.rows.get(key), command)
    return found


async def _message(
    store: Store, swarm: Swarm, key: str, command: Command
) -> Broadcast | None:
    """Read the message with an id, or its sender's own when another's has it."""
    there = swarm.broadcasts
    row = there.get(key) or await store.broadcast(key)
    if row and isinstance(command, Send) and row.sender != command.agent:
        own = own_id(key, command.agent)
        mine = None if own in there else await store.broadcast(own)
        row = mine or row
    return None if row is None or row.id in there else row


async def _run(store: Store, known: Run | None, command: Command) -> Tables | None:
    """Read a run that is settled, as far as the command goes on with it.

    Args:
        store: where it is.
        known: its row, if that is in memory.
        command: names it.
    """
    assert isinstance(command, RunCommand)  # noqa: S101 - `NAMES` says so
    if known is not None and (not known.is_settled or known.active):
        return None
    row = known or (await store.run(command.id) if command.id else None)
    if row is None:
        return None
    tree = Tables()
    match command:
        case ResumeRun() if row.state != "done":
            tree = await store.run_tree(row.root)
        case RetryRun():
            tree = await _at_visit(store, row, command.visit)
    # What is still being called off below it changes before it is taken in.
    if tree and not any(run.is_settled and run.active for run in tree.runs.values()):
        return tree
    return Tables(runs={row.id: row}) if known is None else None


async def _at_visit(store: Store, run: Run, visit: int) -> Tables:
    """Return a run with all below it, as it was at a stage that it has left."""
    tables = await store.run_tree(run.root)
    if run.entered and visit == run.visit:
        return tables
    for key in [key for key in tables.items if key[0] == run.id]:
        del tables.items[key]
    for number in [pair for pair in tables.checkpoints if pair[0] == run.id]:
        if number[1]:
            del tables.checkpoints[number]
    then = await store.checkpoint(run.id, visit - 1)
    if then is None:
        return tables
    tables.checkpoints[run.id, then.number] = then
    for item in await items_of(store, run.id, visit):
        if is_since(item, then):
            tables.items[run.id, visit, item.index] = item
    return tables


def is_since(item: Item, then: Checkpoint) -> bool:
    """Say whether an item is of the last time that a run came to a stage.

    Others are of a time before a retry, which led there once more.

    Args:
        item: of that stage.
        then: the checkpoint with which the run came there.
    """
    return item.began is None or item.began >= then.at


async def items_of(store: Store, run: str, visit: int) -> list[Item]:
    """Return all items of a stage of a run."""
    found: list[Item] = []
    while True:
        after = found[-1].index if found else -1
        page = await store.items(run, visit=visit, after=after, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
