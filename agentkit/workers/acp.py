"""Whatever speaks the Agent Client Protocol: Gemini CLI, opencode, Copilot CLI, Goose.

https://agentclientprotocol.com, version 1.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Final

from agentkit import __version__
from agentkit.workers import words
from agentkit.workers.driver import (
    Asked,
    Choice,
    Doing,
    NotStarted,
    Outcome,
    ProgramError,
    Update,
    Used,
)
from agentkit.workers.program import Launch, within
from agentkit.workers.rpc import Id, Params, Refusal, Rpc
from agentkit.workers.updates import Updates

VERSION: Final = 1

GREETING: Final = 90.0
"""Seconds that it has to start, and to begin a session: some load a lot."""

NO_LOGIN: Final = -32000
"""The code of an error that asks for a login."""

NOTHING: Final = {"fs": {"readTextFile": False, "writeTextFile": False}}
"""What we do for it: nothing, it has hands of its own."""

STOPS: Final[Mapping[str, str]] = {
    "max_tokens": "the answer was longer than the model allows",
    "max_turn_requests": "it asked the model more often than it may for one prompt",
    "refusal": "it refused to go on",
    "cancelled": "it was cancelled",
}
"""What it means when a prompt did not end of itself."""

SORRY: Final[Mapping[str, str]] = {"goose": "Ran into this error: "}
"""How words begin that are an error of its model, by what a program calls itself: its
prompt ends as if nothing were."""


class Acp:
    """Drives a program that speaks ACP.

    Args:
        launch: how it is started so that it speaks ACP.
        keep: whether one conversation goes on from prompt to prompt.
    """

    def __init__(self, launch: Launch, *, keep: bool = False) -> None:
        self.title = launch.name
        self._launch = launch
        self._keep = keep
        self._rpc: Rpc | None = None
        self._updates = Updates()
        self._session = ""
        self._used = False
        self._texts: list[str] = []
        self._is_fresh = False
        self._sorry = ""
        self._cost = 0.0
        self._wishes: dict[str, Id] = {}
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Be in a session: a fresh one when the last has had its prompt.

        Raises:
            ProgramError: it does not start.
        """
        if self._rpc is None or not self._rpc.program.runs:
            await self._launch_it()
        elif self._session and (self._keep or not self._used):
            return
        wish = {"cwd": str(self._launch.cwd), "mcpServers": []}
        begun = self._call("session/new", wish)
        said = await within(begun, GREETING, f"{self.title} began no session")
        self._session, self._cost, self._used = said["sessionId"], 0.0, False

    async def prompt(self, text: str) -> AsyncGenerator[Update]:
        """Have it do something; see `Driver.prompt`."""
        self._updates, self._used, self._texts = Updates(), True, []
        self._wishes.clear()
        self._asking = asyncio.create_task(self._ask(text))
        try:
            async for update in self._updates.follow():
                yield update
        finally:
            self._asking.cancel()

    async def answer(self, asked: Asked, choice: Choice | None, _said: str, /) -> None:
        """Answer what it asked; see `Driver.answer`. It takes no words."""
        number = self._wishes.pop(asked.key, None)
        if number is None:
            return
        if choice is None:
            choice = next((one for one in asked.choices if not one.allows), None)
        outcome = (
            {"outcome": "selected", "optionId": choice.key}
            if choice is not None
            else {"outcome": "cancelled"}
        )
        await self._running.answer(number, {"outcome": outcome})

    async def cancel(self) -> None:
        """Interrupt it; what it asks is answered with that, as the protocol wants."""
        with suppress(ProgramError):
            await self._running.tell("session/cancel", {"sessionId": self._session})
            for number in self._wishes.values():
                gone = {"outcome": {"outcome": "cancelled"}}
                await self._running.answer(number, gone)
            self._wishes.clear()

    async def close(self, grace: float = 1.0) -> None:
        """End the program."""
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            await rpc.program.close(grace)

    @property
    def _running(self) -> Rpc:
        if self._rpc is None:
            raise NotStarted(f"{self.title} does not run: start it first")
        return self._rpc

    async def _launch_it(self) -> None:
        await self.close()
        self._session = ""
        self._rpc = Rpc(
            self._launch,
            told=self._hear,
            asked=self._take_wish,
            over=self._gone,
            version="2.0",
        )
        hello = {
            "protocolVersion": VERSION,
            "clientCapabilities": {**NOTHING, "terminal": False},
            "clientInfo": {"name": "agentkit", "version": __version__},
        }
        try:
            await self._rpc.program.start()
            called = self._call("initialize", hello)
            said = await within(called, GREETING, f"{self.title} said no hello")
            _check(self.title, said)
            itself = (said.get("agentInfo") or {}).get("name")
            self._sorry = SORRY.get(str(itself), "")
        except BaseException:
            await self.close(grace=0)
            raise

    async def _call(self, method: str, params: Params) -> Params:
        try:
            return await self._running.call(method, params)
        except Refusal as refusal:
            remedy = (
                ": log in to it by hand first" if refusal.number == NO_LOGIN else ""
            )
            raise NotStarted(
                f"{self.title} refused {method}: {refusal}{remedy}"
            ) from None

    async def _ask(self, text: str) -> None:
        """Put the prompt; the answer to the request is its end."""
        prompt = [{"type": "text", "text": text}]
        wish = {"sessionId": self._session, "prompt": prompt}
        try:
            said = await self._running.call("session/prompt", wish)
        except Refusal as refusal:
            self._updates.put(Outcome(self._last_words(), str(refusal)))
        except ProgramError as error:
            self._updates.put(error)
        else:
            self._updates.put(_bill(said))
            stop = str(said.get("stopReason"))
            why = "" if stop == "end_turn" else STOPS.get(stop, f"it stopped: {stop}")
            self._updates.put(Outcome(self._last_words(), why or self._apology()))

    def _last_words(self) -> str:
        return words.whole("".join(self._texts)).strip()

    def _apology(self) -> str:
        """Return what its last words say went wrong; empty when they do not."""
        text = self._last_words()
        if not self._sorry or not text.startswith(self._sorry):
            return ""
        return words.line(text.removeprefix(self._sorry).partition("\n")[0])

    # --- what is heard ---

    def _gone(self, error: ProgramError) -> None:
        self._updates.put(error)

    def _hear(self, method: str, params: Params) -> None:
        if method != "session/update" or params.get("sessionId") != self._session:
            return
        update = params["update"]
        match update["sessionUpdate"]:
            case "agent_message_chunk" if update["content"]["type"] == "text":
                self._take_words(update["content"]["text"])
            case "tool_call" | "tool_call_update":
                self._take_tool(update)
            case "plan":
                self._updates.put(_plan(update["entries"]))
            case "usage_update":
                self._take_cost(update.get("cost") or {})

    def _take_words(self, text: str) -> None:
        """Add to its words; those before the last use of a tool are not the last."""
        is_sorry = bool(self._sorry) and text.startswith(self._sorry)
        if self._is_fresh or is_sorry:
            self._texts.clear()
            self._is_fresh = False
        self._texts.append(text)

    def _take_tool(self, call: Params) -> None:
        self._is_fresh = True
        if call.get("title"):
            self._updates.put(Doing(words.line(str(call["title"]))))

    def _take_cost(self, cost: Params) -> None:
        """Tell what it cost since the last time; the session tells totals."""
        if cost.get("currency") == "USD":
            total = float(cost["amount"])
            rise, self._cost = max(total - self._cost, 0.0), total
            self._updates.put(Used(rise))

    def _take_wish(self, number: Id, method: str, params: Params) -> None:
        if method != "session/request_permission":
            self._running.refuse(number, method)
            return
        call = params["toolCall"]
        title = str(call.get("title") or call.get("toolCallId"))
        asks = words.question(
            self.title, f"may it do this? {title}", call.get("rawInput")
        )
        choices = tuple(_choice(option) for option in params["options"])
        self._wishes[str(number)] = number
        self._take_tool(call)
        self._updates.put(Asked(str(number), asks, choices))


