"""Asking the hub one thing from the command line: connect, ask, leave.

The commands that look and act share their flags and their way to the hub here. What
cannot be asked ends as an error of `agentkit.errors`, one sentence each.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

import click

from agentkit.calls import Caller
from agentkit.codec import decode
from agentkit.coordinator import Coordinator
from agentkit.errors import AgentkitError, HubError, HubUnavailable, NotFound
from agentkit.rows import Delivery, Task
from agentkit.settings import Endpoint, KitSettings, endpoint, load
from swarmtui import words
from swarmtui.model import Batch, Model

C = TypeVar("C", bound=Callable[..., Any])
T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a list may take, however long it is."""

PAGE = 1000
"""Rows of a list that are asked for at a time."""

AT_ONCE = 100
"""How many orders are on their way to the hub at a time."""

KNOCK = 2.0
"""Seconds that a hub may take to say that it is there."""


class NobodyThere(AgentkitError):
    """A filter chose nobody, or nothing."""

    code = "nobody"
    exit_code = 4


ADDRESS = (("--url", "URL", "The hub to ask; else the one that runs here."),)
MANNERS = (
    ("--token-file", "FILE", "Holds the token for that hub."),
    ("--ca-file", "FILE", "Certificates to trust, in PEM."),
)


def hub_options(command: C) -> C:
    """Give a command the flags that say which hub is meant; see `hub_meant`."""
    return _with(ADDRESS + MANNERS, command)


def token_options(command: C) -> C:
    """Give a command the same flags without the address, which it gets otherwise."""
    return _with(MANNERS, command)


def _with(flags: Sequence[tuple[str, str, str]], command: C) -> C:
    for flag, stand_in, about in reversed(flags):
        command = click.option(
            flag, metavar=stand_in, help=about, expose_value=False, callback=_keep
        )(command)
    return command


def _keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(dict)[param.name] = value


def hub_meant() -> Endpoint:
    """Return the hub that flags, environment and files say.

    Raises:
        Invalid: one of them cannot be read.
    """
    flags = click.get_current_context().ensure_object(dict)
    return endpoint(load(KitSettings, flags=flags).values)


def answering(hub: Endpoint) -> Endpoint:
    """Return a hub that answers, and answers us.

    Raises:
        HubError: it does not; the text says what helps.
    """
    with Caller(hub, KNOCK) as caller, suppress(HubUnavailable):
        caller.request("GET", "/healthz")
        caller.get("agents", limit=1)
    return hub


def answers(hub: Endpoint) -> bool:
    """Say whether a hub answers."""
    try:
        answering(hub)
    except HubError:
        return False
    return True


def ask(question: Callable[[Coordinator], Awaitable[T]]) -> T:
    """Connect, take a snapshot, ask, and leave.

    Raises:
        AgentkitError: the hub cannot be asked, or refuses.
    """

    async def asked() -> T:
        async with Coordinator(hub_meant()) as swarm:
            return await question(swarm)

    return asyncio.run(asked())


def each(
    names: Sequence[str],
    order: Callable[[Coordinator, str], Awaitable[T]],
    *,
    among: Callable[[Coordinator], Iterable[str]] = lambda swarm: swarm.tasks,
) -> tuple[list[tuple[str, T]], int]:
    """Give an order for each; return what it led to, and the exit code.

    What is refused does not keep the others from being done.

    Args:
        names: of what the orders are about.
        order: gives one.
        among: gives the names that there are, for who mistypes one.

    Raises:
        AgentkitError: there is only one, and it was refused.
    """

    async def orders(swarm: Coordinator) -> list[T | AgentkitError]:
        found: list[T | AgentkitError] = []
        for start in range(0, len(names), AT_ONCE):
            batch = names[start : start + AT_ONCE]
            given = (_tried(order, swarm, name, among) for name in batch)
            found += await asyncio.gather(*given)
        return found

    answers = list(zip(names, ask(orders), strict=True))
    refused = [answer for _, answer in answers if isinstance(answer, AgentkitError)]
    if refused and len(names) == 1:
        raise refused[0]
    for error in refused:
        words.fail(str(error))
    done = [(name, x) for name, x in answers if not isinstance(x, AgentkitError)]
    return done, refused[0].exit_code if refused else 0


async def _tried(
    order: Callable[[Coordinator, str], Awaitable[T]],
    swarm: Coordinator,
    name: str,
    among: Callable[[Coordinator], Iterable[str]],
) -> T | AgentkitError:
    """Give an order; return what it led to, or why it was refused."""
    try:
        return await order(swarm, name)
    except NotFound as error:
        near = get_close_matches(name, list(among(swarm)), 1)
        return NotFound(f"{error}; did you mean {near[0]}?") if near else error
    except AgentkitError as error:
        return error


def picture(swarm: Coordinator) -> Model:
    """Return the swarm as the dashboard would know it."""
    model = Model()
    model.apply(
        Batch(
            reset=True,
            agents=dict(swarm.agents),
            helps=dict(swarm.helps),
            tasks=dict(swarm.tasks),
            broadcasts=dict(swarm.broadcasts),
            task_counts=dict(swarm.task_counts),
        )
    )
    return model


async def look(swarm: Coordinator) -> Model:
    """Take the picture and ask nothing."""
    return picture(swarm)


def every_task() -> list[Task]:
    """Return the tasks of the hub: all that are not settled, the newest that are.

    A snapshot has only those that tell most.

    Raises:
        AgentkitError: the hub cannot be asked, or refuses.
    """
    return [decode(Task, row) for row in _rows("tasks")]


def dead_deliveries(agent: str | None = None) -> list[Delivery]:
    """Return what agents gave up, newest first: one agent, or all.

    Raises:
        AgentkitError: the hub cannot be asked, or refuses.
    """
    found = _rows("deliveries", state="dead", agent=agent)
    return [decode(Delivery, row) for row in found]


def _rows(table: str, **query: str | None) -> Iterator[dict[str, Any]]:
    after: str | None = None
    with Caller(hub_meant(), PATIENCE) as caller:
        while True:
            page = caller.get(table, after=after, limit=PAGE, **query)
            yield from page[table]
            after = page["next"]
            if after is None:
                return


LISTED = {"agent": "agents", "help request": "help-desk"}
"""Which command shows all that there are."""


def known(what: str, name: str, among: Any) -> None:
    """Check that there is something of this name.

    Raises:
        NotFound: there is not; the text names the nearest.
    """
    if name in among:
        return
    near = get_close_matches(name, among, n=1)
    hint = f"did you mean {near[0]}?" if near else f"see swarmtui {LISTED[what]}"
    raise NotFound(f"there is no {what} {name!r}: {hint}")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
