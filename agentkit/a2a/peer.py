"""One A2A agent, asked by JSON-RPC over HTTP, in the version that it speaks.

    async with Peer.found("http://127.0.0.1:9000") as peer:
        told = await peer.send("count the words", key="m1")
        told = await peer.look(told.task)

Redirects are not followed, and credentials are shown to nobody but the address that
they were given for.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agentkit.a2a.cards import PLACES, Card, Version, read_card
from agentkit.a2a.errors import PeerError, PeerUnreachable
from agentkit.a2a.words import Told, read
from agentkit.errors import Invalid
from agentkit.settings import masked, same_hub, split_address

if TYPE_CHECKING:
    import httpx

PATIENCE: Final = 30.0
"""Seconds that an agent may take to answer."""

LARGEST: Final = 16 << 20
"""Bytes that an answer may have."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an agent is, and what it asks for."""

    url: str
    credentials: str = field(default="", repr=False)
    """Sent as a bearer token; empty sends none."""


@dataclass(frozen=True, slots=True)
class Push:
    """Where an agent is to tell how a task goes."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Tongue:
    """How a version of the protocol says what we say."""

    send: str
    look: str
    cancel: str
    role: str
    headers: Mapping[str, str]


TONGUES: Final[Mapping[Version, _Tongue]] = {
    "1.0": _Tongue(
        "SendMessage", "GetTask", "CancelTask", "ROLE_USER", {"A2A-Version": "1.0"}
    ),
    "0.3": _Tongue("message/send", "tasks/get", "tasks/cancel", "user", {}),
}


class Peer:
    """An agent that was found; see the module.

    Args:
        http: asks.
        address: where it was looked for.
        card: what it says of itself.
    """

    def __init__(self, http: "httpx.AsyncClient", address: Address, card: Card) -> None:
        self.card = card
        self._http = http
        self._tongue = TONGUES[card.protocol]
        self._headers = dict(self._tongue.headers)
        if address.credentials and not same_hub(address.url, card.url):
            raise Invalid(
                f"the card of {card.name} names {card.url}, and the credentials are "
                f"for {address.url}: give them for that address"
            )
        self._headers |= _shown(address)

    @classmethod
    @asynccontextmanager
    async def found(cls, address: Address) -> AsyncIterator["Peer"]:
        """Look for an agent at an address, and keep the connection to it.

        Raises:
            PeerUnreachable: nothing answers there.
            PeerError: it has no card, or speaks nothing that we do.
            Invalid: it is no address, or its card leads elsewhere with credentials.
        """
        import httpx

        parts = _parts(address.url)
        local = parts in ("localhost", "127.0.0.1", "::1")
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=not local) as http:
            yield cls(http, address, await _card_at(http, address))

    async def send(
        self,
        text: str,
        *,
        key: str,
        push: Push | None = None,
        to: Told | None = None,
    ) -> Told:
        """Send a message, and return what the agent says at once.

        Args:
            text: for people and models.
            key: the message's id: an agent may know by it what it has had already.
            push: where to tell how the task goes; left out for an agent that cannot.
            to: the task that it is about; else the agent begins one, or just answers.

        Raises:
            PeerError: it could not be asked, or refused.
        """
        wish = {"message": self._message(text, key, to)}
        terms = self._terms(push if self.card.pushes else None)
        method = self._tongue.send
        try:
            said = await self._ask(method, {**wish, "configuration": terms})
        except PeerError as error:
            if error.number != PeerError.NO_PUSH:
                raise
            terms = self._terms(None)
            said = await self._ask(method, {**wish, "configuration": terms})
        return self._read(said)

    async def look(self, task: str) -> Told:
        """Return how far a task is.

        Raises:
            PeerError: it could not be asked, or does not know the task.
        """
        return self._read(await self._ask(self._tongue.look, {"id": task}))

    async def cancel(self, task: str) -> None:
        """Call a task off.

        Raises:
            PeerError: it could not be asked, or the task is over.
        """
        await self._ask(self._tongue.cancel, {"id": task})

    # --- the words of its version ---

    @property
    def _is_old(self) -> bool:
        return self.card.protocol == "0.3"

    def _message(self, text: str, key: str, to: Told | None) -> dict[str, Any]:
        kind = {"kind": "message"} if self._is_old else {}
        part = {"kind": "text"} if self._is_old else {}
        about = {"taskId": to.task, "contextId": to.context} if to else {}
        return {
            **kind,
            "messageId": key,
            "role": self._tongue.role,
            "parts": [{**part, "text": text}],
            **{name: value for name, value in about.items() if value},
        }

    def _terms(self, push: Push | None) -> dict[str, Any]:
        """Return how it is to answer: at once, and then to `push`."""
        terms: dict[str, Any] = (
            {"blocking": False} if self._is_old else {"returnImmediately": True}
        )
        if push is not None:
            old = self._is_old
            name = "pushNotificationConfig" if old else "taskPushNotificationConfig"
            terms[name] = {"url": push.url, "token": push.token}
        return terms

    # --- over the wire ---

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        frame = {
            "jsonrpc": "2.0",
            "id": os.urandom(8).hex(),
            "method": method,
            "params": params,
        }
        reply = await _exchange(self._http, "POST", self.card.url, self._headers, frame)
        error = reply.get("error")
        if isinstance(error, Mapping):
            raise self._refusal(method, error)
        result = reply.get("result")
        if not isinstance(result, Mapping):
            raise PeerError(
                f"{self.card.name} answered {method} with neither result nor error: "
                f"look whether A2A {self.card.protocol} is at {self.card.url}"
            )
        return result

    def _refusal(self, method: str, error: Mapping[str, Any]) -> PeerError:
        number = error.get("code")
        code = number if isinstance(number, int) else 0
        said = str(error.get("message") or "no reason")[:500]
        remedy = "look at its log"
        if code == PeerError.WRONG_VERSION:
            remedy = "add it again, its card says which version it speaks"
        if code == PeerError.UNKNOWN_TASK:
            remedy = "send it anew"
        return PeerError(
            f"{self.card.name} refused {method} ({said}): {remedy}", number=code
        )

    def _read(self, result: Mapping[str, Any]) -> Told:
        try:
            return read(result)
        except Invalid as error:
            raise PeerError(
                f"{self.card.name} answered what A2A {self.card.protocol} does not "
                f"have: {error}"
            ) from None


async def _card_at(http: "httpx.AsyncClient", address: Address) -> Card:
    """Find the card of an agent: at its address, or at the places below it."""
    url = address.url.rstrip("/")
    places = [url] if url.endswith(".json") else [url + place for place in PLACES]
    refused: PeerError | None = None
    for place in places:
        try:
            found = await _exchange(http, "GET", place, _shown(address))
        except PeerUnreachable:
            raise
        except PeerError as error:
            refused = refused or error
        else:
            return read_card(found, place)
    raise PeerError(f"no A2A agent is at {address.url}: {refused}")


async def _exchange(
    http: "httpx.AsyncClient",
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Make a request, and return the object that it is answered with."""
    import httpx

    try:
        async with (
            asyncio.timeout(PATIENCE),
            http.stream(method, url, json=body, headers=dict(headers)) as reply,
        ):
            text = await _text(reply, url)
    except httpx.InvalidURL as error:
        raise PeerError(f"{url} cannot be asked ({error}): check the card") from None
    except (httpx.TransportError, TimeoutError) as error:
        raise PeerUnreachable(
            f"no A2A agent answers at {url} ({_reason(error)}): start it, or check the "
            "address"
        ) from None
    if reply.status_code in (401, 403):
        raise PeerError(
            f"{url} wants to know who asks (status {reply.status_code}): add the agent "
            "with --credentials FILE"
        )
    if reply.status_code in (429, 502, 503, 504):
        raise PeerUnreachable(
            f"{url} answers {reply.status_code} just now: wait, or look at its log"
        )
    return _object(text, url, reply.status_code)


async def _text(reply: "httpx.Response", url: str) -> bytes:
    text = bytearray()
    async for chunk in reply.aiter_bytes():
        text += chunk
        if len(text) > LARGEST:
            raise PeerError(
                f"{url} answers more than {LARGEST:,} bytes: have the agent give "
                "links to what is large"
            )
    return bytes(text)


def _object(text: bytes, url: str, status: int) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if status >= 300 and not (isinstance(value, dict) and "error" in value):
        raise PeerError(f"{url} answers {status}: check the address")
    if not isinstance(value, dict):
        raise PeerError(f"{url} answers no object of JSON: check the address")
    return value


def _shown(address: Address) -> dict[str, str]:
    if not address.credentials:
        return {}
    return {"Authorization": f"Bearer {address.credentials}"}


def _parts(url: str) -> str:
    """Return the host of an address.

    Raises:
        Invalid: it is none.
    """
    try:
        return split_address(url).hostname or ""
    except ValueError as error:
        raise Invalid(
            f"the address {masked(url)} {error}: give http://HOST:PORT of the agent"
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "it took too long"
    return (str(error) or type(error).__name__).lower()