def _check(title: str, said: Params) -> None:
    """See that both speak the same version.

    Raises:
        NotStarted: they do not.
    """
    if said.get("protocolVersion") != VERSION:
        raise NotStarted(
            f"{title} speaks version {said.get('protocolVersion')} of ACP, and this "
            f"kit version {VERSION}: use another version of one of them"
        )


def _choice(option: Params) -> Choice:
    kind = str(option.get("kind") or "")
    return Choice(
        key=option["optionId"],
        name=str(option.get("name") or option["optionId"]),
        allows=kind.startswith("allow"),
        lasts=kind.endswith("always"),
    )


def _bill(said: Params) -> Used:
    """Return what a prompt used; Gemini CLI tells it in a way of its own."""
    quota = (said.get("_meta") or {}).get("quota") or {}
    own = quota.get("token_count") or {}
    usage = said.get("usage") or {
        "inputTokens": own.get("input_tokens"),
        "outputTokens": own.get("output_tokens"),
    }
    cached = int(usage.get("cachedReadTokens") or 0)
    tokens_in = int(usage.get("inputTokens") or 0) + cached
    return Used(0.0, tokens_in, int(usage.get("outputTokens") or 0))


def _plan(entries: list[Params]) -> Doing:
    now = [step["content"] for step in entries if step["status"] == "in_progress"]
    return Doing(words.line(now[0] if now else ""), words.share(entries))
