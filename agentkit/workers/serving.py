"""Tasks of the hub, done by a program one after the other.

    stop = asyncio.Event()
    await serve(Agent("a1"), Claude(Launch(["claude"], folder)), Terms(), stop)

The program is started before anything is claimed. What it says last is the result of
the task; what goes wrong fails the attempt, and the queue decides what becomes of it.
When several fail in a row nothing more is claimed for a while, and a person is told.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, Literal, TypeAlias

from agentkit.agent import Agent
from agentkit.claims import Claim, Claims
from agentkit.codec import dumps
from agentkit.errors import AgentkitError, HubError, NotFound
from agentkit.inbox import Mail
from agentkit.integrations import work
from agentkit.jobs import LARGEST_RESULT, Failed, Job
from agentkit.settings import KitSettings, load
from agentkit.workers.driver import Driver, ProgramError
from agentkit.workers.permissions import Rule
from agentkit.workers.turns import Bill, Turn

log = logging.getLogger(__name__)

PAUSES: Final = (1.0, 5.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds until another task is claimed after so many failures in a row."""

TOO_MANY: Final = 3
"""Failures in a row after which a person is told."""

LONGEST_PROMPT: Final = 1 << 20
"""Characters of a task that a program is told: the hub takes no more at once."""

LONGEST_TEXT: Final = LARGEST_RESULT - 1024
"""Bytes of JSON that last words may have within a result; longer ones lie beside it."""

SHOWN: Final = 2000
"""Characters of those that stand in the result."""

PATIENCE: Final = 5.0
"""Seconds that the hub may take to take a job away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a worker works."""

    rule: Rule = "ask"
    """Who decides what the program asks for."""
    timeout: float | None = None
    """Seconds that a task may take; None is any time."""
    most: int | None = None
    """How many tasks it does; None is without end."""
    pauses: tuple[float, ...] = PAUSES


State: TypeAlias = Literal["done", "failed", "stopped"]
"""How a task ended; it was stopped when it was taken away, or given back."""


@dataclass(frozen=True, slots=True)
class Done:
    """How one task ended, as far as the worker knows."""

    task: str
    state: State
    seconds: float
    reason: str = ""
    bill: Bill = field(default_factory=Bill)


async def serve(
    agent: Agent,
    driver: Driver,
    terms: Terms,
    stop: asyncio.Event,
    told: Callable[[Done], None] = lambda _: None,
) -> None:
    """Do tasks until there were enough, or `stop` is set; the task at hand goes back.

    Args:
        agent: who claims them; it is entered and left here.
        driver: of the program, which is started and ended here.
        terms: how it works.
        stop: ends it.
        told: is told how each task ended.

    Raises:
        ProgramError: the program cannot be started; nothing was claimed.
        HubRefused: the hub does not want the agent.
    """
    service = Service(agent, driver, terms, stop, told)
    try:
        await _first(driver.start(), stop.wait())
        if stop.is_set():
            return
        agent.on_work(ready=service.ready)(service.work)
        agent.on_answer(service.heed)
        async with agent:
            await _first(stop.wait(), service.enough.wait(), agent.run_forever())
    finally:
        await driver.close()


