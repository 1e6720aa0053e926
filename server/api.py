"""The API under ``/v1``: what its routes run."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import orjson
from pydantic import TypeAdapter

from agentkit.errors import Invalid, NotAllowed, NotFound
from agentkit.filters import compile_filter
from agentkit.protocol import (
    Ack,
    Done,
    GiveUp,
    Logged,
    Notify,
    ReportRefused,
    Spend,
)
from agentkit.rows import Agent, Delivery, presence
from server import inquiries, spools, wire
from server.asgi import Reply, dumps
from server.core import Swarm
from server.office import Office
from server.questions import LIMIT, QUESTIONS, event_frame
from server.replies import (
    AgentPage,
    AgentView,
    BroadcastView,
    DeliveryPage,
    EventPage,
    LetterPage,
    MailboxState,
    Preview,
    Queue,
    Redelivery,
    Rows,
    SpendDone,
    StatusReply,
    TaskPage,
)
from server.routes import Call, Run
from server.wire import WISHES, valid

R = TypeVar("R", bound=Rows)

PREVIEWED: Final = 20
"""How many recipients a preview names."""

NOUNS: Final = {
    "assign": ("tasks", "task"),
    "enqueue": ("tasks", "task"),
    "cancel": ("tasks", "task"),
    "requeue": ("tasks", "task"),
    "broadcast": ("broadcasts", "broadcast"),
    "send": ("broadcasts", "message"),
    "unbury": ("letters", "letter"),
    "discard": ("letters", "letter"),
}
"""The table that a wish is about and the field of its events that names the row;
every other wish is about a help request."""


async def fields(call: Call) -> dict[str, Any]:
    """Return what a request says: in its body, its query and its path.

    Raises:
        Invalid: the body is not an object of JSON.
    """
    return {**call.query(), **as_object(await call.body()), **call.params}


def as_object(body: bytes) -> dict[str, Any]:
    """Return the object of JSON that a body is.

    Raises:
        Invalid: it is something else.
    """
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Invalid("the body is not an object: send {…}")
    return value


def page(rows: Sequence[R], question: dict[str, Any]) -> tuple[list[R], str | None]:
    """Return a page of rows by id, and the id to go on from."""
    after, limit = question.get("after", ""), question.get("limit", LIMIT)
    chosen = sorted((row for row in rows if row.id > after), key=lambda row: row.id)
    return chosen[:limit], chosen[limit - 1].id if len(chosen) > limit else None


# --- agents --------------------------------------------------------------------------


async def agents(office: Office, call: Call) -> Reply:
    """List the agents that a filter chooses."""
    question = valid(AGENTS, await fields(call))
    found = await choose(office, question.get("q", ""))
    rows, after = page(found, question)
    return Reply(dumps(AgentPage(agents=rows, next=after)))


async def choose(office: Office, where: str) -> list[Agent]:
    """Return the agents that a filter chooses; asked beside the loop.

    Raises:
        BadFilter: it cannot be read.
    """
    chosen = compile_filter(where)
    now = office.hub.now()
    rows = await office.hub.ask(lambda swarm: list(swarm.agents.values()))
    return await asyncio.to_thread(
        lambda: [agent for agent in rows if chosen(agent, now)]
    )


async def agent(office: Office, call: Call) -> Reply:
    """Show one agent, and why it is as it is."""
    key = call.params["agent"]
    if call.principal.role == "agent":
        office.gate.require(call.principal, key)
    row = await office.hub.ask(lambda swarm: swarm.agent(key))
    why = await office.hub.store.events(after=row.cause - 1, limit=1)
    view = AgentView(
        agent=row,
        presence=presence(row, office.hub.now()),
        why=event_frame(why[0]) if why and why[0].cursor == row.cause else None,
    )
    return Reply(dumps(view))


async def status(office: Office, call: Call) -> Reply:
    """Take a report of an agent."""
    key = call.params["agent"]
    office.gate.require(call.principal, key)
    office.slow_down(key)
    body = await call.body()
    report = valid(wire.STATUS, {**as_object(body), "agent": key})
    wish = Notify(**report)
    if wish.spool:
        await spools.accepted(office.hub, key, wish.spool)
    outcome = await office.hub.submit(
        wish,
        read=lambda swarm, _: swarm.spools.get((wish.agent, wish.spool)),
        key=call.key(),
        size=len(body),
    )
    match outcome.events:
        case (Logged(_, ReportRefused() as refused), *_):
            raise Invalid(refused.reason)
    accepted = outcome.value.accepted if outcome.value else 0
    return Reply(dumps(StatusReply(status="received", agent=key, accepted=accepted)))


async def spend(office: Office, call: Call) -> Reply:
    """Count what an agent says that it used."""
    key = call.params["agent"]
    office.gate.require(call.principal, key)
    office.slow_down(key)
    body = await call.body()
    used = valid(wire.SPEND, {**as_object(body), "agent": key})
    outcome = await office.hub.submit(
        Spend(**used, told=True),
        read=lambda swarm, _: swarm.agents[key],
        key=call.key(),
        size=len(body),
    )
    events = [event_frame(logged) for logged in outcome.events]
    return Reply(dumps(SpendDone(agent=outcome.value, events=events)))


async def read_mailbox(office: Office, call: Call) -> Reply:
    """Hand out what lies in a mailbox, waiting for it when asked to."""
    question = valid(MAIL, await fields(call))
    key = question["agent"]
    office.gate.require(call.principal, key)
    await office.hub.ask(lambda swarm: swarm.agent(key))
    letters = await office.mailroom.await_letters(
        key,
        question.get("after", 0),
        question.get("limit", LIMIT),
        question.get("wait", 0.0),
    )
    if not question.get("peek", False):
        await office.mailroom.mark_sent([letter.delivery for letter in letters])
    frames = b",".join(letter.text for letter in letters)
    return Reply(b'{"agent":%b,"mail":[%b]}' % (dumps(key), frames))


async def sign_mailbox(office: Office, call: Call) -> Reply:
    """Take the receipts of an agent: what it has, has handled, and has given up."""
    said = valid(wire.RECEIPTS, await fields(call))
    key = said["agent"]
    office.gate.require(call.principal, key)
    if "acked" in said:
        await office.hub.submit(Ack(agent=key, upto=said["acked"]))
    for seq in said.get("done", ()):
        await office.hub.submit(Done(agent=key, seq=seq))
    for given_up in said.get("dead", ()):
        await office.hub.submit(GiveUp(agent=key, **given_up))
    unread = await office.hub.ask(lambda swarm: swarm.unread(key))
    return Reply(dumps(MailboxState(agent=key, unread=unread)))


async def queue(office: Office, _call: Call) -> Reply:
    """List who waits for work, who waits longest first."""
    rows = await office.hub.ask(lambda swarm: [swarm.agents[key] for key in swarm.idle])
    return Reply(dumps(Queue(queue=rows)))


# --- wishes --------------------------------------------------------------------------


def wish(word: str, status: int = 200) -> Run:
    """Return what submits a wish and answers with its row and its events."""

    async def run(office: Office, call: Call) -> Reply:
        return await submit(office, call, word, await call.body(), status=status)

    return run


async def submit(
    office: Office, call: Call, word: str, body: bytes, *, status: int = 200
) -> Reply:
    """Submit a wish and answer with its row and its events."""
    table, noun = NOUNS.get(word, ("helps", "help"))

    def read(swarm: Swarm, events: Sequence[Logged]) -> Any:
        key = getattr(events[0].event, noun) if events else ""
        return getattr(swarm, table).get(key)

    outcome = await office.hub.submit(
        WISHES[word].read({**as_object(body), **call.params}, call.principal.name),
        read=read,
        key=call.key(),
        size=len(body),
    )
    events = [event_frame(logged) for logged in outcome.events]
    return Reply(dumps({noun: outcome.value, "events": events}), status)


async def retry(office: Office, call: Call) -> Reply:
    """Send a dead delivery once more."""
    wish = WISHES["retry"].read(call.params, call.principal.name)

    def read(swarm: Swarm, events: Sequence[Logged]) -> Delivery | None:
        (retried,) = events
        agent = getattr(retried.event, "agent", "")
        return swarm.mail.get(agent, {}).get(retried.cursor)

    outcome = await office.hub.submit(wish, read=read, key=call.key())
    events = [event_frame(logged) for logged in outcome.events]
    return Reply(dumps(Redelivery(delivery=outcome.value, events=events)))


# --- lists and single rows -----------------------------------------------------------


def rows(
    table: str,
    shape: TypeAdapter[Any],
    name: str = "",
    keep: Callable[[Any], bool] = lambda _: True,
) -> Run:
    """Return what lists those rows of a table that `keep` says, under a name.

    The question's `agent` and `state` narrow them.
    """

    async def run(office: Office, call: Call) -> Reply:
        question = valid(shape, await fields(call))
        found = await office.hub.ask(lambda swarm: list(getattr(swarm, table).values()))
        wanted = {key: question[key] for key in ("agent", "state") if key in question}
        chosen, after = page(
            [row for row in found if keep(row) and _agrees(row, wanted)],
            question,
        )
        return Reply(dumps({name or table: chosen, "next": after}))

    return run


def _agrees(row: object, wanted: dict[str, str]) -> bool:
    return all(getattr(row, key) == value for key, value in wanted.items())


async def tasks(office: Office, call: Call) -> Reply:
    """List tasks; the question's `agent` and `state` narrow them."""
    question = valid(TASKS, await fields(call))
    rows, after, counts = await office.shelf.page(
        question, question.get("limit", LIMIT)
    )
    return Reply(dumps(TaskPage(tasks=rows, next=after, counts=counts)))


