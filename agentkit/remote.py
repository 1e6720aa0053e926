"""Calls: an agent asks another one to do something, and waits for what comes of it.

    @agent.on_call("add")
    async def add(a: int, b: int) -> int:
        return a + b

    sum = await other.call("adder", "add", a=1, b=2)

A call is a message, and so is its answer: ``{"method": …, "params": {…}}`` and
``{"result": …}`` or ``{"error": "…"}``. The answer is in the outbox before the call
counts as handled, so that a crash in between leads to a second answer, which the hub
drops, and never to none.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from inspect import getmembers, iscoroutinefunction
from typing import Any, Final, TypeAlias

from agentkit.backoff import delays
from agentkit.bodies import check
from agentkit.errors import (
    AgentkitError,
    CallFailed,
    CallTimeout,
    Conflict,
    Invalid,
    NotFound,
)
from agentkit.inbox import is_cancelled
from agentkit.messages import LARGEST_BODY, Message, Say, message_frame
from agentkit.shelf import Mail

log = logging.getLogger(__name__)

Method: TypeAlias = Callable[..., Awaitable[Any]]

LONGEST_ERROR: Final = 2000
LONGEST_TIMEOUT: Final = 1e9
"""Seconds after which the hub is told that nobody waits, if it is later."""
LONGEST_WAIT: Final = 1.0
"""Seconds until it is seen, at the latest, that whoever is called has come."""

_CURRENT: ContextVar[Message] = ContextVar("call")


def current_call() -> Message:
    """Return the call that is being handled, in a method that was called.

    Raises:
        LookupError: none is.
    """
    return _CURRENT.get()


class Calls:
    """The calls of one agent that are not answered yet.

    Args:
        say: puts a message into the outbox.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    async def call(
        self,
        to: str,
        method: str,
        params: Mapping[str, Any],
        timeout: float | None,  # noqa: ASYNC109 - it goes with the call
    ) -> Any:
        """Make a call and return its result; see `Agent.call`."""
        body = {"method": method, "params": params}
        refusals: list[NotFound] = []
        try:
            async with asyncio.timeout(timeout):
                answer = await self._answer(to, body, timeout, refusals)
        except TimeoutError:
            why = f": {refusals[-1]}" if refusals else ", it may yet do it"
            raise CallTimeout(
                f"{to} did not answer {method!r} within {timeout:g} s{why}"
            ) from None
        if "error" in answer.body:
            raise CallFailed(f"{to} failed at {method!r}: {answer.body['error']}")
        return answer.body.get("result")

    def hear(self, mail: Mail) -> bool:
        """Take an answer; say whether somebody waits for it."""
        waiting = self._waiting.get(mail.message["answers"])
        if waiting is None or waiting.done():
            return False
        waiting.set_result(Message.of(mail))
        return True

    def refuse(self, call: str, error: AgentkitError) -> bool:
        """Note that the hub did not take a call; say whether somebody waits for it."""
        waiting = self._waiting.get(call)
        if waiting is None or waiting.done():
            return False
        waiting.set_exception(error)
        return True

    def end(self, error: BaseException) -> None:
        """Let everybody know that no answer will come."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)

    async def _answer(
        self,
        to: str,
        body: Mapping[str, Any],
        seconds: float | None,
        refusals: list[NotFound],
    ) -> Message:
        """Return the answer; ask again when whoever is meant is not there yet."""
        role = {} if seconds is None else {"expires": _after(seconds)}
        waits = delays(longest=LONGEST_WAIT)
        while True:
            try:
                return await self._ask(to, body, role)
            except NotFound as error:
                refusals.append(error)
            await asyncio.sleep(next(waits))

    async def _ask(
        self, to: str, body: Mapping[str, Any], role: Mapping[str, Any]
    ) -> Message:
        key = f"c{os.urandom(12).hex()}"
        frame = message_frame(to, body["method"], body, key=key, call=key, **role)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            await self._say(frame)
            return await answer
        finally:
            del self._waiting[key]


class Methods:
    """What others may call.

    Args:
        say: puts a message into the outbox.
        now: tells the time by the hub's clock.
    """

    def __init__(self, say: Say, now: Callable[[], datetime]) -> None:
        self._say = say
        self._now = now
        self._methods: dict[str, Method] = {}

    def add(self, name: str, method: Method) -> None:
        """Let a method be called.

        Raises:
            Conflict: there is one of that name.
            Invalid: it is no coroutine function.
        """
        if not iscoroutinefunction(method):
            raise Invalid(f"{name!r} cannot be called: make it an async function")
        if name in self._methods:
            raise Conflict(f"there is a method {name!r} already: choose another name")
        self._methods[name] = method

    async def handle(self, mail: Mail) -> None:
        """Do what a call asks for, unless it expired, and answer it."""
        call = Message.of(mail)
        if call.expires is not None and call.expires <= self._now():
            log.info("call %s of %s came too late", call.call, call.sender)
            await self._answer(call, {"error": _too_late(call.expires)})
            return
        _CURRENT.set(call)
        await self._answer(call, await self._do(call))

    async def give_up(self, mail: Mail, reason: str) -> None:
        """Answer a call that killed its agent too often."""
        await self._answer(Message.of(mail), {"error": one_line(reason)})

    async def _answer(self, call: Message, body: Mapping[str, Any]) -> None:
        text = str(body.get("error", ""))
        await self._say(message_frame(call.sender, text, body, answers=call.call))

    async def _do(self, call: Message) -> Mapping[str, Any]:
        """Return the body of the answer."""
        try:
            method = self._method(call)
            result = await method(**call.body.get("params", {}))
            return check("the result", {"result": result}, LARGEST_BODY)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            return {"error": "the handler was cancelled"}
        except AgentkitError as error:
            return {"error": one_line(str(error))}
        except Exception as error:
            log.exception("call %s of %s failed", call.call, call.sender)
            return {"error": one_line(f"{type(error).__name__}: {error}")}

    def _method(self, call: Message) -> Method:
        name = call.body.get("method")
        method = self._methods.get(str(name))
        if method is None:
            known = ", ".join(sorted(self._methods)) or "those of another agent"
            raise NotFound(f"there is no method {name!r}: call one of {known}")
        return method


class Remote:
    """Another agent, whose methods are called as if they were here.

        sender = agent.remote("sender@swarm")
        await sender.run_task(id="T1")

    Parameters are given by name. What is raised: see `Agent.call`.
    """

    def __init__(self, calls: Calls, to: str, timeout: float | None) -> None:
        self._calls = calls
        self._to = to
        self._timeout = timeout

    def __repr__(self) -> str:
        """Return what it stands for."""
        return f"Remote({self._to!r})"

    def __getattr__(self, name: str) -> Method:
        """Return what calls a method of the other agent."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(**params: Any) -> Any:
            return await self._calls.call(self._to, name, params, self._timeout)

        return call


def methods_of(served: object) -> dict[str, Method]:
    """Return the public async methods of an object.

    Raises:
        Invalid: it has none.
    """
    found = {
        name: method
        for name, method in getmembers(served, iscoroutinefunction)
        if not name.startswith("_")
    }
    if not found:
        kind = type(served).__name__
        raise Invalid(f"{kind} has no public async method: give it one to be called")
    return found


def one_line(text: str) -> str:
    """Return a text in one line that is not too long."""
    return " ".join(text.split())[:LONGEST_ERROR]


def _too_late(expires: datetime) -> str:
    return (
        f"the call came too late, it expired at {expires:%H:%M:%S} UTC: make it again"
    )


def _after(seconds: float) -> str:
    wait = timedelta(seconds=min(seconds, LONGEST_TIMEOUT))
    return (datetime.now(UTC) + wait).isoformat()
