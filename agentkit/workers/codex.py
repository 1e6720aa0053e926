"""Codex: its app-server, one thread for each conversation."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from agentkit import __version__
from agentkit.errors import AgentkitError
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
    Withdrawn,
)
from agentkit.workers.program import Launch, within
from agentkit.workers.rpc import Id, Params, Refusal, Rpc
from agentkit.workers.updates import Updates

GREETING: Final = 60.0
"""Seconds that it has to start, and to begin a thread."""

CHOICES: Final = (
    Choice("accept", "allow once", allows=True),
    Choice("acceptForSession", "allow from now on", allows=True, lasts=True),
    Choice("decline", "reject", allows=False),
)

ASKS: Final[Mapping[str, str]] = {
    "item/commandExecution/requestApproval": "may it run this?",
    "item/fileChange/requestApproval": "may it change these files?",
}
"""The requests that a person decides, and what they come to."""

ABOUT: Final = ("command", "cwd", "reason", "grantRoot")
"""What of a request a person is told."""

TELLING: Final[Mapping[str, tuple[str, str]]] = {
    "commandExecution": ("shell", "command"),
    "mcpToolCall": ("MCP", "tool"),
    "dynamicToolCall": ("tool", "tool"),
    "webSearch": ("web search", "query"),
}
"""What items of a kind are called, and what tells most of one."""


class Codex:
    """Drives Codex.

    Args:
        launch: its words are the program and further flags.
        keep: whether one conversation goes on from prompt to prompt.
    """

    title = "Codex"

    def __init__(self, launch: Launch, *, keep: bool = False) -> None:
        first, *more = launch.words
        self._launch = replace(launch, words=(first, "app-server", *more))
        self._keep = keep
        self._rpc: Rpc | None = None
        self._updates = Updates()
        self._thread = self._turn = self._last = ""
        self._used = False
        self._tokens = (0, 0)
        self._changes: dict[str, Any] = {}
        self._wishes: dict[str, Id] = {}

    async def start(self) -> None:
        """Be in a thread: a fresh one when the last has had its prompt.

        Raises:
            ProgramError: it does not start.
        """
        if self._rpc is None or not self._rpc.program.runs:
            await self._launch_it()
        elif self._thread and (self._keep or not self._used):
            return
        begun = self._call("thread/start", {"cwd": str(self._launch.cwd)})
        thread = await within(begun, GREETING, "codex began no thread")
        self._thread, self._tokens, self._used = thread["thread"]["id"], (0, 0), False

    async def prompt(self, text: str) -> AsyncGenerator[Update]:
        """Have it do something; see `Driver.prompt`."""
        self._updates, self._used = Updates(), True
        self._turn = self._last = ""
        self._changes.clear()
        self._wishes.clear()
        given = [{"type": "text", "text": text}]
        try:
            begun = await self._running.call(
                "turn/start", {"threadId": self._thread, "input": given}
            )
        except Refusal as refusal:
            yield Outcome("", str(refusal))
            return
        self._turn = begun["turn"]["id"]
        async for update in self._updates.follow():
            yield update

    async def answer(self, asked: Asked, choice: Choice | None, _said: str, /) -> None:
        """Answer what it asked; see `Driver.answer`. It takes no words."""
        number = self._wishes.pop(asked.key, None)
        decision = choice.key if choice is not None else "decline"
        if number is not None:
            await self._running.answer(number, {"decision": decision})

    async def cancel(self) -> None:
        """Interrupt it."""
        with suppress(AgentkitError):
            turn = {"threadId": self._thread, "turnId": self._turn}
            await self._running.call("turn/interrupt", turn)

    async def close(self, grace: float = 1.0) -> None:
        """End the program."""
        rpc, self._rpc = self._rpc, None
        if rpc is not None:
            await rpc.program.close(grace)

    @property
    def _running(self) -> Rpc:
        if self._rpc is None:
            raise NotStarted("codex does not run: start it first")
        return self._rpc

    async def _launch_it(self) -> None:
        await self.close()
        self._thread = ""
        self._rpc = Rpc(
            self._launch,
            told=self._hear,
            asked=self._take_wish,
            over=self._gone,
        )
        client = {"name": "agentkit", "title": "agentkit", "version": __version__}
        try:
            await self._rpc.program.start()
            hello = self._call("initialize", {"clientInfo": client})
            await within(hello, GREETING, "codex said no hello")
            await self._rpc.tell("initialized")
        except BaseException:
            await self.close(grace=0)
            raise

    async def _call(self, method: str, params: Params) -> Params:
        try:
            return await self._running.call(method, params)
        except Refusal as refusal:
            raise NotStarted(f"codex refused {method}: {refusal}") from None

    # --- what is heard ---

    def _gone(self, error: ProgramError) -> None:
        self._updates.put(error)

    def _hear(self, method: str, params: Params) -> None:
        if params.get("threadId", self._thread) != self._thread:
            return
        match method:
            case "item/started":
                self._begin_item(params["item"])
            case "item/completed" if params["item"]["type"] == "agentMessage":
                self._last = params["item"]["text"]
            case "turn/plan/updated":
                self._updates.put(_plan(params["plan"]))
            case "thread/tokenUsage/updated":
                self._updates.put(self._bill(params["tokenUsage"]["total"]))
            case "serverRequest/resolved":
                self._wishes.pop(str(params["requestId"]), None)
                self._updates.put(Withdrawn(str(params["requestId"])))
            case "turn/completed":
                self._updates.put(self._outcome(params["turn"]))

    def _begin_item(self, item: Params) -> None:
        kind = item["type"]
        if kind == "fileChange":
            self._changes[item["id"]] = item["changes"]
            paths = ", ".join(str(change["path"]) for change in item["changes"])
            self._updates.put(Doing(words.line(f"edit: {paths}")))
        elif kind in TELLING:
            name, telling = TELLING[kind]
            self._updates.put(Doing(words.line(f"{name}: {item.get(telling) or ''}")))

    def _take_wish(self, number: Id, method: str, params: Params) -> None:
        if method not in ASKS:
            self._running.refuse(number, method)
            return
        self._wishes[str(number)] = number
        about = {name: params[name] for name in ABOUT if params.get(name)}
        changes = self._changes.get(params.get("itemId", ""))
        asks = words.question(
            self.title,
            ASKS[method],
            {**about, "changes": changes} if changes else about,
        )
        self._updates.put(Asked(str(number), asks, CHOICES))

    def _bill(self, total: Params) -> Used:
        """Return what was used since the last time; the thread tells totals."""
        before, now = self._tokens, (total["inputTokens"], total["outputTokens"])
        self._tokens = now
        return Used(0.0, max(now[0] - before[0], 0), max(now[1] - before[1], 0))

    def _outcome(self, turn: Params) -> Outcome:
        text, status = words.whole(self._last), turn["status"]
        if status == "completed":
            return Outcome(text)
        error = turn.get("error") or {}
        said = " ".join(
            str(error[name])
            for name in ("message", "additionalDetails")
            if error.get(name)
        )
        return Outcome(
            text, words.line(said or f"its turn ended as {status}", words.QUESTION)
        )


def _plan(steps: list[Params]) -> Doing:
    now = next((step["step"] for step in steps if step["status"] == "inProgress"), "")
    return Doing(words.line(now), words.share(steps))
