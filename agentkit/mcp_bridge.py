"""MCP over standard input and output, carried to the hub and back.

For clients that start each server as a process: one frame a line comes in, goes to the
hub's ``POST /mcp``, and what the hub answers goes out. Which tools there are and what
they do is the hub's business. The hub is looked for again with every frame and waited
for while it is away: a call that was cut off is made again with the same key, so that
it has no second effect.
"""

import base64
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from agentkit.backoff import delays
from agentkit.calls import Caller
from agentkit.errors import (
    AgentkitError,
    ConnectionLost,
    HubRefused,
    HubUnavailable,
    HubUnreachable,
)
from agentkit.settings import Endpoint

Frame: TypeAlias = dict[str, Any]
Id: TypeAlias = str | int

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"

NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The parameter that the header Mcp-Name repeats, by method."""

WAITS: Final = {"wait_for_task": 50.0}
"""Seconds that tools wait unless they are told how many."""

LONGEST: Final = 50.0
"""Seconds that the hub waits at most."""

PATIENCE: Final = 10.0
"""Seconds that a call may take beyond what it waits, with a hub that is away."""

LONGEST_REST: Final = 2.0
"""Seconds between two attempts to reach a hub that is away, at most."""

START: Final = 25.0
"""Seconds that everything else may take: clients give a server up that does not start.
"""

LAST: Final = 1.5
"""Seconds that the last answers may take when nothing more comes in."""

BUSY: Final = (429, 502, 503, 504)
"""Statuses that pass."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INTERNAL_ERROR: Final = -32603


class Bridge:
    """Carries frames.

    Args:
        find: says where the hub is; asked again for each frame.
        agent: who the calls are of; empty is whoever the token is for.
        write: takes a line for the client, whole; called from several threads.
        tell: takes a sentence for people.
    """

    def __init__(
        self,
        find: Callable[[], Endpoint],
        agent: str,
        write: Callable[[bytes], None],
        tell: Callable[[str], None],
    ) -> None:
        self._find = find
        self._path = f"/mcp?agent={quote(agent, safe='')}" if agent else "/mcp"
        self._write = write
        self._tell = tell
        self._lock = threading.Lock()
        self._calls: dict[Id, Call] = {}
        self._told = ""
        """What people were told last; empty when all is well."""

    def run(self, lines: Iterable[bytes]) -> None:
        """Carry frames until no more come in and the last ones are answered."""
        for line in lines:
            if line.strip():
                self._take(line)
        until = time.monotonic() + LAST
        for call in tuple(self._calls.values()):
            call.thread.join(max(until - time.monotonic(), 0.0))

    def _take(self, line: bytes) -> None:
        """Begin to carry a frame; what is none is answered here."""
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError) as error:
            text = f"this is not JSON ({error}): send one object a line"
            self._say(_error(None, PARSE_ERROR, text))
            return
        fault = _fault(frame)
        if fault:
            self._say(_error(None, INVALID_REQUEST, fault))
        elif frame.get("method") == "notifications/cancelled":
            self._call_off((frame.get("params") or {}).get("requestId"))
        elif "id" in frame and "method" in frame:
            call = Call(frame, line, self._carry)
            with self._lock:
                self._calls[call.id] = call
            call.thread.start()

    def _call_off(self, key: object) -> None:
        if not isinstance(key, str | int):
            return
        with self._lock:
            call = self._calls.pop(key, None)
        if call is not None:
            call.hang_up()

    def _carry(self, call: "Call") -> None:
        """Have a frame answered, by the hub or in its place."""
        try:
            answer = self._answer(call)
        except AgentkitError as error:
            self._note(str(error))
            answer = refusal(call.frame, str(error))
        with self._lock:
            if self._calls.get(call.id) is call:
                del self._calls[call.id]
        if answer is not None and not call.over:
            self._say(answer)

    def _answer(self, call: "Call") -> Frame | None:
        """Return what the hub answers, however long it is away.

        Raises:
            AgentkitError: it refused, or was away for as long as the call may take.
        """
        waits = delays(longest=LONGEST_REST)
        while not call.over:
            try:
                answer = self._ask(call)
            except (HubUnreachable, HubUnavailable, ConnectionLost) as error:
                if call.left <= 0:
                    raise
                self._note(str(error))
                time.sleep(min(next(waits), call.left))
            else:
                self._note("")
                return answer
        return None

    def _ask(self, call: "Call") -> Frame | None:
        with Line(self._find(), call) as line:
            for frame in line.exchange(self._path):
                if "method" not in frame:
                    return {**frame, "id": call.id}
                if not call.over:
                    self._say(call.in_time(frame))
        return None

    def _note(self, reason: str) -> None:
        """Tell people what is wrong, and when all is well again: once each."""
        if reason != self._told:
            self._told = reason
            self._tell(reason or "the hub answers again")

    def _say(self, frame: Frame) -> None:
        text = json.dumps(frame, separators=(",", ":"))
        with self._lock, suppress(OSError):  # a client that has gone hears nothing
            self._write(text.encode() + b"\n")


