"""Where one call of a tool is worked on: for whom, and what it hands over."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from agentkit.protocol import Command
from agentkit.rows import Delivery, Task
from server.core import Swarm
from server.letters import Letter
from server.mailroom import PAGE
from server.office import Office

VIA: Final = "mcp"
"""How the log says that something came in."""

Said: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answers, and the mail that it hands over with it."""

    value: Mapping[str, Any]
    mail: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """One call of a tool."""

    office: Office
    agent: str
    key: str = ""
    """An idempotency key: a call that comes again with it has no second effect."""
    size: int = 0

    async def submit(self, wish: Command, part: str = "", **options: Any) -> Any:
        """Put a wish to the hub; `part` tells the wishes of one call apart."""
        return await self.office.hub.submit(
            wish, key=self.part(part), size=self.size, **options
        )

    def part(self, name: str) -> str:
        """Return the key of a part of the call."""
        return f"{self.key}{name}" if self.key else ""

    def own_id(self, prefix: str) -> str:
        """Return an id; it is the same when the call comes again."""
        if not self.key:
            return f"{prefix}-{secrets.token_hex(8)}"
        return f"{prefix}-{hashlib.sha256(self.key.encode()).hexdigest()[:16]}"

    # --- mail ---

    async def await_mail(
        self, wanted: Callable[[Delivery], bool], seconds: float
    ) -> list[Letter]:
        """Return the mail that is wanted, once there is some or the time is over."""
        until, after = time.monotonic() + seconds, 0
        while True:
            left = max(until - time.monotonic(), 0.0)
            found = await self.office.mailroom.await_letters(
                self.agent, after, PAGE, left
            )
            chosen = [letter for letter in found if wanted(letter.delivery)]
            if chosen or not found:
                return chosen
            after = found[-1].delivery.seq

    async def hand_over(self, letters: Sequence[Letter]) -> list[Said]:
        """Return mail as it is told; the attempt counts from now on."""
        await self.office.mailroom.mark_sent([letter.delivery for letter in letters])
        return [told(letter) for letter in letters]


Run: TypeAlias = Callable[[Desk, Said], Awaitable[Answer]]


def is_mail(delivery: Delivery) -> bool:
    """Say whether a delivery is to be read; tasks are claimed instead."""
    return delivery.kind != "task"


def told(letter: Letter) -> Said:
    """Return a letter as a model reads it."""
    frame: Said = orjson.loads(letter.text)
    del frame["type"], frame["attempt"]
    return frame


def task_view(task: Task) -> Said:
    """Return what whoever has a task must know of it."""
    return {
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "by": task.by,
        "fence": task.fence,
        "lease_until": task.lease_until,
        "attempt": task.attempts,
        "max_attempts": task.max_attempts,
    }


def unread(swarm: Swarm, agent: str) -> int:
    """Return how many letters have not been handed over."""
    box = swarm.mail.get(agent, {})
    return sum(is_mail(row) and not row.is_settled for row in box.values())
