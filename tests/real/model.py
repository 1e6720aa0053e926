"""A model on loopback: it answers what a test told it to, in whatever way it is asked.

A rule is a phrase and replies. The phrase stands in what the user says; the first reply
is to that, the next to the outcome of the tool that the first one called, and so on. It
keeps no state: a request that is repeated gets the same reply.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.real.dialects import DIALECTS, Asked, Call, Failure, Reply

USUAL = "noted"
"""What it says without a rule, and when the replies of one are used up."""


class Model:
    """What the model says.

    Attributes:
        asked: every request so far, in order.
        url: where it listens, when it does.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._rules: dict[str, tuple[Reply | Failure, ...]] = {}
        self._thoughts: dict[str, threading.Event] = {}

    def when(self, phrase: str, *replies: Reply | Failure) -> None:
        """Reply so to what has a phrase in it."""
        self._rules[phrase] = replies

    @contextmanager
    def thinking(self, phrase: str) -> Iterator[None]:
        """Reply to what has a phrase in it only afterwards."""
        self._thoughts[phrase] = thought = threading.Event()
        try:
            yield
        finally:
            thought.set()

    def reply(self, asked: Asked) -> Reply | Failure:
        """Return what it says to a request.

        A tool is called only for those who have it: products ask on the side as well,
        for a title and the like, and then the words of the last reply do.
        """
        self.asked.append(asked)
        for phrase, thought in list(self._thoughts.items()):
            if asked.has(phrase, "user"):
                thought.wait()
        replies, step = self._rule(asked)
        said = replies[step] if step < len(replies) else USUAL
        if isinstance(said, Call) and said.tool not in asked.tools:
            return next((r for r in reversed(replies) if isinstance(r, str)), USUAL)
        return said

    def heard(self, phrase: str, who: str = "user") -> bool:
        """Say whether a user, or the one who speaks for it, said this."""
        return any(asked.has(phrase, who) for asked in list(self.asked))

    def _rule(self, asked: Asked) -> tuple[tuple[Reply | Failure, ...], int]:
        """Return the replies to what was said last, and how many of them were given."""
        given = 0
        for turn in reversed(asked.turns):
            if turn.who == "model":
                given += 1
            for phrase, replies in self._rules.items():
                if turn.who == "user" and phrase in turn.text:
                    return replies, given
        return (), 0

    @contextmanager
    def listening(self, port: int = 0) -> Iterator["Model"]:
        """Listen on loopback."""
        server = _Server(("127.0.0.1", port), _Request)
        server.model = self
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    model: Model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away: products end in mid-sentence."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: what was asked is in the model."""

    def do_HEAD(self) -> None:
        self._send("application/json", b"")

    def do_GET(self) -> None:
        self._send("application/json", b'{"data": [], "models": []}')

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        path = self.path.partition("?")[0]
        for ending, dialect in DIALECTS.items():
            if path.endswith(ending):
                asked = dialect.read(body, path)
                reply = self.server.model.reply(asked)
                if isinstance(reply, Failure):
                    self._fail(reply)
                else:
                    self._send(*dialect.write(reply, asked))
                return
        self._send("application/json", b'{"input_tokens": 10, "totalTokens": 10}')

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _fail(self, failure: Failure) -> None:
        error = {"type": "invalid_request_error", "message": failure.reason}
        body = json.dumps({"type": "error", "error": error}).encode()
        self._send("application/json", body, failure.status)

    def _send(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