class Call:
    """A request on its way."""

    def __init__(
        self, frame: Frame, line: bytes, work: Callable[["Call"], None]
    ) -> None:
        self.frame = frame
        self._line = line
        self.id: Id = frame["id"]
        self.key = os.urandom(16).hex()
        self.over = False
        """Whether nobody waits for the answer any more."""
        self.thread = threading.Thread(target=work, args=(self,), daemon=True)
        self.socket: socket.socket | None = None
        self._wait = wait_of(frame)
        is_tool = frame["method"] == "tools/call"
        self._begun = time.monotonic()
        self._patience = self._wait + PATIENCE if is_tool else START

    @property
    def left(self) -> float:
        """Seconds that it may still take."""
        return self._begun + self._patience - time.monotonic()

    @property
    def body(self) -> bytes:
        """The frame as it is sent now: what it has waited, it need not wait again."""
        if not self._wait:
            return self._line
        waited = time.monotonic() - self._begun
        params = self.frame["params"]
        left = round(max(self._wait - waited, 0.0), 3)
        arguments = {**(params.get("arguments") or {}), "wait": left}
        sent = {**self.frame, "params": {**params, "arguments": arguments}}
        return json.dumps(sent).encode()

    def in_time(self, note: Frame) -> Frame:
        """Return a note on the progress as seen from here: it only ever rises.

        The hub counts anew when it was away.
        """
        waited = round(time.monotonic() - self._begun, 1)
        params = {**note.get("params", {}), "progress": waited, "total": self._wait}
        return {**note, "params": params}

    def hang_up(self) -> None:
        """Go, and let the hub know: it takes back what it would have given."""
        self.over = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class Line(Caller):
    """A connection to the hub for one call."""

    def __init__(self, endpoint: Endpoint, call: Call) -> None:
        super().__init__(endpoint, max(call.left, 0.1))
        self._call = call

    def exchange(self, path: str) -> Iterator[Frame]:
        """Send the call; yield what comes back: notifications, at last the answer.

        Raises:
            HubError: no answer came.
        """
        connection = self._connect()
        self._call.socket = connection.sock
        headers = self._headers({}, self._call.key) | headers_of(self._call.frame)
        with self._trusting():
            connection.request("POST", path, self._call.body, headers)
            answer = connection.getresponse()
            kind = answer.headers.get("Content-Type", "")
            if kind.startswith("text/event-stream"):
                yield from _events(answer)
            else:
                yield self._whole(answer)

    def _whole(self, answer: HTTPResponse) -> Frame:
        frame = _object(answer.read())
        if frame.get("jsonrpc") != "2.0":
            raise HubRefused(
                f"what answers at {self.endpoint.url} does not speak MCP (status "
                f"{answer.status}): check SWARMTUI_URL, or update the hub"
            )
        if answer.status in (200, 400, 404):
            return frame
        kind = HubUnavailable if answer.status in BUSY else HubRefused
        raise kind(str(frame.get("error", {}).get("message", "")))


def _events(answer: HTTPResponse) -> Iterator[Frame]:
    """Yield the frames of a stream of events, up to the answer."""
    for line in answer:
        if line.startswith(b"data:"):
            frame = _object(line[5:])
            yield frame
            if "method" not in frame:
                return
    raise HTTPException("it ended too early")


# --- frames --------------------------------------------------------------------------


def headers_of(frame: Frame) -> dict[str, str]:
    """Return the headers that go with a frame."""
    headers = {"Accept": "application/json, text/event-stream"}
    params = frame.get("params") or {}
    version = (params.get("_meta") or {}).get(VERSION_KEY)
    if isinstance(version, str):
        headers["MCP-Protocol-Version"] = encoded(version)
        headers["Mcp-Method"] = encoded(frame["method"])
        name = params.get(NAMED_BY.get(frame["method"], ""))
        if isinstance(name, str):
            headers["Mcp-Name"] = encoded(name)
    return headers


def encoded(text: str) -> str:
    """Return a text as the value of a header: as base64 unless it is plain ASCII."""
    if text.isascii() and text.isprintable() and text == text.strip():
        return text
    data = base64.b64encode(text.encode("utf-8", "replace")).decode()
    return f"=?base64?{data}?="


def wait_of(frame: Frame) -> float:
    """Return how many seconds a call waits in the hub."""
    params = frame.get("params") or {}
    arguments = params.get("arguments")
    name = params.get("name")
    if frame["method"] != "tools/call" or not isinstance(name, str):
        return 0.0
    fields = arguments if isinstance(arguments, dict) else {}
    wait = fields.get("wait", WAITS.get(name, 0.0))
    plain = isinstance(wait, int | float) and 0 <= wait <= LONGEST
    return float(wait) if plain else 0.0


def refusal(frame: Frame, text: str) -> Frame:
    """Return the answer in place of the hub's: a model shall read why."""
    if frame["method"] != "tools/call":
        return _error(frame["id"], INTERNAL_ERROR, text)
    result: Frame = {"content": [{"type": "text", "text": text}], "isError": True}
    if VERSION_KEY in ((frame.get("params") or {}).get("_meta") or {}):
        result["resultType"] = "complete"
    return {"jsonrpc": "2.0", "id": frame["id"], "result": result}


def _error(key: Id | None, code: int, text: str) -> Frame:
    return {"jsonrpc": "2.0", "id": key, "error": {"code": code, "message": text}}


def _fault(frame: object) -> str:
    """Say why something is no frame; empty when it is one."""
    if not isinstance(frame, dict):
        return "this is not an object: send requests one at a time"
    if not isinstance(frame.get("method", ""), str):
        return "the method is not a text: send a request or a notification"
    key = frame.get("id", 0)
    if isinstance(key, bool) or not isinstance(key, str | int):
        return "the id is neither a text nor a whole number: send one that is"
    params = frame.get("params") or {}
    if not isinstance(params, dict) or not isinstance(params.get("_meta") or {}, dict):
        return "params is not an object: send them by name"
    return ""


def _object(text: bytes) -> Frame:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
