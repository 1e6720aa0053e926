"""``swarmtui a2a``: agents that speak A2A, added to the swarm and given its work."""

import asyncio
import logging
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from agentkit.a2a.book import Book, Entry
from agentkit.a2a.cards import Card
from agentkit.a2a.carrier import Carrier
from agentkit.a2a.peer import Peer
from agentkit.a2a.telling import derived, follow, push_of, tell
from agentkit.a2a.words import Told
from agentkit.calls import Caller
from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.readers import masked, web_address
from agentkit.settings import Endpoint
from swarmtui import output, words
from swarmtui.asking import answering, hub_meant, hub_options
from swarmtui.output import Column, Form
from swarmtui.text import plural, safe

WITHIN: Final = 10.0
"""Seconds that the hub may take."""

LONGEST_ID: Final = 256

ENDS: Final = (signal.SIGINT, signal.SIGTERM)

ADDED: Final = (
    Column("id"),
    Column("url", flexible=True),
    Column("credentials", flexible=True, spare=1),
    Column("hub", flexible=True, spare=2),
)


def _address(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> str | None:
    """Read an address."""
    try:
        return None if value is None else web_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{masked(value)} {error}") from None


@click.group()
def a2a() -> None:
    """Add agents that speak A2A, and carry their work.

    What was added can be given work like any other agent; swarmtui a2a run carries it
    there and brings back what came of it.
    """


# --- add -----------------------------------------------------------------------------


@a2a.command()
@click.argument("address", metavar="URL", callback=_address)
@click.option("--name", metavar="ID", help="What the hub calls it [its own name].")
@click.option("--task", metavar="TEXT", help="Send it this as a first task.")
@click.option(
    "--credentials",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Holds the bearer token that it asks for.",
)
@click.option(
    "--hub-url",
    callback=_address,
    metavar="URL",
    help="Where it reaches the hub [as we do].",
)
@output.form_options
@hub_options
def add(
    *,
    address: str,
    name: str | None,
    task: str | None,
    credentials: Path | None,
    hub_url: str | None,
    form: Form,
) -> None:
    """Add an agent that speaks A2A.

    URL is where it is, or where its card lies. With --task it gets a first task at
    once; an agent that cannot push is watched until the task is over.
    """
    hub = answering(hub_meant())
    kept = str(credentials.absolute()) if credentials else ""
    found = Entry("", address, kept, hub_url or "")
    asyncio.run(_add(found, name or "", task or "", hub, form))


async def _add(found: Entry, name: str, task: str, hub: Endpoint, form: Form) -> None:
    async with Peer.found(found.address()) as peer:
        entry = Entry(_id_of(peer.card, name), found.url, found.credentials, found.hub)
        await asyncio.to_thread(_register, entry, peer.card, hub)
        if form == "table":
            _describe(entry, peer.card)
        told = await _first(peer, entry, hub, task) if task else None
    if form == "table":
        output.line(entry.id)
    else:
        output.as_json(
            added={
                **asdict(entry),
                "card": asdict(peer.card),
                "capabilities": peer.card.capabilities,
                "task": asdict(told) if told else None,
            }
        )


def _id_of(card: Card, name: str) -> str:
    """Return what the hub calls an agent: as was said, else after its own name."""
    made = name or re.sub(r"[^\w.-]+", "-", card.name).strip("-.").lower()
    if not made or len(made) > LONGEST_ID or not made.isprintable():
        raise Invalid(f"the name {safe(card.name)!r} makes no id: add --name ID")
    return made


def _register(entry: Entry, card: Card, hub: Endpoint) -> None:
    """Have the hub know the agent, and remember it.

    Raises:
        Conflict: another agent has its name.
        Invalid: a capability is none that the hub takes.
    """
    book = Book.of()
    other = book.entries().get(entry.id)
    if other is not None and other.url != entry.url:
        raise Conflict(
            f"{entry.id} was added for {other.url}: choose another --name, or take it "
            f"out with swarmtui a2a remove {entry.id}"
        )
    with Caller(hub, WITHIN) as caller:
        row = _known(caller, entry.id)
        if row.get("linked") and other is None:
            raise Conflict(
                f"another agent called {entry.id} is connected: choose another --name"
            )
        if row.get("status", "idle") == "idle":
            able = {"report": "idle", "capabilities": card.capabilities}
            caller.post("agents", entry.id, "status", body=able)
    book.put(entry)


def _known(caller: Caller, agent: str) -> Mapping[str, Any]:
    """Return the row of an agent; one that the hub does not know has none."""
    try:
        row: Mapping[str, Any] = caller.get("agents", agent)["agent"]
    except NotFound:
        return {}
    return row


def _describe(entry: Entry, card: Card) -> None:
    """Say what was found."""
    version = f" {card.version}" if card.version else ""
    how = "pushes its progress" if card.pushes else "cannot push, it is looked at"
    words.say(safe(f"{card.name}{version}: {card.description or 'no description'}"))
    words.say(f"speaks A2A {card.protocol} at {safe(card.url)}, {how}")
    for skill in card.skills:
        tags = f" ({', '.join(skill.tags)})" if skill.tags else ""
        words.say(safe(f"  {skill.name or skill.id}: {skill.description}{tags}"))
    words.say(f"swarmtui a2a run {entry.id} carries the work that it is given")


async def _first(peer: Peer, entry: Entry, hub: Endpoint, task: str) -> Told:
    """Send an agent a first task; watch it if the agent cannot tell how it goes."""
    token = await asyncio.to_thread(derived, hub, entry.id)
    key = f"first-{os.urandom(8).hex()}"
    told = await peer.send(task, key=key, push=push_of(entry, hub, token))
    if told.state is None:
        words.say(f"it answered at once: {safe(told.text)}")
        return told
    words.say(f"it has the task as {safe(told.task)}")
    if peer.card.pushes:
        return told
    words.say("watching it until it is over; Ctrl-C ends that, and leaves the task")
    return await follow(
        told,
        lambda: peer.look(told.task),
        lambda news: tell(hub, entry.id, news),
    )


# --- list, remove, run ---------------------------------------------------------------


@a2a.command(name="list")
@output.form_options
def list_(*, form: Form) -> None:
    """List the agents that were added on this machine."""
    found = list(Book.of().entries().values())
    output.rows(form, "agents", found, ADDED, cells=_cells, data=asdict)


def _cells(entry: Entry) -> Sequence[str]:
    return [entry.id, entry.url, entry.credentials, entry.hub]


@a2a.command()
@click.argument("ids", metavar="ID…", nargs=-1, required=True)
def remove(*, ids: tuple[str, ...]) -> None:
    """Take agents out again: nobody carries their work any more.

    The hub goes on knowing them, with all that they did.
    """
    book = Book.of()
    for key in ids:
        book.remove(key)
        words.say(f"{safe(key)} is taken out")


@a2a.command()
@click.argument("ids", metavar="[ID…]", nargs=-1)
@hub_options
def run(*, ids: tuple[str, ...]) -> None:
    """Carry the work of agents that were added, of all or of some, until Ctrl-C.

    What is assigned to one, or queued for what it can do, is sent to it as a message;
    what came of it completes the task. What it asks is in the help desk, and the answer
    goes back to it. A task that is called off here is called off there.
    """
    entries = Book.of().chosen(ids)
    hub = answering(hub_meant())
    named = ", ".join(entry.id for entry in entries)
    count = plural(len(entries), "agent")
    logging.basicConfig(level=logging.WARNING, handlers=[_Aloud()])
    words.say(f"carrying the work of {count} ({safe(named)}); Ctrl-C ends it")
    asyncio.run(_carry([Carrier(entry, hub) for entry in entries]))


class _Aloud(logging.Handler):
    """Says what happens in a sentence, without where in the code it did."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record."""
        error = record.exc_info[1] if record.exc_info else None
        told = (record.getMessage(), str(error) if error else "")
        words.say(safe(": ".join(filter(None, told))))


async def _carry(carriers: Sequence[Carrier]) -> None:
    """Run carriers until a signal comes.

    Raises:
        AgentkitError: what ended one of them for good.
    """
    enough = asyncio.Event()
    for number in ENDS:
        asyncio.get_running_loop().add_signal_handler(number, enough.set)
    jobs = [asyncio.ensure_future(carrier.run()) for carrier in carriers]
    ends = asyncio.ensure_future(enough.wait())
    try:
        await asyncio.wait([ends, *jobs], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for job in (ends, *jobs):
            job.cancel()
        found = await asyncio.gather(ends, *jobs, return_exceptions=True)
    for error in found:
        if isinstance(error, Exception):
            raise error
