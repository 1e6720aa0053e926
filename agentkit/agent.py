"""The client for agents: reports up, mail down, over one WebSocket.

    async with Agent("a1", capabilities=["video"]) as agent:

        @agent.on_task
        async def work(mail: Mail) -> None:
            await agent.busy(mail.ref)
            ...
            await agent.completed(mail.ref)

        await agent.idle()
        await agent.run_forever()

Reports never wait for the hub: they go to the outbox, and from there in order, each
with effect exactly once, whenever the hub is there. Mail is acknowledged as it arrives,
and by a durable agent when it is on the disk; a handler that is slow delays only mail
of its own kind. `on_work` is another way to be given tasks: pushed under a lease, one
for each free slot (see `agentkit.jobs`). Agents talk to each other by messages and
calls (see `agentkit.messages`, `agentkit.remote`). `docs/agents.md` tells what is
promised.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, overload

from agentkit import jobs, places
from agentkit.boxes import Box
from agentkit.conversation import Conversation
from agentkit.endpoints import Endpoints
from agentkit.errands import Errands, Update, UpdateHandler, update_of
from agentkit.errors import AgentkitError, Conflict, HubUnavailable
from agentkit.inbox import Handler, Mail
from agentkit.jobs import BOTH, Job, Later, Reject, Worker, WorkHandler
from agentkit.link import Keeper, Link
from agentkit.messages import Message, MessageHandler, key_of, message_frame
from agentkit.questions import Questions
from agentkit.remote import Calls, Method, Methods, Remote, methods_of
from agentkit.reports import Reporter, status, usage
from agentkit.results import ResultBackend
from agentkit.rows import Guarantee, Report, Severity
from agentkit.settings import Endpoint, KitSettings, Storage, endpoint, load, storage
from agentkit.waiting import Waiters

__all__ = ["Agent", "Job", "Later", "Mail", "Message", "Reject", "Remote", "Update"]

log = logging.getLogger(__name__)

GOODBYE = 2.0
"""Seconds that leaving waits for the hub to store what was said."""


class Agent(Reporter):
    """One agent. Use it as an async context manager.

    Entering tries the hub once; when none is there it goes on trying behind.

    Args:
        id: who the agent is; else ``SWARMTUI_AGENT``, else the project and the host.
        capabilities: what it can do; else ``SWARMTUI_CAPABILITIES``.
        hub: where the hub is; else as the settings say, looked up at each connection.
        durable: keep outbox and inbox in a file, so that what was said and what was
            received survive the process; else ``SWARMTUI_DURABLE``. One process at a
            time can be the agent then.
        guarantee: whether mail that was being handled in a crash is handled again; else
            ``SWARMTUI_GUARANTEE``, else it is.
        key: the master key that seals the file; else as the settings say.

    Raises:
        HubRefused: on entering, when the hub does not want us.
        Conflict: on entering, when another process has the agent's file.
        WrongKey: on entering, when the file was sealed with another key.
    """

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 - what it is
        *,
        capabilities: Iterable[str] | None = None,
        hub: Endpoint | None = None,
        durable: bool | None = None,
        guarantee: Guarantee | None = None,
        key: str | None = None,
    ) -> None:
        loaded = load(KitSettings)
        kit = loaded.values
        self.id = id or kit.agent or places.default_agent(str(Path.cwd()))
        able = kit.capabilities if capabilities is None else capabilities
        self.capabilities = tuple(able)
        """What it can do; assign to it, and the next report carries the change."""
        self._told = self.capabilities
        self.guarantee: Guarantee = guarantee or kit.guarantee
        """What it promises for its mail."""
        self._storage = storage(loaded, durable=durable, key=key)
        self._box: Box | None = None
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self._chores: set[asyncio.Future[None]] = set()
        self._waiters = Waiters(self._check)
        self._keeper = Keeper(lambda: hub or endpoint(), "/v1/agent", self._look)
        self._talk = Conversation(
            self.id,
            able=lambda: self.capabilities,
            guarantee=self.guarantee,
            live=self._keeper.live,
            moved=self._waiters.stir,
            came=self._deliver,
            task_failed=self._task_failed,
            gave_up=self._gave_up,
            refused=self._refused,
        )
        self._calls = Calls(self._say)
        self._methods = Methods(
            self._say, now=lambda: datetime.now(UTC) + self._talk.ahead
        )
        self._questions = Questions(self._waiters, lambda: hub or endpoint())
        self.results = ResultBackend(hub)
        """Reads and writes results by address, of any size."""
        self.errands = Errands(self._talk.exchange, self._waiters)
        """What it asks about tasks."""
        self._register("reply", _leave)
        self._register("update", _leave)

    async def __aenter__(self) -> Self:
        if self._storage is not None:
            await self._unpack(self._storage)
        self._talk.inbox.start(self._methods.handle)
        if self._talk.worker is not None:
            self._talk.worker.start(self._talk.outbox)
        self._task = asyncio.create_task(self._keeper.run(self._talk.hold))
        self._task.add_done_callback(self._ended)
        try:
            await self._waiters.until(lambda: self.link.state in ("live", "waiting"))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _unpack(self, kept: Storage) -> None:
        """Go on with what is in the agent's file."""
        self._box = await asyncio.to_thread(
            Box.of, self.id, kept.folder, kept.key, kept.previous
        )
        try:
            await self._talk.keep(self._box)
        except BaseException:
            self._box.close()
            raise

    async def close(self) -> None:
        """Say goodbye and end; a durable agent keeps what the hub has not stored.

        Handlers are cancelled: mail is handled again by the next process of a durable
        agent, and jobs are given back.
        """
        # In a task that is being cancelled timeouts of Python 3.11 end with that.
        await asyncio.create_task(self._close())

    async def _close(self) -> None:
        self.errands.close()
        if self._talk.worker is not None:
            await self._talk.worker.close(GOODBYE, linked=self._talk.is_linked)
        if self._talk.is_linked:
            with suppress(AgentkitError):
                await self.flush(GOODBYE)
            self._talk.note({"type": "bye"})
            with suppress(TimeoutError, AgentkitError):
                async with asyncio.timeout(GOODBYE):
                    await self._waiters.until(lambda: self._talk.is_over)
        self._talk.inbox.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, AgentkitError):
                await self._task
        self._keeper.close()
        if self._box is not None:
            await asyncio.to_thread(self._box.close)

    @property
    def link(self) -> Link:
        """How the connection to the hub is."""
        return self._keeper.link

    @property
    def address(self) -> str:
        """Where other agents reach it, wherever they are."""
        return f"{self.id}@{self._talk.swarm}"

    @property
    def endpoints(self) -> Endpoints:
        """Who is told what its jobs notify; a durable agent keeps them."""
        return self._talk.endpoints

    # --- reports ---

    async def report(
        self,
        report: Report,
        *,
        task: str | None = None,
        message: str | None = None,
        cost: float | None = None,
        completed: int | None = None,
        severity: Severity | None = None,
        choices: Sequence[str] = (),
        help_id: str = "",
    ) -> None:
        """Report a status; what is left out keeps the value that the hub knows.

        Returns when the report is in the outbox: at once, or when it is durable on the
        disk. It does not wait for the hub.

        Args:
            report: the status.
            task: what it is about.
            message: the reason, or the question.
            cost: US dollars spent so far.
            completed: tasks completed so far.
            severity: of a question or blocker.
            choices: the answers to choose from.
            help_id: the help request that this may open; the hub makes one otherwise.

        Raises:
            HubRefused: the hub has ended the connection for good.
            NotStored: the disk is full, or cannot be written.
        """
        frame = status(
            report,
            task=task,
            message=message,
            cost=cost,
            completed=completed,
            severity=severity,
            choices=list(choices) or None,
            id=help_id or None,
            capabilities=self._news(),
        )
        await self._say(frame)

    async def spend(
        self, cost: float = 0.0, *, tokens_in: int = 0, tokens_out: int = 0
    ) -> None:
        """Tell what was used since the last time; it counts once.

        Returns like `report`. Telemetry of the same agent is another count of the same:
        the larger of the two counts.

        Args:
            cost: US dollars.
            tokens_in: tokens that were read, from a cache too.
            tokens_out: tokens that were written.

        Raises:
            Invalid: it is less than nothing, or no number.
            HubRefused, NotStored: as for `report`.
        """
        if used := usage(cost, tokens_in, tokens_out):
            await self._say({"type": "spend", **used})

    async def ask(
        self,
        question: str,
        *,
        choices: Sequence[str] = (),
        timeout: float | None = None,  # noqa: ASYNC109 - a person's time, not a call's
        severity: Severity | None = None,
        task: str | None = None,
    ) -> str:
        """Ask a person and wait for the answer.

        Raises:
            TimeoutError: nobody answered within `timeout` seconds; the question stays
                open, and an answer that comes later goes to `on_answer`.
            Unanswered: it was closed without an answer.
            HubRefused: the hub has ended the connection for good.
        """

        async def put(key: str) -> None:
            await self.report(
                "help",
                task=task,
                message=question,
                severity=severity,
                choices=choices,
                help_id=key,
            )

        return await self._questions.ask(question, put, timeout)

    async def flush(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until the hub has stored everything that was said so far.

        Raises:
            HubUnavailable: it has not within `timeout` seconds; the reports stay in the
                outbox.
            HubRefused: the hub has ended the connection for good.
        """
        outbox = self._talk.outbox
        taken = outbox.taken
        try:
            async with asyncio.timeout(timeout):
                await self._waiters.until(lambda: outbox.taken - len(outbox) >= taken)
        except TimeoutError:
            raise HubUnavailable(
                f"{len(outbox)} reports of {self.id} are not stored after "
                f"{timeout:g} s: {self.link.error or 'the hub is slow'}"
            ) from None

    async def run_forever(self) -> None:
        """Let the handlers work until the hub ends the connection for good.

        Register them first: from now on no message and no call waits for a handler.

        Raises:
            HubRefused: it did; the text says why.
        """
        self._talk.inbox.settle()
        await self._waiters.until(lambda: False)

    # --- other agents ---

    async def send(
        self,
        to: str,
        text: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        id: str = "",  # noqa: A002 - what it is
    ) -> str:
        """Send a message to other agents; return its id.

        Returns when it is in the outbox, like `report`. It arrives in order and takes
        effect once. A message that the hub refuses, because nobody has that address, is
        named in the log.

        Args:
            to: ``name`` or ``name@swarm``, ``cap:capability`` for one of those who have
                it, or a pattern of names such as ``render.*``.
            text: what it says to people.
            body: what it says to programs: at most 256 KiB of JSON.
            id: used again, with the same content, it has no second effect.

        Raises:
            Invalid: it says nothing, or to nobody.
            TypeError, ValueError: the body has no form in JSON that the hub takes.
            HubRefused: the hub has ended the connection for good.
            NotStored: the disk is full, or cannot be written.
        """
        frame = message_frame(to, text, body, key=id)
        await self._say(frame)
        return str(frame["id"])

    async def call(
        self,
        to: str,
        method: str,
        /,
        *,
        timeout: float | None = 30.0,  # noqa: ASYNC109 - it goes with the call
        **params: Any,
    ) -> Any:
        """Have another agent do something; return what it returned.

        An agent that is not there yet is waited for, and so is the hub. A call that
        nobody waits for any more is not begun.

        Args:
            to: an address as for `send`; of several agents the first to answer counts.
            method: what it serves (see `on_call`).
            timeout: seconds that it may take.
            params: what the method is given.

        Raises:
            CallTimeout: there was no answer in time.
            CallFailed: the other agent answered with what went wrong.
            SwarmError: the hub refused the call.
            TypeError, ValueError: the parameters have no form in JSON.
            HubRefused: the hub has ended the connection for good.
        """
        return await self._calls.call(to, method, params, timeout)

    def remote(self, to: str, *, timeout: float | None = 30.0) -> Remote:
        """Return another agent, to call its methods as if they were here."""
        return Remote(self._calls, to, timeout)

    def on_call(self, method: str) -> Callable[[Method], Method]:
        """Let other agents call a method by this name, with parameters by name.

        What it returns is the answer, and so is what it raises, in one line. Calls are
        handled several at once, and hold up no other mail. After a crash a call is
        handled again.

        Raises:
            Conflict: there is one of that name.
            Invalid: it is no async function.
        """

        def register(handler: Method) -> Method:
            self._methods.add(method, handler)
            self._register("call", self._methods.handle)
            return handler

        return register

    def serve(self, served: object) -> None:
        """Let other agents call the public async methods of an object.

        Raises:
            Conflict: there is a method of the same name already.
            Invalid: it has none.
        """
        for name, method in methods_of(served).items():
            self.on_call(name)(method)

    # --- handlers ---

    def on_message(self, handler: MessageHandler) -> MessageHandler:
        """Have messages handled that are no calls; one is done when that returns."""
        self._register("message", lambda mail: handler(Message.of(mail)))
        return handler

    def on_update(self, handler: UpdateHandler) -> UpdateHandler:
        """Have updates handled of tasks that it watches and nobody follows here."""
        self._register("update", lambda mail: handler(update_of(mail)))
        return handler

    def on_task(self, handler: Handler) -> Handler:
        """Have tasks handled; a task is done when `completed` says so."""
        if self._talk.worker is not None:
            raise Conflict(BOTH)
        return self._register("task", handler)

    def on_broadcast(self, handler: Handler) -> Handler:
        """Have broadcasts handled; one is done when the handler returns."""
        return self._register("broadcast", handler)

    def on_answer(self, handler: Handler) -> Handler:
        """Have answers handled that no `ask` waits for."""
        return self._register("answer", handler)

    def on_helper(self, handler: Handler) -> Handler:
        """Have calls to help another agent handled."""
        return self._register("helper", handler)

    @overload
    def on_work(self, handler: WorkHandler) -> WorkHandler: ...
    @overload
    def on_work(
        self,
        *,
        slots: int = 1,
        lease: float | None = None,
        ready: jobs.Ready = jobs.always_ready,
    ) -> Callable[[WorkHandler], WorkHandler]: ...
    def on_work(
        self,
        handler: WorkHandler | None = None,
        *,
        slots: int = 1,
        lease: float | None = None,
        ready: jobs.Ready = jobs.always_ready,
    ) -> WorkHandler | Callable[[WorkHandler], WorkHandler]:
        """Have work done that is for this agent, or that it is able to do.

        Args:
            handler: does the work (see `agentkit.jobs`).
            slots: how many jobs it does at the same time.
            lease: seconds that a job is ours from each sign of life, 1 to 86,400; else
                the hub decides.
            ready: is awaited by each slot before it claims a job; a slot for which it
                returns False claims no more.

        Raises:
            Conflict: there is a handler for work or for tasks already.
            Invalid: the hub would not give so many slots, or such a lease.
        """
        if handler is None:
            return lambda given: self._hire(given, slots, lease, ready)
        return self._hire(handler, slots, lease, ready)

    def _hire(
        self, handler: WorkHandler, slots: int, lease: float | None, ready: jobs.Ready
    ) -> WorkHandler:
        tasks = self._talk.inbox.desks["task"]
        if self._talk.worker is not None or tasks.is_staffed:
            raise Conflict(BOTH)
        self._talk.worker = Worker(
            handler,
            slots=slots,
            lease=lease,
            exchange=self._talk.exchange,
            said=self._talk.said,
            push=self._push,
            results=self.results,
            ready=ready,
        )
        tasks.register(_leave)
        if self._task is not None:
            self._talk.worker.start(self._talk.outbox)
        return handler

    def _register(self, kind: str, handler: Handler) -> Handler:
        self._talk.inbox.desks[kind].register(handler)
        return handler

    async def _task_failed(self, mail: Mail, error: Exception) -> None:
        """Let a person look: a task that failed blocks the agent."""
        reason = f"the handler of the task failed: {type(error).__name__}: {error}"
        with suppress(AgentkitError):
            await self.blocked(reason[:2000], task=mail.ref)

    async def _say(self, frame: Mapping[str, Any]) -> None:
        """Put something into the outbox, and have it sent."""
        self._check()
        await self._talk.outbox.add(frame)
        self._talk.said()

    async def _push(
        self, task: str, body: Mapping[str, Any], text: str, key: str
    ) -> int:
        """Send a message to each endpoint of a task; return how many there are."""
        addresses = self.endpoints.of(task)
        for to in addresses:
            once = key and key_of(self.id, task, to, key)
            await self.send(to, text, body=body, id=once)
        return len(addresses)

    async def _gave_up(self, mail: Mail, reason: str) -> None:
        """Let whoever called know that there will be no other answer."""
        if mail.desk == "call":
            await self._methods.give_up(mail, reason)

    def _refused(self, said: Mapping[str, Any], error: AgentkitError) -> bool:
        """Note that the hub refused something; say whether somebody waits for it."""
        return self._calls.refuse(said.get("call", ""), error)

    def _deliver(self, mail: Mail) -> None:
        """Put mail on its desk, unless somebody waits for just that."""
        if not self._is_awaited(mail):
            self._talk.inbox.deliver(mail)
            return
        chore = asyncio.ensure_future(self._talk.inbox.finish(mail))
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    def _is_awaited(self, mail: Mail) -> bool:
        """Give mail to whoever waits for it; say whether anybody does."""
        match mail.desk:
            case "reply":
                return self._calls.hear(mail)
            case "update":
                return self.errands.hear(mail)
            case "answer":
                return self._questions.hear(mail)
        return False

    def _news(self) -> list[str] | None:
        """Return the capabilities if they have changed since they were last told."""
        if self.capabilities == self._told:
            return None
        self._told = self.capabilities
        return list(self.capabilities)

    # --- the connection ---

    def _look(self) -> None:
        """Tell once that the hub is away, however often it is tried."""
        away = self.link.state == "waiting" or (
            self._away and self.link.state == "connecting"
        )
        if away and not self._away:
            log.warning("agent %s: %s; reports wait", self.id, self.link.error)
        self._away = away
        self._waiters.stir()

    def _check(self) -> None:
        """Raise what ended the connection for good, if anything did."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return
        if error := self._task.exception():
            raise error

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            log.error("agent %s is no longer connected: %s", self.id, error)
        self._calls.end(error or HubUnavailable(f"agent {self.id} has left"))
        self._waiters.stir()


async def _leave(_: Mail) -> None:
    """Do nothing: what it is about is claimed, or nobody waits for it any more."""
