"""How the hub learns how a task of an A2A agent goes: it is pushed, or looked at."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from agentkit.a2a.book import Entry
from agentkit.a2a.peer import Push
from agentkit.a2a.words import Told, status_update
from agentkit.calls import Caller
from agentkit.settings import Endpoint

FIRST_LOOK: Final = 0.25
LAST_LOOK: Final = 5.0
"""Seconds between two looks at a task: at first, and when nothing changes for long."""

WITHIN: Final = 10.0
"""Seconds that the hub may take."""


def derived(hub: Endpoint, agent: str) -> str:
    """Return an agent's own token.

    Raises:
        AgentkitError: the hub could not be asked, or our token is not an operator's.
    """
    with Caller(hub, WITHIN) as caller:
        made = caller.post("tokens", f"agent:{agent}", "derive", body={})
    return str(made["token"])


def push_of(entry: Entry, hub: Endpoint, token: str, task: str = "") -> Push:
    """Return where an agent is to tell how a task goes.

    Args:
        entry: the agent.
        hub: as we reach it.
        token: of the agent, for the hub.
        task: of the hub, when it is one that the agent works on.
    """
    return Push((entry.hub or hub.url) + push_path(entry.id, task), token)


def push_path(agent: str, task: str = "") -> str:
    """Return where the hub takes notifications of an agent, below its address."""
    about = f"?for={quote(task, safe='')}" if task else ""
    return f"/a2a/push/{quote(agent, safe='')}{about}"


async def tell(hub: Endpoint, agent: str, told: Told, task: str = "") -> None:
    """Tell the hub a status, as the agent would.

    Raises:
        AgentkitError: the hub could not be asked, or refused.
    """

    def post() -> None:
        with Caller(hub, WITHIN) as caller:
            caller.request("POST", push_path(agent, task), status_update(told))

    await asyncio.to_thread(post)


async def follow(
    told: Told,
    look: Callable[[], Awaitable[Told]],
    tell: Callable[[Told], Awaitable[None]],
    stir: asyncio.Event | None = None,
) -> Told:
    """Look at a task until it is over, and tell each status; return the last.

    Args:
        told: what is known of it.
        look: asks how far it is.
        tell: is told what is new.
        stir: has it looked at now.
    """
    stir = stir or asyncio.Event()
    while True:
        await tell(told)
        if told.is_over:
            return told
        waits, before = _looks(), told.fingerprint
        while told.fingerprint == before:
            with suppress(TimeoutError):
                async with asyncio.timeout(next(waits)):
                    await stir.wait()
                waits = _looks()
            stir.clear()
            told = await look()


def _looks() -> Iterator[float]:
    """Yield the seconds to wait before each further look."""
    wait = FIRST_LOOK
    while True:
        yield wait
        wait = min(wait * 1.5, LAST_LOOK)
