"""Where alerts arrive: a web server and a mail server on loopback, in threads."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, NamedTuple

PATIENCE = 30


class Post(NamedTuple):
    """What was posted, and where to."""

    path: str
    body: dict[str, Any]


class Hooks(ThreadingHTTPServer):
    """Web hooks: takes what is posted, refuses, redirects, or does not answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.posts: Queue[Post] = Queue()
        self.answers: list[int] = []
        """The codes of the next answers; after them all is taken."""
        self.hangs = False
        """Whether those who ask wait for an answer until the end."""
        self.asked = 0
        self.over = threading.Event()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def next(self) -> Post:
        return self.posts.get(timeout=PATIENCE)


class _Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        if self.server.hangs:
            self.server.over.wait()
            return
        code = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(code)
        if code == 302:
            self.send_header("Location", f"http://{self.server.place}/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        if code == 200:
            self.server.posts.put(Post(self.path, json.loads(body)))

    def do_GET(self) -> None:
        self.server.posts.put(Post(self.path, {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail, as RFC 5321 has it, for anybody."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Envelope)
        self.mails: Queue[EmailMessage] = Queue()
        self.refuses = False
        """Whether nobody's mail is taken."""

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def next(self) -> EmailMessage:
        return self.mails.get(timeout=PATIENCE)


class _Envelope(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while word := self.rfile.readline().split(b" ")[0].strip().upper():
            if word == b"MAIL" and self.server.refuses:
                self._say("451 come again later")
                continue
            if word == b"DATA":
                self._say("354 go on")
                self.server.mails.put(self._letter())
            self._say("221 bye" if word == b"QUIT" else "250 fine")
            if word == b"QUIT":
                return

    def _letter(self) -> EmailMessage:
        lines = iter(self.rfile.readline, b".\r\n")
        found = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def running(server: socketserver.TCPServer) -> Iterator[None]:
    """Serve in a thread while the block runs."""
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield
    finally:
        if isinstance(server, Hooks):
            server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def hooks() -> Iterator[Hooks]:
    """Web hooks that run."""
    server = Hooks()
    with running(server):
        yield server


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server that runs."""
    server = MailServer()
    with running(server):
        yield server
