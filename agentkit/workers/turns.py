"""One task that a program does: prompted, followed, asked for, and stopped."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

from agentkit.agent import Agent
from agentkit.errors import AgentkitError, Unanswered
from agentkit.jobs import Failed, Job
from agentkit.workers.driver import (
    Asked,
    Choice,
    Doing,
    Driver,
    Outcome,
    ProgramError,
    Used,
    Withdrawn,
)
from agentkit.workers.permissions import Rule, chosen, ruled

EVERY: Final = 2.0
"""Seconds between two words about how far a task is."""

NOBODY: Final = "denied, nobody answered"
"""What a program is told whose question was closed without an answer."""

STOPS_WITHIN: Final = 1.0
"""Seconds that a program has to leave a prompt alone; then it is ended."""


@dataclass(slots=True)
class Bill:
    """What a program used."""

    cost: float = 0.0
    """US dollars."""
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, used: Used) -> None:
        """Count some more."""
        self.cost += used.cost
        self.tokens_in += used.tokens_in
        self.tokens_out += used.tokens_out


class Turn:
    """A program at work on one job.

    Args:
        agent: whose job it is.
        driver: of the program, which is ready.
        rule: who decides what the program asks for.
        job: the job.
        spent: is told of what the program used.
    """

    def __init__(
        self,
        agent: Agent,
        driver: Driver,
        rule: Rule,
        job: Job,
        spent: Callable[[Used], None],
    ) -> None:
        self._agent = agent
        self._driver = driver
        self._rule = rule
        self._job = job
        self._spent = spent
        self._questions: dict[str, asyncio.Task[None]] = {}
        self._turn_to_ask = asyncio.Lock()
        self._is_asking = False
        self._rejected = ""
        self._news: Doing | None = None
        self._is_news = asyncio.Event()

    async def run(self, text: str, timeout: float | None) -> Outcome:  # noqa: ASYNC109
        """Have the program do it, and return how that ended.

        When this is cancelled, or takes too long, the program is stopped.

        Raises:
            Failed: it took longer than `timeout` seconds.
            ProgramError: the program is gone.
        """
        following = asyncio.create_task(self._follow(text))
        telling = asyncio.create_task(self._tell())
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(following)
        except TimeoutError:
            raise Failed(f"it took longer than the {timeout:g} s that it may") from None
        finally:
            telling.cancel()
            if not following.done():
                # A task of its own: in one that is being cancelled the timeouts of
                # Python 3.11 end with that cancellation, not with a `TimeoutError`.
                await asyncio.create_task(self._stop(following))
            await self._drop_questions()

    async def _stop(self, following: "asyncio.Task[Outcome]") -> None:
        """Interrupt the program; end it when it does not heed that."""
        begun = monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOPS_WITHIN):
                await self._driver.cancel()
        await asyncio.wait(
            [following], timeout=max(begun + STOPS_WITHIN - monotonic(), 0)
        )
        if not following.done():
            following.cancel()
            await self._driver.close(0)
        await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, text: str) -> Outcome:
        async with aclosing(self._driver.prompt(text)) as updates:
            async for update in updates:
                match update:
                    case Doing():
                        self._news = update
                        self._is_news.set()
                    case Used():
                        self._spent(update)
                    case Asked():
                        self._take_question(update)
                    case Withdrawn(key) if key in self._questions:
                        self._questions[key].cancel()
                    case Outcome():
                        return self._judged(update)
        raise ProgramError(f"{self._driver.title} did not say how it ended")

    def _judged(self, outcome: Outcome) -> Outcome:
        """Take a program for failed that fell silent when it was not allowed to go on.

        Some end their prompt then as if all was well.
        """
        if outcome.text or outcome.error or not self._rejected:
            return outcome
        return Outcome("", f"it gave up when this was rejected: {self._rejected}")

    async def _tell(self) -> None:
        """Tell how far it is: the newest, and not too often."""
        while True:
            await self._is_news.wait()
            self._is_news.clear()
            news = self._news
            if news is not None:
                await self._job.progress(news.share, news.note)
            await asyncio.sleep(EVERY)

    # --- what it asks for ---

    def _take_question(self, asked: Asked) -> None:
        question = asyncio.create_task(self._settle(asked))
        self._questions[asked.key] = question
        question.add_done_callback(lambda _: self._questions.pop(asked.key, None))

    async def _settle(self, asked: Asked) -> None:
        if self._rule == "ask":
            choice, said = await self._put(asked)
        else:
            choice, said = ruled(self._rule, asked), ""
        if choice is None or not choice.allows:
            self._rejected = asked.question
        with suppress(ProgramError):  # whoever follows it hears of its end
            await self._driver.answer(asked, choice, said)

    async def _put(self, asked: Asked) -> tuple[Choice | None, str]:
        """Ask a person, one question at a time."""
        names = [choice.name for choice in asked.choices]
        async with self._turn_to_ask:
            self._is_asking = True
            try:
                said = await self._agent.ask(
                    asked.question, choices=names, task=self._job.id
                )
            except Unanswered:
                return None, NOBODY
            finally:
                self._is_asking = False
                if not self._job.cancelled:
                    await self._agent.busy(self._job.id)
        return chosen(asked, said), said

    async def _drop_questions(self) -> None:
        """Let nobody answer what the program waits for no longer."""
        was_asking, questions = self._is_asking, list(self._questions.values())
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, return_exceptions=True)
        if was_asking and self._job.cancelled:
            with suppress(AgentkitError):
                await self._agent.idle()
