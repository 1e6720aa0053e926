"""All hosts of the internet on loopback: a proxy that is whoever is asked for."""

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

from tests.integration.authority import Authority
from tests.integration.receivers import running

PATIENCE = 30


class Asked(NamedTuple):
    """A request that reached a host."""

    host: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Answer(NamedTuple):
    """What a host says."""

    code: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = {}


class Internet(socketserver.ThreadingTCPServer):
    """Takes CONNECT, as RFC 9110 has it, and goes on as the host that was meant.

    Args:
        folder: where certificates go.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self._folder = folder
        self._authority = Authority("a test")
        self._lock = threading.Lock()
        self._sites: dict[str, ssl.SSLContext] = {}
        self.asked: Queue[Asked] = Queue()
        self.answers: list[Answer] = []
        """The next answers; after them all is well."""
        self.usual = Answer()
        self.hangs = False
        """Whether those who ask wait for an answer until the end."""
        self.over = threading.Event()

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that is to reach it."""
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.server_address[1]}",
            "REQUESTS_CA_BUNDLE": str(self._authority.write(self._folder / "ca.pem")),
        }

    def next(self) -> Asked:
        return self.asked.get(timeout=PATIENCE)

    def site(self, host: str) -> ssl.SSLContext:
        """Return how a host is, over TLS."""
        with self._lock:
            if host not in self._sites:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(
                    *self._authority.issue(self._folder, host, host)
                )
                self._sites[host] = context
            return self._sites[host]


class _Tunnel(socketserver.StreamRequestHandler):
    server: Internet

    def handle(self) -> None:
        wish = self.rfile.readline().decode()
        while self.rfile.readline().strip():
            pass
        host = wish.split()[1].partition(":")[0]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        context = self.server.site(host)
        with (
            suppress(ssl.SSLError),
            context.wrap_socket(self.request, server_side=True) as secured,
        ):
            _Site(secured, self.client_address, self.server)


class _Site(BaseHTTPRequestHandler):
    server: Internet

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        host = self.headers["Host"]
        asked = Asked(host, self.path, dict(self.headers), json.loads(body))
        self.server.asked.put(asked)
        if self.server.hangs:
            self.server.over.wait()
            return
        answers = self.server.answers
        answer = answers.pop(0) if answers else self.server.usual
        self.send_response(answer.code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def internet(folder: Path) -> Iterator[Internet]:
    """The internet, while the block runs."""
    server = Internet(folder)
    try:
        with running(server):
            yield server
    finally:
        server.over.set()