async def task(office: Office, call: Call) -> Reply:
    """Show one task, however old."""
    key = call.params["id"]
    row = await office.hub.ask(lambda swarm: swarm.tasks.get(key))
    row = row or await office.hub.store.task(key)
    if row is None:
        raise NotFound(f"no task {key!r} is known: GET /v1/tasks lists them")
    return Reply(dumps({"task": row, "events": []}))


async def help_request(office: Office, call: Call) -> Reply:
    """Show one help request, however old; an agent sees its own."""
    key, principal = call.params["help"], call.principal
    row = await office.hub.ask(lambda swarm: swarm.helps.get(key))
    row = row or await office.hub.store.help(key)
    if principal.role == "agent" and (row is None or row.agent != principal.agent):
        raise NotAllowed(
            f"help request {key!r} is none of agent {principal.agent!r}: an agent sees "
            "its own, so use a viewer's token"
        )
    if row is None:
        raise NotFound(f"no help request {key!r} is known: GET /v1/help lists them")
    return Reply(dumps({"help": row, "events": []}))


async def broadcast(office: Office, call: Call) -> Reply:
    """Show one broadcast, however old, with a page of its ledger."""
    question = valid(BROADCAST, await fields(call))
    key = question.pop("id")
    row = await office.hub.ask(lambda swarm: swarm.broadcasts.get(key))
    row = row or await office.hub.store.broadcast(key)
    if row is None:
        raise NotFound(f"no broadcast {key!r} is known: GET /v1/broadcasts lists them")
    ledger = await QUESTIONS["ledger"].answer(office, {"ref": key, **question})
    view = BroadcastView(
        broadcast=row, deliveries=ledger, next=_next_agent(ledger, question)
    )
    return Reply(dumps(view))


