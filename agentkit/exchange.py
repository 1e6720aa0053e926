"""Requests over the WebSocket that are answered, if need be by the next connection."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

from agentkit.errors import BY_CODE, AgentkitError, SwarmError

Frame: TypeAlias = Mapping[str, Any]


class Exchange:
    """What was asked and is not answered yet.

    Args:
        say: sends a frame, if there is a connection; whoever opens the next one sends
            `open` again.
    """

    def __init__(self, say: Callable[[Frame], None]) -> None:
        self._say = say
        self._numbers = count(1)
        self._asked: dict[int, tuple[Frame, asyncio.Future[Frame]]] = {}

    @property
    def open(self) -> list[Frame]:
        """The requests that wait for an answer, in order."""
        return [frame for frame, _ in self._asked.values()]

    async def ask(self, kind: str, **fields: Any) -> Frame:
        """Return the hub's answer, however long it is away.

        Raises:
            AgentkitError: it refused.
        """
        number = next(self._numbers)
        said = {name: value for name, value in fields.items() if value is not None}
        frame = {"type": kind, "id": number, **said}
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._asked[number] = frame, answer
        self._say(frame)
        try:
            return await answer
        finally:
            del self._asked[number]

    def withdraw(self, kind: str, *, linked: bool) -> None:
        """Have the requests of a kind answered now that the hub lets wait.

        Without a connection nobody can answer them, and they are cancelled.
        """
        for frame, answer in self._asked.values():
            if frame["type"] == kind and linked:
                self._say({"type": f"un{kind}", "id": frame["id"]})
            elif frame["type"] == kind:
                answer.cancel()

    def hear(self, frame: Frame) -> None:
        """Take an answer; one that nobody waits for any more is left alone."""
        _, answer = self._asked.get(frame["id"], (None, None))
        if answer is None or answer.done():
            return
        if frame["type"] != "error":
            answer.set_result(frame)
            return
        answer.set_exception(error_of(frame))


def error_of(frame: Frame) -> AgentkitError:
    """Return what a frame says that went wrong."""
    kind = BY_CODE.get(frame["code"], SwarmError)
    known = kind if kind is not AgentkitError else SwarmError
    return known(frame["detail"])