class Service:
    """A program as the handler of work.

    Args:
        agent: who claims it.
        driver: of the program.
        terms: how it works.
        stop: is set when it is to end.
        told: is told how each task ended.
    """

    def __init__(
        self,
        agent: Agent,
        driver: Driver,
        terms: Terms,
        stop: asyncio.Event,
        told: Callable[[Done], None],
    ) -> None:
        self.enough = asyncio.Event()
        """It has done as many tasks as it was to."""
        self._agent = agent
        self._driver = driver
        self._terms = terms
        self._stop = stop
        self._told = told
        self._tasks = self._failures = 0
        self._why = ""
        self._go_on = asyncio.Event()

    # --- between two tasks ---

    async def ready(self) -> bool:
        """Wait until the program can be given a task; say whether it shall be."""
        while not (self.enough.is_set() or self._stop.is_set()):
            if self._failures:
                await self._pause()
            try:
                await self._driver.start()
            except ProgramError as error:
                self._fail(str(error))
            else:
                return not self._stop.is_set()
        return False

    async def heed(self, mail: Mail) -> None:
        """Take the answer of a person who was told that nothing works: try again."""
        log.info("%s says: %s", mail.by, mail.text)
        self._go_on.set()

    async def _pause(self) -> None:
        """Let some time pass, blocked after many failures; an answer ends it."""
        pauses = self._terms.pauses
        seconds = pauses[min(self._failures, len(pauses)) - 1]
        blocked = self._failures >= TOO_MANY
        self._go_on.clear()
        with suppress(AgentkitError):
            if blocked:
                why = f"{self._failures} failures in a row, the last: {self._why}"
                await self._agent.blocked(why[:2000])
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _first(self._stop.wait(), self._go_on.wait())
            if blocked:
                await self._agent.idle()

    def _fail(self, reason: str) -> None:
        self._failures += 1
        self._why = reason

    # --- one task ---

    async def work(self, job: Job) -> Mapping[str, Any] | None:
        """Have the program do a task, and return what it leads to.

        Raises:
            Failed: the attempt failed.
        """
        begun, bill = monotonic(), Bill()
        state: State = "stopped"
        reason = ""
        claim = self._remember(job)
        try:
            result = await self._have_done(job, bill, claim)
        except (Failed, ProgramError) as error:
            state, reason = "failed", str(error)
            self._fail(reason)
            raise Failed(reason) from None
        else:
            state, self._failures = "done", 0
            return result
        finally:
            self._forget(claim)
            await self._spend(bill)
            took = round(monotonic() - begun, 3)
            done = Done(job.id, state, took, reason, bill)
            self._told(done)
            self._count()

    async def _have_done(
        self, job: Job, bill: Bill, claim: Claim | None
    ) -> Mapping[str, Any]:
        """Prompt the program with the task, and return its last words as the result.

        Raises:
            Failed: it says that it failed, or takes too long.
            ProgramError: the program has gone.
        """
        said = {"id": job.id, "title": job.title, "by": job.task.by}
        task = {**said, "body": dict(job.body)}
        prompt = work.told(task, self._agent.id, LONGEST_PROMPT)
        turn = Turn(self._agent, self._driver, self._terms.rule, job, bill.add)
        outcome = await turn.run(prompt, self._terms.timeout)
        if outcome.error:
            raise Failed(f"{self._driver.title}: {outcome.error}")
        if claim is not None and _is_over(claim):
            await _taken_away(job)
        return await _result(job, outcome.text)

    async def _spend(self, bill: Bill) -> None:
        """Tell the hub what the program used for a task."""
        try:
            await self._agent.spend(
                bill.cost, tokens_in=bill.tokens_in, tokens_out=bill.tokens_out
            )
        except AgentkitError as error:
            log.warning("what the program used is not counted: %s", error)

    def _count(self) -> None:
        self._tasks += 1
        if self._tasks == self._terms.most:
            self.enough.set()

    # --- the lease, for the program's own `agentkit fail` ---

    def _remember(self, job: Job) -> Claim | None:
        claim = Claim(self._agent.id, job.id, job.fence, job.lease)
        try:
            _claims().keep(claim)
        except OSError as error:
            log.warning("the lease of %s is not remembered: %s", job.id, error)
            return None
        return claim

    def _forget(self, claim: Claim | None) -> None:
        if claim is not None:
            with suppress(OSError):
                _claims().forget(claim)


def _is_over(claim: Claim) -> bool:
    """Say whether the program itself told how its task ended."""
    try:
        return _claims().get(claim.agent, claim.task).fence != claim.fence
    except NotFound:
        return True


async def _taken_away(job: Job) -> None:
    """Wait until the hub has taken the job away, which cancels us."""
    job.due.set()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await asyncio.Event().wait()


async def _result(job: Job, text: str) -> dict[str, Any]:
    """Return last words as the result of a task; what is too long lies beside it."""
    if len(dumps(text).encode()) <= LONGEST_TEXT:
        return {"text": text} if text else {}
    try:
        whole = await job.keep(text.encode(), kind="text/plain; charset=utf-8")
    except (HubError, OSError) as error:
        raise Failed(f"its last words are too long to tell, and {error}") from None
    return {"text": f"{text[:SHOWN]}…", "whole": whole}


def _claims() -> Claims:
    return Claims.of(load(KitSettings).values)


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first of several; what it raises is raised."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
