"""What drives a program: it is given a prompt and tells what comes of it.

    await driver.start()
    async for update in driver.prompt("Draw a cat."):
        match update:
            case Asked(): await driver.answer(update, update.choices[0])
            case Outcome(): print(update.text)

The errors, below `AgentkitError`:

    ProgramError                the program cannot be talked to
      NotStarted                it never could
      Ended                     it ended, or was ended because it made no sense
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from agentkit.errors import AgentkitError


class ProgramError(AgentkitError):
    """The program cannot be talked to."""

    code: ClassVar[str] = "program_error"


class NotStarted(ProgramError):
    """It could not be started, or did not answer as it should."""


class Ended(ProgramError):
    """It ended in the middle, or was ended because it made no sense."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What it does just now: a tool, or a step of its plan."""

    note: str
    share: float | None = None
    """How much of its plan is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to what it asks."""

    key: str
    """As the program calls it."""
    name: str
    """As people read it."""
    allows: bool
    lasts: bool = False
    """It counts for more than this once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """It waits to be allowed something: `Driver.answer` goes on."""

    key: str
    """What tells it from other questions."""
    question: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It waits for this answer no longer."""

    key: str


@dataclass(frozen=True, slots=True)
class Used:
    """What it used since it last told."""

    cost: float = 0.0
    """US dollars; 0 too when it does not tell."""
    tokens_in: int = 0
    """Those read from a cache too."""
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a prompt ended; nothing more comes of it."""

    text: str
    """Its last words."""
    error: str = ""
    """Why it failed; empty when it did not."""


Update: TypeAlias = Doing | Asked | Withdrawn | Used | Outcome


class Driver(Protocol):
    """One program, started when it is needed."""

    title: str
    """What people call the program."""

    async def start(self) -> None:
        """Be ready for a prompt: the program runs, in a fresh conversation or the kept.

        Raises:
            ProgramError: it cannot be.
        """

    def prompt(self, text: str) -> AsyncGenerator[Update]:
        """Have it do something, and yield what it tells; the last is an `Outcome`.

        Raises:
            ProgramError: it is gone, and the rest is not known.
        """

    async def answer(self, asked: Asked, choice: Choice | None, said: str, /) -> None:
        """Answer what it asked; nothing when it waits for that no longer.

        Args:
            asked: the question.
            choice: one of its choices; None is none of them, and allows nothing.
            said: what the person said.

        Raises:
            ProgramError: the program is gone.
        """

    async def cancel(self) -> None:
        """Ask it to end what it does; `prompt` soon yields the outcome."""

    async def close(self, grace: float = 1.0) -> None:
        """End the program: it has `grace` seconds to go by itself."""
