"""One connection to a NATS server, and what it means when there is none.

It is nats-py's client, told not to reconnect by itself: it would keep what is published
meanwhile without a word, and gives up for good when it is refused once. What becomes of
a link is for the transport to tell.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from agentkit.errors import Invalid
from agentkit.readers import masked
from agentkit.transports.errors import ConnectionError, TransportError  # noqa: A004
from agentkit.transports.nats_errors import is_of_nats, said
from agentkit.transports.nats_tls import tls_context

if TYPE_CHECKING:
    from nats.aio.client import Client

PORT: Final = 4222

TIMEOUT: Final = 2.0
"""Seconds that a server may take for each step of letting us in, and to answer."""

TRIES: Final = 4
"""Times that a server may hang up on us while we connect."""

QUIET: Final = 5.0
"""Seconds after which a server is asked whether it is there, and to say so."""

UNSENT: Final = 2**20
"""Bytes that may wait for a server that does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server is, and what it wants to know of us.

    Args:
        url: ``nats://user:password@host:port``, or ``tls://`` for nothing but TLS;
            ``token@`` in place of a user for a token, and several servers of a cluster
            as ``host:port,host:port``.
        ca_file: who signed the server's certificate; the system's authorities if empty.
        cert_file: our own certificate, if the server asks for one.
        key_file: its key; may be in `cert_file` as well.

    Raises:
        Invalid: the url is not that of a NATS server, or there are certificates
            without TLS.
    """

    url: str = field(repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def __post_init__(self) -> None:
        scheme = _split(self.url).scheme
        if scheme not in ("nats", "tls"):
            raise Invalid(
                f"the url {masked(self.url)} is not one of NATS: write nats:// or, for "
                "TLS, tls://"
            )
        if scheme == "nats" and (self.ca_file or self.cert_file or self.key_file):
            raise Invalid(
                f"certificates are of no use to {self.shown} without TLS: write tls:// "
                "in its url"
            )
        if not self.servers:
            raise Invalid(f"the url {scheme}: has no host: write {scheme}://host:4222")

    @property
    def servers(self) -> list[str]:
        """The scheme, the host and the port of each server."""
        parts = _split(self.url)
        hosts = filter(None, parts.hosts.split(","))
        return [f"{parts.scheme}://{_host_of(host)}" for host in hosts]

    @property
    def shown(self) -> str:
        """The scheme, the hosts and the ports, for people."""
        return ",".join(self.servers).replace(f",{_split(self.url).scheme}://", ",")

    @property
    def secure(self) -> bool:
        """Whether nothing may be said without TLS."""
        return self.url.startswith("tls:")

    async def connect(
        self,
        *,
        name: str,
        lost: Callable[[], None],
        heard: Callable[[Exception], None],
    ) -> "Client":
        """Return a client that the server has let in.

        Args:
            name: what the server's own monitoring is to call us.
            lost: is called when the connection has ended, perhaps more than once.
            heard: is called with what else goes wrong.

        Raises:
            ConnectionError: it does not answer, or refuses us.
            TransportError: nats-py is not installed, or a certificate cannot be read.
        """
        for _ in range(TRIES - 1):
            with suppress(ConnectionResetError, BrokenPipeError):
                return await self._try(name, lost, heard)
        try:
            return await self._try(name, lost, heard)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise self._explained(error) from None

    async def _try(
        self,
        name: str,
        lost: Callable[[], None],
        heard: Callable[[Exception], None],
    ) -> "Client":
        """Try once to connect.

        Raises:
            ConnectionResetError, BrokenPipeError: it hung up, and why may be told to
                who tries again: what it says may be lost over what we say meanwhile.
        """
        client = self._client()
        from nats.errors import StaleConnectionError

        errors: list[Exception] = []
        live = False

        async def on_error(error: Exception) -> None:
            if not live:
                errors.append(error)
            elif isinstance(error, OSError | StaleConnectionError):
                lost()
            else:
                heard(error)

        async def on_closed() -> None:
            if live:
                lost()

        try:
            await client.connect(
                self.servers, name=name, error_cb=on_error, closed_cb=on_closed,
                **self._login(), **_OPTIONS,
            )  # fmt: skip
        except BaseException as error:
            await hang_up(client)
            if not is_of_nats(error):
                raise
            cause = errors[-1] if errors else error
            if isinstance(cause, ConnectionResetError | BrokenPipeError):
                raise cause from None
            raise self._explained(cause) from None
        if not client.is_connected:
            await hang_up(client)
            raise ConnectionResetError("it hung up")
        live = True
        return client

    def _explained(self, error: BaseException) -> ConnectionError:
        """Return what a failure to connect means, and what to do about it."""
        from nats.errors import SecureConnWantedError

        if isinstance(error, SecureConnWantedError):
            return ConnectionError(
                f"the NATS server at {self.shown} does not speak TLS: let it, or write "
                "nats:// to talk to it in the clear"
            )
        if "authorization" in str(error).lower():
            return ConnectionError(
                f"the NATS server at {self.shown} refuses the credentials: check the "
                "user and password, or the token, in the url"
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return ConnectionError(
                f"the certificate of the NATS server at {self.shown} is not trusted "
                f"({error.verify_message}): write tls:// and set ca_file to what "
                "signed it"
            )
        return ConnectionError(
            f"the NATS server at {self.shown} cannot be reached ({said(error)}): "
            f"{self._remedy(error)}"
        )

    def _remedy(self, error: BaseException) -> str:
        """Return what to do when a server hangs up: over TLS it need not say why."""
        if self.secure and isinstance(error, (ssl.SSLError, ConnectionResetError)):
            return "if it wants a certificate of yours, set cert_file and key_file"
        return "check the url, and that the server runs"

    def _client(self) -> "Client":
        try:
            from nats.aio.client import Client
        except ImportError:
            raise TransportError(
                f"NATS at {self.shown} needs nats-py, which is not installed: install "
                "swarmtui[nats]"
            ) from None
        return Client()

    def _login(self) -> dict[str, Any]:
        """Return who we are; over TLS only once there is TLS."""
        user, _, password = map(unquote, _split(self.url).login.partition(":"))
        login = {"user": user, "password": password} if password else {"token": user}
        words: dict[str, str | None] = {
            key: word for key, word in login.items() if word
        }
        if not self.secure:
            return words
        context = tls_context(self.shown, self.ca_file, self.cert_file, self.key_file)
        from nats.errors import SecureConnWantedError

        def sure(word: str | None) -> Callable[[], str | None]:
            def say() -> str | None:
                if not context.used:
                    raise SecureConnWantedError
                return word

            return say

        # The client calls these for each CONNECT that it is about to send, a token only
        # if there is no user: so there is always one to be called.
        words = words or {"token": None}
        return {"tls": context, **{key: sure(word) for key, word in words.items()}}


_OPTIONS: Final[dict[str, Any]] = {
    "allow_reconnect": False,
    "max_reconnect_attempts": 1,
    "reconnect_time_wait": 0,
    "connect_timeout": TIMEOUT,
    "ping_interval": QUIET,
    "max_outstanding_pings": 1,
    "pending_size": UNSENT,
    "flush_timeout": TIMEOUT,
}


async def hang_up(client: "Client") -> None:
    """Close a client, whatever state it is in."""
    with suppress(Exception):  # it asserts that it was connected before
        async with asyncio.timeout(0.5):  # it waits for ever after a failed handshake
            await client.close()


class _Parts(NamedTuple):
    scheme: str
    login: str
    hosts: str


def _split(url: str) -> _Parts:
    """Return the parts of a url that may name several hosts."""
    scheme, _, rest = url.rpartition("://")
    login, _, hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    return _Parts(scheme or "nats", login, hosts)


def _host_of(text: str) -> str:
    """Return the host and the port that stand in a url."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or PORT
    except ValueError:  # what it says may be a part of a password
        raise Invalid(
            "the url of a NATS server has a port that is no number up to 65,535: write "
            "nats://user:password@host:4222, and %2F for a / in a password"
        ) from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
