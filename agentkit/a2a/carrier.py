"""Carries work between the hub and one A2A agent.

The carrier is the agent as far as the hub can see: it claims the agent's work, sends it
on as a message, and ends it with what came of it. How that goes is told to the hub as
push notifications: by the agent itself if it can, and by the carrier, which looks every
few seconds; the hub takes each status once. Whoever holds the lease ends the task, so
that is the carrier alone.

A task whose carrier was killed is claimed anew and sent anew, like any other.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from agentkit.a2a.book import Entry
from agentkit.a2a.errors import PeerError, PeerUnreachable, TaskFailed
from agentkit.a2a.peer import Peer
from agentkit.a2a.telling import derived, follow, push_of, tell
from agentkit.a2a.words import LONGEST, WAITS, Row, Told, text_of
from agentkit.agent import Agent
from agentkit.backoff import delays
from agentkit.errors import AgentkitError, HubError
from agentkit.inbox import Mail
from agentkit.jobs import Job, Reject
from agentkit.rows import Report
from agentkit.settings import Endpoint

log = logging.getLogger(__name__)

GOODBYE: Final = 1.5
"""Seconds that an agent has to take note that a task is called off."""

ROOM: Final = 48_000
"""Bytes of artifacts, as JSON, that go into a result itself."""

NAMES: Final = frozenset({"id", "title"})
"""What the body of a task has beside what it says."""

TOLD: Final = ("name", "description", "parts")
"""What a result has of an artifact."""


class Carrier:
    """Carries the work of one agent.

    Args:
        entry: the agent, as it was added.
        hub: where its work comes from; the token is an operator's.
    """

    def __init__(self, entry: Entry, hub: Endpoint) -> None:
        self.entry = entry
        self._hub = hub
        self._token = ""
        self._stir = asyncio.Event()
        self._told: Told | None = None
        """What is known of the task that it works on; None between tasks."""
        self._is_known = asyncio.Event()
        self._is_known.set()

    async def run(self) -> None:
        """Carry work until it is cancelled; an agent that is away is waited for.

        Raises:
            Invalid: its credentials cannot be read, or are for another address.
            HubError: the hub cannot be asked for the agent's token, or refused us.
        """
        said = ""
        for wait in delays():
            try:
                async with Peer.found(self.entry.address()) as peer:
                    await self._carry(peer)
            except PeerError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("%s is waited for: %s", self.entry.id, said)
            await asyncio.sleep(wait)

    async def _carry(self, peer: Peer) -> None:
        self._token = await asyncio.to_thread(derived, self._hub, self.entry.id)
        able = peer.card.capabilities
        agent = Agent(self.entry.id, capabilities=able, hub=self._hub, durable=False)
        agent.on_work(lambda job: self._work(agent, peer, job))
        agent.on_answer(lambda mail: self._answer(agent, peer, mail))
        async with agent:
            await agent.run_forever()

    # --- one task ---

    async def _work(self, agent: Agent, peer: Peer, job: Job) -> dict[str, Any]:
        """Have the agent do a task; return what it led to."""
        self._is_known.clear()
        push = push_of(self.entry, self._hub, self._token, job.id)
        text, key = text_of_job(job), f"{job.id}-{job.fence}"
        try:
            told = await _patiently(
                agent, job.id, lambda: peer.send(text, key=key, push=push)
            )
            if told.state is None:
                return {"text": told.text}
            return await outcome(await self._follow(agent, peer, job.id, told), job)
        finally:
            self._told = None
            self._is_known.set()

    async def _follow(self, agent: Agent, peer: Peer, task: str, told: Told) -> Told:
        """Stay with a task until it is over; call it off if it is ours no more."""

        async def look() -> Told:
            return await _patiently(agent, task, lambda: peer.look(told.task))

        try:
            return await follow(
                told, look, lambda news: self._tell(news, task), self._stir
            )
        except asyncio.CancelledError:
            await _call_off(peer, told.task)
            raise

    async def _tell(self, told: Told, task: str) -> None:
        """Tell the hub a status; one that is away is waited for."""
        self._told = told
        self._is_known.set()
        for wait in delays():
            try:
                await tell(self._hub, self.entry.id, told, task)
            except HubError:
                await asyncio.sleep(wait)
            except AgentkitError as error:
                log.warning("the hub will not be told how %s goes: %s", task, error)
                return
            else:
                return

    async def _answer(self, agent: Agent, peer: Peer, mail: Mail) -> None:
        """Give the agent the answer that its task waits for."""
        await self._is_known.wait()
        told = self._told
        if told is None:
            who = self.entry.id
            log.warning("%s waits for no answer: that to %s is left", who, mail.ref)
            return
        try:
            key = f"answer-{mail.ref}"
            await _until_there(lambda: peer.send(mail.text, key=key, to=told))
        except PeerError as error:
            await agent.blocked(f"the answer was not taken: {error}")
        self._stir.set()


async def _patiently(
    agent: Agent, task: str, question: Callable[[], Awaitable[Told]]
) -> Told:
    """Ask until there is an answer; people see when there is none."""
    try:
        return await question()
    except PeerUnreachable as error:
        await agent.blocked(str(error), task=task)
    told = await _until_there(question)
    report: Report = "blocked" if told.state in WAITS else "busy"
    await agent.report(report, task=task, message=told.words)
    return told


async def _until_there(question: Callable[[], Awaitable[Told]]) -> Told:
    """Ask until there is an answer."""
    for wait in delays():
        try:
            return await question()
        except PeerUnreachable:
            await asyncio.sleep(wait)
    raise AssertionError


async def _call_off(peer: Peer, task: str) -> None:
    with suppress(PeerError, TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await peer.cancel(task)


def text_of_job(job: Job) -> str:
    """Return a task in words: its title, then its one text, or its body as JSON."""
    body = {name: value for name, value in job.body.items() if name not in NAMES}
    texts = [value for value in body.values() if isinstance(value, str)]
    details = json.dumps(body, ensure_ascii=False) if body else ""
    if len(body) == len(texts) == 1:
        details = texts[0]
    return "\n\n".join(filter(None, (job.title, details))) or job.id


async def outcome(told: Told, job: Job) -> dict[str, Any]:
    """Return what a task led to; artifacts that are large stay beside the result.

    Raises:
        Reject: the agent will not do it, however often it is asked.
        TaskFailed: another attempt may do better.
    """
    if told.state in ("canceled", "rejected"):
        raise Reject(told.words)
    if told.state == "failed":
        raise TaskFailed(told.words)
    texts = [told.text, *(text_of(row.get("parts")) for row in told.artifacts)]
    text = "\n\n".join(filter(None, texts))[:LONGEST]
    artifacts = [_plain(row) for row in told.artifacts]
    if len(json.dumps(artifacts)) <= ROOM:
        return {"text": text, "artifacts": artifacts}
    return {"text": text, "artifacts": await job.keep(artifacts, "artifacts")}


def _plain(artifact: Row) -> Mapping[str, Any]:
    """Return an artifact without what is only for A2A."""
    return {key: artifact[key] for key in TOLD if artifact.get(key)}
