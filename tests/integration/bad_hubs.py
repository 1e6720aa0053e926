"""Things that stand where a hub should be and are none, or none that works."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread

Behaviour = Callable[[socket.socket, Event], None]


def silent(_line: socket.socket, over: Event) -> None:
    """Take what comes and never answer."""
    over.wait()


def dripping(line: socket.socket, over: Event) -> None:
    """Answer with a head, and then a byte now and then for ever."""
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
    _drip(line, over, b" ")


def dripping_head(line: socket.socket, over: Event) -> None:
    """Never come to the end of the head."""
    line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(line, over, b"x")


def dripping_handshake(line: socket.socket, over: Event) -> None:
    """Begin with a record of TLS that never ends."""
    line.sendall(b"\x16\x03\x03\x40\x00")
    _drip(line, over, b"\x02")


def _drip(line: socket.socket, over: Event, what: bytes) -> None:
    while not over.wait(0.05):
        line.sendall(what)


def pouring(line: socket.socket, over: Event) -> None:
    """Say more and more, as fast as it is read."""
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n{")
    while not over.is_set():
        line.sendall(b" " * 65536)


def large(line: socket.socket, _over: Event) -> None:
    """Answer with a hundred megabytes of something else."""
    line.recv(65536)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1000):
        line.sendall(b"x" * 100_000)


def saying(head: str, body: str = "") -> Behaviour:
    """Answer every request in the same words."""
    text = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def behave(line: socket.socket, _over: Event) -> None:
        while line.recv(65536):
            line.sendall(text)

    return behave


def garbage(line: socket.socket, _over: Event) -> None:
    """Answer with something that is not HTTP."""
    line.recv(65536)
    line.sendall(b"\x00\xff SSH-2.0 hello\r\n\r\n" * 100)


def hanging_up(line: socket.socket, _over: Event) -> None:
    """Go away in the middle of the answer."""
    line.recv(65536)
    line.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"status"')


BAD = {
    "silent": silent,
    "dripping": dripping,
    "dripping head": dripping_head,
    "pouring": pouring,
    "large": large,
    "garbage": garbage,
    "hanging up": hanging_up,
    "an error": saying("500 Internal Server Error", "oh no"),
    "nothing": saying("204 No Content"),
    "another page": saying("200 OK", "<html>hello</html>"),
    "a list": saying("200 OK", "[]"),
    "an empty object": saying("200 OK", "{}"),
    "other things": saying(
        "200 OK", '{"status": 7, "tasks": [7], "mail": [{"kind": []}]}'
    ),
    "no tasks": saying("200 OK", '{"status": "received", "tasks": null, "mail": 7}'),
    "half a task": saying("200 OK", '{"mail": [], "tasks": [{"id": "T1"}]}'),
    "very deep": saying("200 OK", '{"mail": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "elsewhere": saying("307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/"),
    "busy": saying("503 Service Unavailable\r\nRetry-After: 3600", "{}"),
}


@contextmanager
def hub_that_is(behave: Behaviour) -> Iterator[str]:
    """Listen at an address and behave like that; yields the address without scheme."""
    over = Event()

    def serve(line: socket.socket) -> None:
        with suppress(OSError), closing(line):
            behave(line, over)

    def listen() -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                Thread(target=serve, args=(line,), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        Thread(target=listen, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def full_house() -> Iterator[str]:
    """Listen and never take anybody: who comes gets no word at all."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        address = server.getsockname()
        guests = [socket.socket() for _ in range(4)]
        for guest in guests:
            guest.setblocking(False)
            guest.connect_ex(address)
        time.sleep(0)
        try:
            yield f"127.0.0.1:{address[1]}"
        finally:
            for guest in guests:
                guest.close()
