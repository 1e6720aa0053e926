"""Requests and answers between us and a program, both ways: JSON-RPC, more or less."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, TypeAlias

from agentkit.errors import AgentkitError
from agentkit.workers.driver import ProgramError
from agentkit.workers.program import Launch, Message, Program

Params: TypeAlias = Mapping[str, Any]
Id: TypeAlias = int | str

UNKNOWN = -32601
"""The code of a method that nobody has."""


class Refusal(AgentkitError):
    """The program answered with an error."""

    def __init__(self, error: Params) -> None:
        super().__init__(_words_of(error))
        self.number = error.get("code")


class Rpc:
    """A program that is asked, and asks.

    Args:
        launch: how it is started.
        told: is given its notifications: the method and the parameters.
        asked: is given its requests: the id, the method and the parameters.
        over: is told that it has gone, and why.
        version: what each message says in ``jsonrpc``; empty leaves that out.
    """

    def __init__(
        self,
        launch: Launch,
        *,
        told: Callable[[str, Params], None],
        asked: Callable[[Id, str, Params], None],
        over: Callable[[ProgramError], None],
        version: str = "",
    ) -> None:
        self.program = Program(launch, self._hear, self._end)
        self._told = told
        self._asked = asked
        self._over = over
        self._head: Message = {"jsonrpc": version} if version else {}
        self._numbers = count(1)
        self._waiting: dict[Id, asyncio.Future[Params]] = {}

    async def call(self, method: str, params: Params) -> Params:
        """Ask for something and return the result.

        Raises:
            Refusal: it answered with an error.
            ProgramError: it has gone.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_look_at)
        self._waiting[number] = answer
        try:
            await self._say({"id": number, "method": method, "params": params})
            return await answer
        finally:
            del self._waiting[number]

    async def tell(self, method: str, params: Params | None = None) -> None:
        """Say something that has no answer.

        Raises:
            ProgramError: it has gone.
        """
        said = {} if params is None else {"params": params}
        await self._say({"method": method, **said})

    async def answer(self, number: Id, result: Params) -> None:
        """Answer one of its requests.

        Raises:
            ProgramError: it has gone.
        """
        await self._say({"id": number, "result": result})

    def refuse(self, number: Id, method: str) -> None:
        """Say that we cannot do what it asks, without waiting."""
        error = {"code": UNKNOWN, "message": f"there is no method {method} here"}
        self.program.put({**self._head, "id": number, "error": error})

    async def _say(self, message: Message) -> None:
        await self.program.say({**self._head, **message})

    def _hear(self, message: Message) -> None:
        method, number = message.get("method"), message.get("id")
        params = message.get("params") or {}
        if isinstance(method, str) and number is not None:
            self._asked(number, method, params)
        elif isinstance(method, str):
            self._told(method, params)
        elif number in self._waiting and not self._waiting[number].done():
            _settle(self._waiting[number], message)

    def _end(self, error: ProgramError) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
        self._over(error)


def _settle(answer: "asyncio.Future[Params]", message: Message) -> None:
    if "error" in message:
        answer.set_exception(Refusal(message["error"] or {}))
    else:
        answer.set_result(message.get("result") or {})


def _look_at(answer: "asyncio.Future[Params]") -> None:
    """Have no complaint that nobody looked at an answer that came too late."""
    if not answer.cancelled():
        answer.exception()


def _words_of(error: Params) -> str:
    """Return what an error says, with the details that some hide in ``data``."""
    said = str(error.get("message") or "an error without a text")
    data = error.get("data")
    details = (
        data.get("details") or data.get("message") if isinstance(data, dict) else data
    )
    if isinstance(details, str) and details and details not in said:
        said += f": {details}"
    return " ".join(said.split())
