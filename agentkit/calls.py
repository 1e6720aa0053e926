"""Single requests to the hub over HTTP, standard library only.

For commands that ask one thing and end. A program that stays uses `Agent` or
`Coordinator`, which keep a WebSocket.
"""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode

from agentkit.backoff import delays
from agentkit.errors import (
    BY_CODE,
    AgentkitError,
    ConnectionLost,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnreachable,
    Invalid,
)
from agentkit.settings import Endpoint, split_address

T = TypeVar("T")

BY_STATUS: dict[int, type[AgentkitError]] = {
    401: HubRefused,
    413: Invalid,
    421: HubRefused,
    429: HubUnavailable,
    502: HubUnavailable,
    503: HubUnavailable,
    504: HubUnavailable,
    507: HubUnavailable,
}
"""What a status means when the reply has no code that we know."""

PIECE = 1 << 18
"""Bytes of a download that are taken at once."""

LARGEST = 1 << 25
"""Bytes of an answer that are taken for one of a hub."""

_OPENSSL = re.compile(r"\[[^]]*\] | \(_ssl\.c:\d+\)")
"""What OpenSSL says for its own people around what it says for everybody."""


class Reply(NamedTuple):
    """What a hub answered: a status and an object."""

    status: int
    body: dict[str, Any]