async def preview(office: Office, call: Call) -> Reply:
    """Say who would receive a broadcast."""
    question = valid(PREVIEW, await fields(call))
    found = await choose(office, question.get("where", ""))
    names = [row.id for row in found[:PREVIEWED]]
    return Reply(dumps(Preview(count=len(found), agents=names)))


async def deliveries(office: Office, call: Call) -> Reply:
    """List the deliveries of one thing, of one agent, or that are dead."""
    question = valid(DELIVERIES, await fields(call))
    if question.pop("state", ""):
        return await _dead(office, question)
    if ("ref" in question) == ("agent" in question):
        raise Invalid(
            "ref or agent chooses the deliveries, or state=dead: send one of them"
        )
    word = "ledger" if "ref" in question else "mailbox"
    found = await QUESTIONS[word].answer(office, question)
    after = _next_agent(found, question) if word == "ledger" else None
    return Reply(dumps(DeliveryPage(deliveries=found, next=after)))


async def _dead(office: Office, question: dict[str, Any]) -> Reply:
    found = await QUESTIONS["dead"].answer(office, question)
    full = len(found) == question.get("limit", LIMIT)
    return Reply(
        dumps(DeliveryPage(deliveries=found, next=found[-1].id if full else None))
    )


async def letters(office: Office, call: Call) -> Reply:
    """List letters, those that changed last first."""
    question = valid(QUESTIONS["letters"].shape, await fields(call))
    found = await QUESTIONS["letters"].ask(office, question)
    full = len(found) == question.get("limit", LIMIT)
    before = found[-1].version if full else None
    return Reply(dumps(LetterPage(letters=found, next=before)))


async def letter(office: Office, call: Call) -> Reply:
    """Show one letter, however old."""
    key = call.params["id"]
    row = await office.hub.store.letter(key)
    if row is None:
        raise NotFound(f"no letter {key!r} is known: GET /v1/letters lists them")
    return Reply(dumps({"letter": row, "events": []}))


def _next_agent(ledger: list[Any], question: dict[str, Any]) -> str | None:
    full = len(ledger) == question.get("limit", LIMIT)
    return ledger[-1].agent if full else None


def asked(word: str) -> Run:
    """Return what answers a question about the log."""

    async def run(office: Office, call: Call) -> Reply:
        question = valid(QUESTIONS[word].shape, await fields(call))
        found = await QUESTIONS[word].ask(office, question)
        full = len(found) == question.get("limit", LIMIT)
        after = found[-1]["cursor"] if full else None
        oldest = await office.hub.store.oldest()
        return Reply(dumps(EventPage(events=found, next=after, oldest=oldest)))

    return run


AGENTS: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.AgentsQuestion)
MAIL: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.MailQuestion)
TASKS: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.TasksQuestion)
HELPS: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.HelpQuestion)
BROADCASTS: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.PageQuestion)
BROADCAST: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.BroadcastQuestion)
PREVIEW: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.PreviewQuestion)
DELIVERIES: Final[TypeAdapter[Any]] = TypeAdapter(inquiries.DeliveriesQuestion)
