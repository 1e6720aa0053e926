"""Claude Code: stream-json, one conversation in one run of the program."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Final

from agentkit.workers import words
from agentkit.workers.driver import (
    Asked,
    Choice,
    Doing,
    Ended,
    Outcome,
    ProgramError,
    Update,
    Used,
    Withdrawn,
)
from agentkit.workers.program import Launch, Message, Program, within
from agentkit.workers.updates import Updates

FLAGS: Final = (
    *("-p", "--input-format", "stream-json", "--output-format", "stream-json"),
    *("--verbose", "--permission-prompt-tool", "stdio"),
)

CHOICES: Final = (
    Choice("allow", "allow once", allows=True),
    Choice("deny", "reject", allows=False),
)

GREETING: Final = 60.0
"""Seconds that it has to start, with the servers that it starts in turn."""

TOKENS_IN: Final = (
    *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
)


class Claude:
    """Drives Claude Code.

    Args:
        launch: its words are the program and further flags.
        keep: whether one conversation goes on from prompt to prompt.
    """

    title = "Claude Code"

    def __init__(self, launch: Launch, *, keep: bool = False) -> None:
        first, *more = launch.words
        self._launch = replace(launch, words=(first, *FLAGS, *more))
        self._keep = keep
        self._program: Program | None = None
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._wishes: dict[str, Message] = {}
        self._updates = Updates()
        self._used = False
        self._cost = 0.0
        self._last = ""

    async def start(self) -> None:
        """Start it, anew when it has had a prompt and is to forget that.

        Raises:
            ProgramError: it does not start.
        """
        program = self._program
        if program is not None and program.runs and (self._keep or not self._used):
            return
        await self.close()
        self._used, self._cost = False, 0.0
        self._program = Program(self._launch, self._hear, self._end)
        try:
            await self._program.start()
            hello = self._request({"subtype": "initialize", "hooks": None})
            await within(hello, GREETING, f"{self._launch.name} said no hello")
        except BaseException:
            await self.close(grace=0)
            raise

    async def prompt(self, text: str) -> AsyncGenerator[Update]:
        """Have it do something; see `Driver.prompt`."""
        self._updates = Updates()
        self._wishes.clear()
        self._used, self._last = True, ""
        said = {
            "type": "user",
            "message": {"role": "user", "content": text},
            "parent_tool_use_id": None,
            "session_id": "",
            "client_composed": True,  # a text that begins with / is no command
        }
        await self._running.say(said)
        async for update in self._updates.follow():
            yield update

    async def answer(self, asked: Asked, choice: Choice | None, said: str, /) -> None:
        """Answer what it asked; see `Driver.answer`."""
        wish = self._wishes.pop(asked.key, None)
        if wish is None:
            return
        if choice is not None and choice.allows:
            verdict: Message = {"behavior": "allow", "updatedInput": wish["input"]}
        else:
            verdict = {"behavior": "deny", "message": said or "it is not allowed"}
        answer = {"subtype": "success", "request_id": asked.key, "response": verdict}
        await self._running.say({"type": "control_response", "response": answer})

    async def cancel(self) -> None:
        """Interrupt it."""
        with suppress(ProgramError):
            await self._request({"subtype": "interrupt"})

    async def close(self, grace: float = 1.0) -> None:
        """End the program."""
        program, self._program = self._program, None
        if program is not None:
            await program.close(grace)

    @property
    def _running(self) -> Program:
        if self._program is None:
            raise Ended(f"{self._launch.name} does not run: start it first")
        return self._program

    async def _request(self, wish: Message) -> Message:
        key = f"agentkit-{next(self._numbers)}"
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        request = {"type": "control_request", "request_id": key, "request": wish}
        try:
            await self._running.say(request)
            return await answer
        finally:
            answer.cancel()
            del self._answers[key]

    # --- what is heard ---

    def _end(self, error: ProgramError) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        self._updates.put(error)

    def _hear(self, message: Message) -> None:
        match message.get("type"):
            case "assistant":
                self._take_words(message)
            case "result":
                self._updates.put(self._bill(message))
                self._updates.put(self._outcome(message))
            case "control_request":
                self._take_wish(message["request_id"], message["request"])
            case "control_cancel_request":
                self._wishes.pop(message["request_id"], None)
                self._updates.put(Withdrawn(message["request_id"]))
            case "control_response":
                self._take_answer(message["response"])

    def _take_words(self, message: Message) -> None:
        """Tell what it does, and remember what it says for itself."""
        for part in message["message"]["content"]:
            if part["type"] == "tool_use":
                self._last = ""
                self._updates.put(_doing(part["name"], part["input"]))
            elif part["type"] == "text" and not message.get("parent_tool_use_id"):
                self._last = part["text"]

    def _take_wish(self, key: str, wish: Message) -> None:
        if wish["subtype"] != "can_use_tool":
            refusal = {"subtype": "error", "request_id": key, "error": "unsupported"}
            self._running.put({"type": "control_response", "response": refusal})
            return
        self._wishes[key] = wish
        tool, given = wish["tool_name"], wish["input"]
        asks = words.question(self.title, f"may it use {tool}?", given)
        self._updates.put(Asked(key, asks, CHOICES))

    def _take_answer(self, response: Message) -> None:
        answer = self._answers.get(response["request_id"])
        if answer is not None and not answer.done():
            answer.set_result(response)

    def _bill(self, result: Message) -> Used:
        """Return what the prompt used; the program tells dollars since it started."""
        cost, used = float(result.get("total_cost_usd") or 0), result.get("usage") or {}
        rise, self._cost = max(cost - self._cost, 0.0), cost
        tokens_in = sum(int(used.get(name) or 0) for name in TOKENS_IN)
        return Used(rise, tokens_in, int(used.get("output_tokens") or 0))

    def _outcome(self, result: Message) -> Outcome:
        text = words.whole(result.get("result") or self._last)
        fine = result.get("subtype") == "success" and not result.get("is_error")
        return Outcome(text) if fine else Outcome(text, _fault(result))


def _doing(tool: str, given: Message) -> Doing:
    if tool != "TodoWrite":
        return Doing(words.tool(tool, given))
    todos = given["todos"]
    now = [todo for todo in todos if todo.get("status") == "in_progress"]
    current = now[0].get("activeForm") or now[0].get("content") if now else ""
    return Doing(words.line(str(current or "")), words.share(todos))


def _fault(result: Message) -> str:
    """Return why a prompt failed: its errors, else its text, else what kind it is."""
    errors = "; ".join(str(error) for error in result.get("errors") or ())
    kind = str(result.get("subtype") or "")
    text = str(result.get("result") or "")
    return words.line(errors or text or kind, words.QUESTION)