class Caller:
    """A connection to the hub for a few requests, one after the other.

    Args:
        endpoint: the hub.
        timeout: seconds for everything that is done with it.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self._deadline = time.monotonic() + timeout
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._deadline - time.monotonic()

    def get(self, *path: str, **query: object) -> dict[str, Any]:
        """Ask for what is at a path; see `request`."""
        asked = {name: value for name, value in query.items() if value is not None}
        question = f"?{urlencode(asked)}" if asked else ""
        return self.request("GET", path_of(*path) + question)

    def post(
        self, *path: str, body: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        """Send an object to a path; see `request`."""
        return self.request("POST", path_of(*path), body, key)

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> dict[str, Any]:
        """Make a request and return what the hub answered.

        Args:
            method: of HTTP.
            path: below the hub's address, with what stands behind a question mark.
            body: an object to send.
            key: an idempotency key: used again, it has no second effect.

        Raises:
            HubUnreachable: the hub was not reached; nothing happened.
            ConnectionLost: it went away in the middle; it may have happened.
            HubRefused: it will not talk to us, or it is not a hub.
            HubUnavailable: it cannot do it just now.
            SwarmError: it refused the wish.
        """
        connection = self._connect()
        with self._trusting():
            connection.request(method, path, _text_of(body), self._headers(body, key))
            connection.response_class = _within(lambda: self.left)
            answer = connection.getresponse()
            text = answer.read(LARGEST)
            if answer.length or len(text) == LARGEST:
                raise HTTPException("its answer is not whole, or too large")
        return self._judge(Reply(answer.status, _object(text)))

    def upload(self, path: str, file: BinaryIO, kind: str, key: str) -> dict[str, Any]:
        """Send what a file holds to a path, piece by piece, and return the answer.

        Args:
            path: below the hub's address.
            file: is read to its end.
            kind: its media type.
            key: an idempotency key.

        Raises:
            HubError: it did not arrive, or it is not known whether it did.
            SwarmError: the hub refused it.
        """
        connection = self._connect()
        connection.blocksize = PIECE
        headers = self._headers(None, key) | {"Content-Type": kind}
        headers["Transfer-Encoding"] = "chunked"
        with self._trusting():
            # A hub that will not have it says so before it has read all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("PUT", path, file, headers, encode_chunked=True)
            answer = connection.getresponse()
            text = answer.read()
        return self._judge(Reply(answer.status, _object(text)))

    def exists(self, path: str) -> bool:
        """Say whether anything is at a path.

        Raises:
            HubError: the hub could not be asked.
            SwarmError: the hub refused to say.
        """
        connection = self._connect()
        with self._trusting():
            connection.request("HEAD", path, headers=self._headers(None, ""))
            answer = connection.getresponse()
            answer.read()
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            self.request("GET", path)  # says why, which an answer to HEAD cannot
        return answer.status == HTTPStatus.OK

    def download(
        self, path: str, file: BinaryIO, told: Callable[[int, int], object]
    ) -> str:
        """Write into a file what is at a path; return its media type.

        Args:
            path: below the hub's address.
            file: is written to.
            told: is told the bytes of each piece, and of the whole.

        Raises:
            HubError: it did not come, or not as a whole.
            SwarmError: the hub refused it.
        """
        connection = self._connect()
        with self._trusting():
            connection.request("GET", path, headers=self._headers(None, ""))
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                self._judge(Reply(answer.status, _object(answer.read())))
            missing = whole = int(answer.headers.get("Content-Length", 0))
        while missing:
            with self._trusting():
                piece = answer.read(min(missing, PIECE))
                if not piece:
                    raise HTTPException("it ended too early")
            missing -= file.write(piece)
            told(len(piece), whole)
        answer.read()
        return answer.headers.get("Content-Type", "")

    @contextmanager
    def _trusting(self) -> Iterator[None]:
        """Tell in one sentence how an answer failed to come."""
        try:
            yield
        except (OSError, HTTPException) as error:
            self.close()
            if distrust := distrusted(self.endpoint, error):
                raise distrust from None
            raise ConnectionLost(
                f"the hub at {self.endpoint.url} did not answer ({_reason(error)}): "
                "try again; with the same key nothing happens twice"
                f"{hint(self.endpoint)}"
            ) from None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> HTTPConnection:
        if self._connection is None:
            connection = _connection(self.endpoint)
            connection.timeout = max(self.left, 0.001)
            try:
                _dial(connection, connection.timeout)
            except OSError as error:
                if distrust := distrusted(self.endpoint, error):
                    raise distrust from None
                raise HubUnreachable(
                    f"no hub answers at {self.endpoint.url} ({_reason(error)}): start "
                    "one with swarmtui serve, or set SWARMTUI_URL"
                ) from None
            self._connection = connection
        self._connection.response_class = HTTPResponse
        if self._connection.sock is not None:
            self._connection.sock.settimeout(max(self.left, 0.001))
        return self._connection

    def _headers(self, body: Mapping[str, Any] | None, key: str) -> dict[str, str]:
        token = self.endpoint.token
        return {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
            **({"Idempotency-Key": key} if key else {}),
        }

    def _judge(self, reply: Reply) -> dict[str, Any]:
        return judged(self.endpoint.url, reply)


def judged(url: str, reply: Reply) -> dict[str, Any]:
    """Return what a hub answered.

    Raises:
        AgentkitError: it refused, or it is no hub.
    """
    if 200 <= reply.status < 300 and reply.body:
        return reply.body
    said = reply.body.get("detail")
    kind = BY_CODE.get(str(reply.body.get("code"))) or BY_STATUS.get(reply.status)
    if kind is None or not isinstance(said, str):
        raise HubRefused(
            f"what answers at {url} is not a swarmtui hub (status {reply.status}): "
            "check SWARMTUI_URL"
        )
    raise kind(said)


def asked_twice(ask: Callable[[], T]) -> T:
    """Return what a question gives; put it once more when its answer was lost.

    Raises:
        AgentkitError: what `ask` raises.
    """
    try:
        return ask()
    except ConnectionLost:
        return ask()


def asked_again(ask: Callable[[float], T], until: float) -> Iterator[T]:
    """Yield what a question gives, asked over and over until the time is over.

    Keeps trying while the hub is away.

    Args:
        ask: puts the question; it is told how many seconds are left.
        until: by `time.monotonic`, when to end.

    Raises:
        HubError: the hub was away when the time was over.
        AgentkitError: whatever else `ask` raises, at once.
    """
    waits = delays()
    away: HubError | None = None
    while (left := until - time.monotonic()) > 0:
        try:
            found = ask(left)
        except (HubUnreachable, HubUnavailable, ConnectionLost) as error:
            away = error
            time.sleep(min(next(waits), max(until - time.monotonic(), 0)))
        else:
            waits, away = delays(), None
            yield found
    if away is not None:
        raise away


def path_of(*segments: str) -> str:
    """Return a path of the API from its segments, quoted."""
    return "/v1/" + "/".join(
        quote(segment, safe="", errors="replace") for segment in segments
    )


def _connection(endpoint: Endpoint) -> HTTPConnection:
    parts = split_address(endpoint.url)
    if parts.scheme == "http":
        return HTTPConnection(str(parts.hostname), parts.port or 80)
    return HTTPSConnection(
        str(parts.hostname), parts.port or 443, context=tls_context(endpoint)
    )


def _within(left: Callable[[], float]) -> type[HTTPResponse]:
    """Return a response that comes while there is time, however slowly it drips."""

    class Response(HTTPResponse):
        def __init__(self, line: socket, *words: Any, **options: Any) -> None:
            super().__init__(line, *words, **options)
            self.fp.close()
            self.fp = BufferedReader(_Timely(line, left))

    return Response


class _Timely(RawIOBase):
    """What comes out of a socket while there is time."""

    def __init__(self, line: socket, left: Callable[[], float]) -> None:
        self._line = line
        self._left = left
        self._raw = line.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if (left := self._left()) <= 0:
            raise TimeoutError
        self._line.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _dial(connection: HTTPConnection, seconds: float) -> None:
    """Connect within so many seconds.

    Looking up a name cannot be told how long it may take, and neither can a handshake,
    only each step of it: that is left to a thread that nobody waits for longer.

    Raises:
        OSError: it did not work, or not in time.
    """
    from threading import Thread

    numeric = connection.host.replace(".", "").isdigit() or ":" in connection.host
    if numeric and not isinstance(connection, HTTPSConnection):
        connection.connect()
        return
    failed: list[Exception] = []

    def connect() -> None:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            failed.append(error)

    helper = Thread(target=connect, daemon=True)
    helper.start()
    helper.join(seconds)
    if helper.is_alive():
        raise TimeoutError
    if failed:
        raise failed[0] if isinstance(failed[0], OSError) else OSError(str(failed[0]))


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return how to talk TLS to a hub.

    Raises:
        Invalid: a certificate or a key cannot be read.
    """
    try:
        context = ssl.create_default_context(
            cafile=endpoint.ca_file, cadata=endpoint.certificate or None
        )
        if endpoint.certificate:
            # It came from the hub itself, through a file of this user.
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if endpoint.client_cert:
            context.load_cert_chain(endpoint.client_cert, endpoint.client_key)
    except OSError as error:
        raise Invalid(
            f"the certificates cannot be read ({_reason(error)}): check ca_file, "
            "client_cert and client_key"
        ) from None
    return context


def distrusted(endpoint: Endpoint, error: Exception) -> HubUnreachable | None:
    """Return what it means that we do not trust a hub; None when it is not that."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HubUnreachable(
            f"the certificate of the hub at {endpoint.url} is not trusted "
            f"({error.verify_message}): set SWARMTUI_CA_FILE to what signed it"
        )
    return None


def hint(endpoint: Endpoint) -> str:
    """Return what to add when a hub hangs up: over TLS it need not say why."""
    if not endpoint.url.startswith("https"):
        return ""
    return "; if it wants a certificate of yours, set SWARMTUI_CLIENT_CERT"


def _text_of(body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise Invalid(
            "a number in the report is not finite: send an amount of dollars"
        ) from None
    # what a terminal gave us may not be Unicode; a hub takes nothing else
    return text.encode("utf-8", "replace")


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _reason(error: Exception) -> str:
    """Say in a few words what went wrong."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
        return "it hung up"
    text = error.strerror if isinstance(error, OSError) else str(error)
    return _OPENSSL.sub("", text or type(error).__name__).lower()
