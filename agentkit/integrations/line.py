"""A few requests to the hub, one after the other, over a raw socket.

They share a budget, so that a hub that hangs delays an agent once and not each time.
What cannot be said in time, or not this way, is left to `general`, which puts it on
disk with the same idempotency key: it takes effect once.
"""

import os
import time

from agentkit import places, quick
from agentkit.integrations import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    class Line(Protocol):
        """A way to the hub."""

        @property
        def left(self) -> float:
            """The seconds that the hub, and what else there is, may still take."""

        def tell(self, agent: str, path: tuple[str, ...], body: dict[str, Any]) -> bool:
            """Say something that must not be lost; see `QuickLine.tell`."""

        def ask(
            self, path: tuple[str, ...], body: dict[str, Any] | None, key: str = ""
        ) -> dict[str, Any]:
            """Ask for what is lost if the hub is away; see `QuickLine.ask`."""


BUDGET = 0.8
"""Seconds that the hub may keep a hook waiting, in all."""

LARGEST = 1 << 22
"""Bytes of an answer that are read."""


class Away(Exception):
    """The hub could not be asked, or not in time."""


class Refused(Exception):
    """The hub refused; its reason is the text."""


class Setup:
    """Who reports by default, and the way to the hub."""

    __slots__ = ("agent", "capabilities", "disabled", "line")

    def __init__(
        self,
        line: "Line",
        agent: str = "",
        capabilities: "tuple[str, ...]" = (),
        *,
        disabled: bool = False,
    ) -> None:
        self.line = line
        self.agent = agent
        """The agent's name as it is set; empty when it is not."""
        self.capabilities = capabilities
        self.disabled = disabled


def setup(environ: "Mapping[str, str]") -> Setup:
    """Return how to report: the quick way, or the general one when it is unusual."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib takes longer to import
    except OSError:  # somebody deleted the folder of the session
        os.chdir("/")
    try:
        return _quick(environ)
    except (quick.Unusual, OSError, ValueError):
        from agentkit.integrations.general import general

        return general(time.monotonic() + BUDGET)


def _quick(environ: "Mapping[str, str]") -> Setup:
    disabled = environ.get("SWARMTUI_DISABLE", "")
    cwd = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import
    config = places.config_file(environ)
    if disabled not in ("", "1") or places.project_file(cwd):
        raise quick.Unusual
    if quick.has_kit_settings(config):
        raise quick.Unusual
    able = quick.first(environ, "SWARMTUI_CAPABILITIES", "CAPABILITIES").split(",")
    return Setup(
        QuickLine(*quick.hub(environ)),
        quick.first(environ, "SWARMTUI_AGENT", "SESSION_ID"),
        tuple(word.strip() for word in able if word.strip()),
        disabled=bool(disabled),
    )


class QuickLine:
    """A connection to a hub on a plain address, opened when it is first used."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._address = (host, port)
        self._token = token
        self._socket: Any = None
        self._deadline = 0.0

    @property
    def left(self) -> float:
        """The seconds that are left of the budget, counted from the first use."""
        now = time.monotonic()
        self._deadline = self._deadline or now + BUDGET
        return self._deadline - now

    def tell(self, agent: str, path: "tuple[str, ...]", body: "dict[str, Any]") -> bool:
        """Say something that must not be lost.

        Args:
            agent: who says it.
            path: where it goes, below ``/v1``.
            body: what it says.

        Returns:
            Whether the hub has it; otherwise it waits on disk.

        Raises:
            Refused: the hub does not want it.
        """
        key = os.urandom(16).hex()
        try:
            self.ask(path, body, key)
        except Away:
            from agentkit.integrations.general import GeneralLine

            return GeneralLine(time.monotonic() + self.left).tell(
                agent, path, body, key
            )
        return True

    def ask(
        self, path: "tuple[str, ...]", body: "dict[str, Any] | None", key: str = ""
    ) -> "dict[str, Any]":
        """Ask for something, and return what the hub answers.

        Args:
            path: what is asked for, below ``/v1``; its last part may have a question.
            body: what is posted; nothing is a GET.
            key: an idempotency key.

        Raises:
            Away: the hub is not there, or not in time.
            Refused: it does not want to.
        """
        try:
            status, answer = self._exchange(self._request(path, body, key))
        except (OSError, ValueError, OverflowError) as error:
            self.close()
            raise Away(str(error)) from None
        if status not in (200, 201):
            code = str(answer.get("code", ""))
            if code in ("not_found", "conflict", "invalid", "not_allowed"):
                raise Refused(str(answer.get("detail", code)))
            raise Away(f"it answers with {status}")
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _request(
        self, path: "tuple[str, ...]", body: "dict[str, Any] | None", key: str
    ) -> bytes:
        *above, last = path
        name, mark, question = last.partition("?")
        target = "/".join([*map(quick.segment, above), quick.segment(name)])
        text = "" if body is None else plain.written(body)
        method = "GET" if body is None else "POST"
        lines = [
            f"{method} /v1/{target}{mark}{question} HTTP/1.1",
            f"Host: {self._address[0]}:{self._address[1]}",
            *([f"Authorization: Bearer {self._token}"] if self._token else ()),
            *([f"Idempotency-Key: {key}"] if key else ()),
            *(["Content-Type: application/json"] if body is not None else ()),
            f"Content-Length: {len(text)}",
        ]
        return ("\r\n".join(lines) + f"\r\n\r\n{text}").encode("ascii")

    def _exchange(self, request: bytes) -> "tuple[int, dict[str, Any]]":
        if self._socket is None:
            import _socket

            self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            self._socket.settimeout(max(self.left, 0.001))
            self._socket.connect(self._address)
        self._socket.settimeout(max(self.left, 0.001))
        self._socket.sendall(request)
        head, _, rest = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").lower().split("\r\n")
        sizes = [line[15:] for line in lines if line.startswith("content-length:")]
        if not first.startswith("http/1.1 ") or len(sizes) != 1:
            raise ValueError("what answers is not a hub")
        size, body = int(sizes[0]), [rest]
        if size > LARGEST:
            raise ValueError("the answer is too large")
        while (size := size - len(body[-1])) > 0:
            body.append(self._more())
        return int(first.split()[1]), plain.read_object(b"".join(body).decode())

    def _until(self, mark: bytes) -> bytes:
        found = b""
        while mark not in found:
            found += self._more()
            if len(found) > LARGEST:
                raise ValueError("the answer is too large")
        return found

    def _more(self) -> bytes:
        if self.left <= 0:  # a hub that never ends what it says never times out either
            raise TimeoutError
        self._socket.settimeout(max(self.left, 0.001))
        part: bytes = self._socket.recv(65536)
        if not part:
            raise OSError("it hung up")
        return part
