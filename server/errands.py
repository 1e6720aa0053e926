"""What an agent asks about tasks over its WebSocket: undertake, watch, cancel, look."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agentkit.errors import AgentkitError, Conflict, NotAllowed, NotFound
from agentkit.protocol import Assign, Cancel, Command, Logged, Watch
from agentkit.rows import Task
from server.asgi import DEFECT
from server.core import Swarm
from server.hub import Hub

ERRANDS: Final = 64
"""Requests of one agent that are answered at the same time."""

ANSWERS: Final[Mapping[str, str]] = {
    "undertake": "undertaken",
    "watch": "watched",
    "cancel": "cancelled",
    "look": "task",
}
"""The type of the answer to each request."""

log = logging.getLogger(__name__)


class Errands:
    """Answers the requests of one agent; each answer carries the task as it is then."""

    __slots__ = ("_agent", "_hub", "_running", "_send", "_sorry")

    def __init__(
        self,
        hub: Hub,
        agent: str,
        send: Callable[[dict[str, Any]], None],
        sorry: Callable[[int | str, AgentkitError], None],
    ) -> None:
        self._hub = hub
        self._agent = agent
        self._send = send
        self._sorry = sorry
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, kind: str, frame: dict[str, Any], size: int) -> None:
        """Begin to answer a request; `send` or `sorry` is called with the answer."""
        request = frame.pop("id")
        if len(self._running) >= ERRANDS:
            full = f"{ERRANDS} requests wait already: let one be answered first"
            self._sorry(request, Conflict(full))
            return
        errand = asyncio.create_task(self._answer(kind, request, frame, size))
        self._running.add(errand)
        errand.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Wait until every request that was begun has had its effect."""
        if self._running:
            await asyncio.wait(self._running)

    async def _answer(
        self, kind: str, request: int | str, frame: dict[str, Any], size: int
    ) -> None:
        try:
            task = await self._do(kind, frame, size)
        except AgentkitError as refusal:
            self._sorry(request, refusal)
        except Exception:
            log.exception("a request of %s failed: %s", self._agent, kind)
            self._sorry(request, AgentkitError(str(DEFECT)))
        else:
            self._send({"type": ANSWERS[kind], "id": request, "task": task})

    async def _do(self, kind: str, frame: dict[str, Any], size: int) -> Task:
        me = self._agent
        match kind:
            case "undertake":
                key = frame.pop("task", "")
                wish = Assign(agent=me, id=key, by=me, undertaken=True, **frame)
                return await self._submit(wish, key, size)
            case "watch":
                return await self._watch({"agent": me, **frame}, size)
            case "cancel":
                return await self._cancel(frame["task"], frame.get("reason", ""), size)
            case _:
                return await self._look(frame["task"])

    async def _submit(self, wish: Command, key: str, size: int) -> Task:
        """Submit a wish and return the task that it was about."""

        def read(swarm: Swarm, events: Sequence[Logged]) -> Task | None:
            made = getattr(events[0].event, "task", "") if events else ""
            return swarm.tasks.get(key or made)

        outcome = await self._hub.submit(wish, read=read, size=size)
        return outcome.value or await self._find(key)

    async def _watch(self, fields: dict[str, Any], size: int) -> Task:
        task = await self._find(fields["task"])
        if fields["agent"] == self._agent:
            self._require_shown(task)
        elif not self._has(task):
            raise NotAllowed(
                f"task {task.id!r} is another agent's: only who has it, or is to have "
                "it, lets others watch it, so ask that agent"
            )
        return await self._submit(Watch(**fields), task.id, size)

    async def _cancel(self, key: str, reason: str, size: int) -> Task:
        task = await self._find(key)
        if not self._has(task):
            raise NotAllowed(
                f"task {key!r} is another agent's: only who has it, or is to have it, "
                "calls it off, so ask that agent"
            )
        wish = Cancel(id=key, reason=reason, by=self._agent)
        return await self._submit(wish, key, size)

    async def _look(self, key: str) -> Task:
        """Return a task that this agent may see, however old."""
        task = await self._find(key)
        self._require_shown(task)
        return task

    def _has(self, task: Task) -> bool:
        return self._agent in (task.agent, task.target)

    def _require_shown(self, task: Task) -> None:
        if not self._has(task) and self._agent not in task.watchers:
            raise NotAllowed(
                f"task {task.id!r} is another agent's: only who has it, is to have it "
                "or watches it sees it, so ask that agent to let you watch it"
            )

    async def _find(self, key: str) -> Task:
        """Return a task, however old."""
        task = await self._hub.ask(lambda swarm: swarm.tasks.get(key))
        task = task or await self._hub.store.task(key)
        if task is None:
            raise NotFound(f"no task {key!r} is known: ask whoever was to make it")
        return task
