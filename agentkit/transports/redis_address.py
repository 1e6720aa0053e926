"""Where a Redis server is, how to get in, and what it means when that fails."""

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from agentkit.errors import Invalid
from agentkit.readers import masked
from agentkit.transports.errors import (
    ConnectionError,  # noqa: A004
    TransportError,
    quoted,
)
from agentkit.transports.redis_link import TIMEOUT, hang_up

if TYPE_CHECKING:
    from redis.asyncio import Connection

PORT: Final = 6379


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, and what it wants to know of us.

    Args:
        url: ``redis://user:password@host:port/database``, or ``rediss://`` for TLS.
        ca_file: who signed the server's certificate; the system's authorities if empty.
        cert_file: our own certificate, if the server asks for one.
        key_file: its key; empty if it is in `cert_file` as well.

    Raises:
        Invalid: the url is not one that Redis can have, or there are certificates
            without TLS.
    """

    url: str = field(repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        scheme = urlsplit(self.url).scheme
        if scheme not in ("redis", "rediss"):
            raise Invalid(
                f"the url {masked(self.url)} is not one of Redis: write redis:// or, "
                "for TLS, rediss://"
            )
        self._try_port()
        if not self.encrypted and (self.ca_file or self.cert_file or self.key_file):
            raise Invalid(
                f"certificates are of no use to {self.host} without TLS: write "
                "rediss:// in its url"
            )

    @property
    def encrypted(self) -> bool:
        """Whether TLS is asked for."""
        return urlsplit(self.url).scheme == "rediss"

    @property
    def host(self) -> str:
        """The host and the port."""
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{parts.port or PORT}"

    @property
    def shown(self) -> str:
        """The url, without user and password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{self.host}{parts.path}"

    async def connect(self) -> "Connection":
        """Return a connection that the server has answered on.

        Raises:
            ConnectionError: it does not answer, or refuses us.
            TransportError: redis-py is not installed, or a certificate cannot be read.
        """
        self._try_files()
        connection = self._connection()
        try:
            async with asyncio.timeout(TIMEOUT):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("PING")
                await connection.read_response()
        except BaseException as error:
            await hang_up(connection)
            if is_of_redis(error):
                raise ConnectionError(self._why(error)) from None
            raise
        return connection

    def gone(self, error: Exception) -> TransportError:
        """Return what it means that an exchange with the server failed."""
        from redis.exceptions import ResponseError

        if isinstance(error, ResponseError):
            return TransportError(
                f"the Redis server at {self.host} refuses what is needed "
                f"({said(error)}): allow it to the user that the url names"
            )
        return ConnectionError(
            f"the Redis server at {self.host} went away ({said(error)}): start it "
            "again, it is asked until it answers"
        )

    def _try_port(self) -> None:
        try:
            _ = urlsplit(self.url).port
        except ValueError:  # what it says may be a part of a password
            raise Invalid(
                "the url of a Redis server has a port that is no number up to 65,535: "
                "write redis://user:password@host:6379, and %2F for a / in a password"
            ) from None

    def _try_files(self) -> None:
        """See that the certificates can be read: redis-py would not say which not."""
        context = ssl.create_default_context()
        try:
            if self.ca_file:
                context.load_verify_locations(self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file or None)
        except OSError as error:
            names = filter(None, (self.ca_file, self.cert_file, self.key_file))
            raise TransportError(
                f"the certificates for {self.host} cannot be read ({said(error)}): "
                f"check {', '.join(names)}"
            ) from None

    def _connection(self) -> "Connection":
        try:
            from redis.asyncio import Connection, SSLConnection
            from redis.asyncio.connection import parse_url
        except ImportError:
            raise TransportError(
                f"Redis at {self.host} needs redis-py, which is not installed: install "
                "swarmtui[redis]"
            ) from None
        options: dict[str, Any] = {
            **parse_url(urlsplit(self.url)._replace(query="").geturl()),
            "protocol": 2,
            "socket_timeout": None,
            "socket_connect_timeout": TIMEOUT,
        }
        options.pop("connection_class", None)
        if not self.encrypted:
            return Connection(**options)
        return SSLConnection(
            ssl_ca_certs=self.ca_file or None,
            ssl_certfile=self.cert_file or None,
            ssl_keyfile=self.key_file or None,
            **options,
        )

    def _why(self, error: BaseException) -> str:
        """Return why we are not let in, and what to do about it."""
        from redis.exceptions import AuthenticationError

        origin = _origin(error)
        if isinstance(error, AuthenticationError):
            return (
                f"the Redis server at {self.host} does not let us in ({said(error)}): "
                "give the right user and password in the url, as in "
                "redis://user:password@host"
            )
        if isinstance(origin, ssl.SSLCertVerificationError):
            return (
                f"the certificate of the Redis server at {self.host} is not trusted "
                f"({origin.verify_message}): set ca_file to what signed it"
            )
        if self.encrypted and not isinstance(origin, gaierror | ConnectionRefusedError):
            return (
                f"the Redis server at {self.host} does not talk TLS with us "
                f"({said(origin)}): let it, and if it wants a certificate of ours, set "
                "cert_file and key_file"
            )
        return (
            f"no Redis server serves us at {self.host} ({said(origin)}): start it "
            "there, or correct the url"
        )


def is_of_redis(error: BaseException) -> bool:
    """Say whether an error is one of redis-py or of the network."""
    from redis.exceptions import RedisError

    return isinstance(error, RedisError | OSError)


def said(error: BaseException) -> str:
    """Return what an error says, to be put in brackets."""
    text = str(error)
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        text = os.strerror(error.errno).lower()
    elif isinstance(error, gaierror):
        text = str(error.strerror).lower()
    return quoted(text).rstrip(".") or "no answer in time"


def _origin(error: BaseException) -> BaseException:
    """Return what of the network an error of redis-py comes from, if anything."""
    found, seen = error, error.__context__
    while seen is not None:
        if isinstance(seen, OSError):
            found = seen
        seen = seen.__context__
    return found
