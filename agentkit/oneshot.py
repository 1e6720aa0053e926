"""One thing said, synchronously, and then no more: for hooks and short scripts.

A hub that is down never breaks an agent: a report, or what became of a task, is put on
disk, and the next one that reaches the hub takes it along, in order and with effect
exactly once. With a master key it lies there sealed; what cannot be unsealed stays, is
told of, and lets the others pass.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from agentkit import places
from agentkit.calls import Caller
from agentkit.errors import (
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnreachable,
    SwarmError,
)
from agentkit.quick import BUDGET
from agentkit.rows import Report, Severity
from agentkit.settings import Endpoint, KitSettings, endpoint, load
from agentkit.spool import Letter, Locked, Spool


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a letter."""

    agent: str
    delivered: bool
    """The hub has stored it; otherwise it waits on disk, or reports are disabled."""
    waiting: int = 0
    """Letters that wait on disk."""
    reason: str = ""
    """Why it, or one that waited before it, was not delivered."""
    refused: tuple[str, ...] = ()
    """Earlier letters that the hub refused for good, each with the reason."""


def notify(
    report: Report,
    task: str | None = None,
    *,
    agent: str | None = None,
    message: str | None = None,
    capabilities: Sequence[str] | None = None,
    cost: float | None = None,
    completed: int | None = None,
    severity: Severity | None = None,
    choices: Sequence[str] = (),
    help_id: str = "",
    via: str = "http",
    key: str = "",
    timeout: float = BUDGET,
    settings: KitSettings | None = None,
) -> Sent:
    """Report to the hub, or store the report until the hub is back.

    Args:
        report: ``idle``, ``busy``, ``blocked``, ``completed`` or ``help``.
        task: what it is about; left out, the hub keeps what it knows.
        agent: who reports; else ``SWARMTUI_AGENT``, else the project and the host.
        message: the reason for being blocked, or the question.
        capabilities: what the agent can do; else ``SWARMTUI_CAPABILITIES``.
        cost: US dollars spent so far.
        completed: tasks completed so far.
        severity: of a question or blocker.
        choices: the answers to choose from.
        help_id: the help request that the report may open; the hub makes one otherwise.
        via: what the hub notes as the way the report came.
        key: an idempotency key; the same one has no second effect.
        timeout: seconds to wait for the hub.
        settings: where the hub is; looked up otherwise.

    Raises:
        HubRefused: the hub, or whatever answers, will not talk to us.
        SwarmError: the hub refused the report; it was not stored.
        Locked: the hub is down and the master key cannot be used; it was not stored.
        OSError: the hub is down and the report could not be put on disk either.
    """
    kit = settings or load(KitSettings).values
    name = agent or kit.agent or places.agent_here(os.environ, str(Path.cwd()))
    if kit.disable:
        return Sent(name, delivered=False, reason="reports are disabled")
    able = kit.capabilities if capabilities is None else capabilities
    body = _body(
        via=via,
        report=report,
        reported_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        task=task,
        message=message,
        capabilities=list(able) or None,
        cost=cost,
        completed=completed,
        severity=severity,
        choices=list(choices) or None,
        id=help_id or None,
    )
    return send(Letter(name, key or os.urandom(16).hex(), body), kit, timeout)


def send(letter: Letter, kit: KitSettings, timeout: float = BUDGET) -> Sent:
    """Give the hub a letter, behind all that wait; store it until the hub is back.

    Raises:
        HubRefused: the hub, or whatever answers, will not talk to us.
        SwarmError: the hub refused the letter; it was not stored.
        Locked: the hub is down and the master key cannot be used; it was not stored.
        OSError: the hub is down and the letter could not be put on disk either.
    """
    spool = Spool.of(kit)
    try:
        hub = endpoint(kit)
    except HubUnreachable as error:
        spool.put(letter)
        return Sent(letter.agent, False, len(spool), str(error))
    if not len(spool):
        return _deliver(hub, spool, letter, timeout)
    try:
        newest = spool.put(letter)
    except Locked as error:  # which is nothing to a hub that is there
        sent = _deliver(hub, spool, letter, timeout)
        return replace(sent, waiting=len(spool), reason=str(error))
    return _drain(hub, spool, newest, timeout)


def catch_up(agent: str, kit: KitSettings, timeout: float = BUDGET) -> Sent:
    """Give the hub what waits on disk, if anything does.

    Raises:
        HubRefused: the hub, or whatever answers, will not talk to us.
    """
    spool = Spool.of(kit)
    if not len(spool):
        return Sent(agent, delivered=True)
    return _drain(endpoint(kit), spool, Letter(agent, "", {}), timeout)


def _body(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _deliver(hub: Endpoint, spool: Spool, letter: Letter, timeout: float) -> Sent:
    """Send a letter; store it when the hub is not there."""
    try:
        with Caller(hub, timeout) as caller:
            _post(caller, letter)
    except HubRefused:
        raise
    except HubError as error:
        spool.put(letter)
        return Sent(letter.agent, False, len(spool), str(error))
    return Sent(letter.agent, delivered=True)


def _drain(hub: Endpoint, spool: Spool, newest: Letter, timeout: float) -> Sent:
    """Send all that waits, in order, until the time is over."""
    refused: list[str] = []
    reason = ""
    with Caller(hub, timeout) as caller:
        for name in takewhile(lambda _: caller.left > 0, spool.names()):
            try:
                refused += _pass_on(caller, spool, name, newest)
            except Locked as error:
                reason = str(error)
            except HubRefused:
                raise
            except HubError as error:
                reason = str(error)
                break
    left = spool.names()
    delivered = newest.file not in left
    return Sent(newest.agent, delivered, len(left), reason, tuple(refused))


def _pass_on(caller: Caller, spool: Spool, name: str, newest: Letter) -> list[str]:
    """Send a letter that waits; return what the hub has against it, if anything.

    Raises:
        Locked: it cannot be unsealed; it stays where it is.
        HubError: it did not reach the hub; it stays where it is.
        SwarmError: it is the newest, and the hub refused it.
    """
    letter = spool.read(name)
    if letter is None:
        return []
    try:
        _post(caller, letter)
    except SwarmError as error:
        spool.drop(letter)
        if name == newest.file:
            raise
        return [f"{letter}: {error}"]
    spool.drop(letter)
    return []


def _post(caller: Caller, letter: Letter) -> None:
    if caller.left <= 0:
        raise HubUnavailable("the hub did not answer in time")
    caller.post(*letter.address, body=letter.body, key=letter.key)
