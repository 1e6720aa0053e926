"""What can be asked, once for HTTP and for watchers: the log, ledgers, runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from agentkit.protocol import Logged
from agentkit.rows import Checkpoint, Delivery, Item, Letter, Plan, Run
from server.inquiries import (
    CheckpointsQuestion,
    DeadQuestion,
    EventsQuestion,
    HistoryQuestion,
    ItemsQuestion,
    LedgerQuestion,
    LettersQuestion,
    MailboxQuestion,
    PlanQuestion,
    RunQuestion,
    RunsQuestion,
)
from server.office import Office
from server.replies import EventFrame
from server.wire import valid

LIMIT: Final = 100
"""How many events or rows one gets without asking for a number."""

Fields: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[Office, Fields], Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the shape of its fields, and what answers it."""

    shape: TypeAdapter[Any]
    ask: Ask

    async def answer(self, office: Office, fields: Mapping[str, Any]) -> list[Any]:
        """Answer with a list of rows, or of events as they stand in a frame.

        Raises:
            Invalid: a field is missing or of the wrong kind.
            StoreError: the store cannot be read.
        """
        return await self.ask(office, valid(self.shape, fields))


def event_frame(logged: Logged) -> EventFrame:
    """Return an event as it stands in a frame."""
    return EventFrame(
        cursor=logged.cursor, subject=logged.event.subject, data=logged.event
    )


async def events(office: Office, fields: Fields) -> list[Any]:
    """Return a part of the log."""
    found = await office.hub.store.events(**{"limit": LIMIT, **fields})
    return [event_frame(logged) for logged in found]


async def history(office: Office, fields: Fields) -> list[Any]:
    """Return the newest events of one agent, newest first."""
    return await events(office, {**fields, "newest_first": True})


async def ledger(office: Office, fields: Fields) -> list[Delivery]:
    """Return the deliveries of a task, a broadcast or a help request, by agent."""
    return await office.hub.store.deliveries(**{"limit": LIMIT, **fields})


async def mailbox(office: Office, fields: Fields) -> list[Delivery]:
    """Return the deliveries of one agent, newest first."""
    return await office.hub.store.deliveries(**{"limit": LIMIT, **fields})


async def dead(office: Office, fields: Fields) -> list[Delivery]:
    """Return dead deliveries, newest first, those that were retried too."""
    wanted = {"limit": LIMIT, **fields}
    return await office.hub.store.deliveries(state="dead", **wanted)


async def letters(office: Office, fields: Fields) -> list[Letter]:
    """Return letters, those that changed last first."""
    return await office.hub.store.letters(**{"limit": LIMIT, **fields})


async def run(office: Office, fields: Fields) -> list[Any]:
    """Return one run, and how far it is."""
    return [await office.runs.view(fields["id"])]


async def runs(office: Office, fields: Fields) -> list[Run]:
    """Return runs, those that changed last first."""
    return await office.runs.listed({"limit": LIMIT, **fields})


async def items(office: Office, fields: Fields) -> list[Item]:
    """Return items of a stage of a run, in order."""
    return await office.runs.items({"limit": LIMIT, **fields})


async def tree(office: Office, fields: Fields) -> list[Any]:
    """Return a run with those below it."""
    return [await office.runs.tree(fields["id"])]


async def checkpoints(office: Office, fields: Fields) -> list[Checkpoint]:
    """Return the newest checkpoints of a run, newest first."""
    return await office.runs.checkpoints(fields["id"], fields.get("limit", LIMIT))


async def plan(office: Office, fields: Fields) -> list[Plan]:
    """Return a plan."""
    return [await office.runs.plan(fields["id"])]


async def ping(_office: Office, _fields: Fields) -> list[Any]:
    """Return nothing: the answer is that it came."""
    return []


QUESTIONS: Final[dict[str, Question]] = {
    "history": Question(TypeAdapter(HistoryQuestion), history),
    "events": Question(TypeAdapter(EventsQuestion), events),
    "ledger": Question(TypeAdapter(LedgerQuestion), ledger),
    "mailbox": Question(TypeAdapter(MailboxQuestion), mailbox),
    "dead": Question(TypeAdapter(DeadQuestion), dead),
    "letters": Question(TypeAdapter(LettersQuestion), letters),
    "run": Question(TypeAdapter(RunQuestion), run),
    "runs": Question(TypeAdapter(RunsQuestion), runs),
    "items": Question(TypeAdapter(ItemsQuestion), items),
    "tree": Question(TypeAdapter(RunQuestion), tree),
    "checkpoints": Question(TypeAdapter(CheckpointsQuestion), checkpoints),
    "plan": Question(TypeAdapter(PlanQuestion), plan),
    "ping": Question(TypeAdapter(dict[str, Any]), ping),
}
"""What may be asked, by the word on the wire."""
