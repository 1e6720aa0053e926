"""The WebSocket to the hub: opened, refused, lost, and opened again."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, TypeAlias

from agentkit import __version__
from agentkit.backoff import delays
from agentkit.calls import distrusted, hint, tls_context
from agentkit.errors import (
    AgentkitError,
    ConnectionLost,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnreachable,
)
from agentkit.settings import Endpoint, split_address

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed, InvalidStatus

LinkState: TypeAlias = Literal["connecting", "live", "waiting", "closed"]

SUBPROTOCOL = "swarm.v1"
OPEN_WITHIN = 10.0
PING_EVERY = 20.0
LARGEST = 1 << 26
"""Bytes in one frame: a thousand rows with long texts."""

REFUSED = frozenset({1009, 4400, 4401, 4403, 4409})
"""Close codes after which there is no point in coming back."""


@dataclass(frozen=True, slots=True)
class Link:
    """How the connection to the hub is."""

    state: LinkState = "connecting"
    error: str = ""
    """Why it is not live; empty when nothing went wrong."""
    retry_at: datetime | None = None
    """When the next attempt is made, in UTC; None when none is planned."""


Find: TypeAlias = Callable[[], Endpoint]
Session: TypeAlias = Callable[["ClientConnection"], Awaitable[None]]


class Keeper:
    """Keeps a client linked to the hub.

    Args:
        find: says where the hub is; asked again before each attempt.
        path: of the WebSocket.
        changed: is called whenever `link` has changed.
    """

    def __init__(
        self, find: Find, path: str, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.link = Link()
        self._find = find
        self._path = path
        self._changed = changed

    def live(self) -> None:
        """Note that the hub has welcomed us; the session calls it."""
        self._tell(Link("live"))

    def close(self) -> None:
        """Note that the client has ended."""
        self._tell(Link("closed", self.link.error))

    async def run(self, session: Session) -> None:
        """Hold a session with the hub over and over, for ever.

        Args:
            session: speaks over an open connection until that ends.

        Raises:
            HubRefused: the hub does not want us; trying again would not help.
            Invalid: a setting cannot be read.
        """
        waits = delays()
        while True:
            self._tell(Link("connecting", self.link.error))
            try:
                hub = self._find()
                await _hold(hub, self._path, session)
            except (ConnectionLost, HubUnavailable, HubUnreachable) as error:
                waits = delays() if self.link.state == "live" else waits
                pause = next(waits)
                again = datetime.now(UTC) + timedelta(seconds=pause)
                self._tell(Link("waiting", str(error), again))
                await asyncio.sleep(pause)
            except AgentkitError as error:
                if isinstance(error, HubRefused) and self._has_moved_from(hub):
                    continue
                self._tell(Link("closed", str(error)))
                raise

    def _has_moved_from(self, hub: Endpoint) -> bool:
        """Say whether another token, or another hub, is announced by now."""
        with suppress(AgentkitError):
            return self._find() != hub
        return False

    def _tell(self, link: Link) -> None:
        self.link = link
        self._changed()


async def open_link(endpoint: Endpoint, path: str) -> "ClientConnection":
    """Open a WebSocket to the hub.

    Raises:
        HubUnreachable: nothing answers there.
        HubUnavailable: the hub has no room just now.
        HubRefused: it does not want us, or it is not a hub.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
    from websockets.typing import Subprotocol

    scheme, _, rest = endpoint.url.partition("://")
    headers = {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    try:
        return await connect(
            f"{'wss' if scheme == 'https' else 'ws'}://{rest}{path}",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=headers,
            user_agent_header=f"agentkit/{__version__}",
            compression=None,
            max_size=LARGEST,
            open_timeout=OPEN_WITHIN,
            ping_interval=PING_EVERY,
            ping_timeout=PING_EVERY,
            close_timeout=1,
            ssl=_tls(endpoint),
            proxy=None if _is_local(endpoint.url) else True,
        )
    except InvalidStatus as error:
        raise _not_let_in(endpoint, error) from None
    except (OSError, TimeoutError) as error:
        if distrust := distrusted(endpoint, error):
            raise distrust from None
        raise HubUnreachable(
            f"no hub answers at {endpoint.url} ({_reason(error)}): start one with "
            "swarmtui serve, or set SWARMTUI_URL"
        ) from None
    except InvalidMessage as error:
        if not isinstance(error.__cause__, EOFError | OSError):
            raise _not_a_hub(endpoint, error) from None
        raise HubUnreachable(
            f"the hub at {endpoint.url} hung up: look at its log{hint(endpoint)}"
        ) from None
    except (InvalidHandshake, EOFError) as error:
        raise _not_a_hub(endpoint, error) from None


def ended(endpoint: Endpoint, error: "ConnectionClosed") -> HubError:
    """Return what the end of a connection means."""
    code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
    if code in REFUSED:
        return HubRefused(reason or f"the hub at {endpoint.url} closed with {code}")
    why = reason or ("it is restarting" if code in (1001, 1012) else "it went away")
    return ConnectionLost(f"the connection to the hub at {endpoint.url} ended: {why}")


async def _hold(endpoint: Endpoint, path: str, session: Session) -> None:
    from websockets.exceptions import ConnectionClosed

    socket = await open_link(endpoint, path)
    try:
        await session(socket)
    except ConnectionClosed as error:
        raise ended(endpoint, error) from None
    finally:
        await socket.close()


def _not_let_in(endpoint: Endpoint, error: "InvalidStatus") -> HubError:
    status = error.response.status_code
    try:
        said = str(json.loads(error.response.body or b"")["detail"])
    except (ValueError, KeyError, TypeError):
        said = ""
    if status in (429, 502, 503, 504):
        return HubUnavailable(said or f"the hub at {endpoint.url} has no room just now")
    return HubRefused(
        said
        or f"what answers at {endpoint.url} is not a swarmtui hub (status {status}): "
        "check SWARMTUI_URL"
    )


def _not_a_hub(endpoint: Endpoint, error: Exception) -> HubRefused:
    return HubRefused(
        f"what answers at {endpoint.url} is not a swarmtui hub ({error}): "
        "check SWARMTUI_URL"
    )


def _tls(endpoint: Endpoint) -> ssl.SSLContext | None:
    return tls_context(endpoint) if endpoint.url.startswith("https") else None


def _is_local(url: str) -> bool:
    host = split_address(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    text = error.strerror if isinstance(error, OSError) else ""
    return (text or str(error) or type(error).__name__).lower()
