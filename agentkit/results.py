"""Results by address: ``swarm://RUN/NAME``, of any kind and size.

    async with ResultBackend() as results:
        await results.write("swarm://r1/pages", {"count": 3})       # JSON
        await results.write("swarm://r1/film", Path("film.mp4"))    # or bytes, a stream
        pages = await results.read("swarm://r1/pages", timeout=60)  # waits until then
        await results.save("swarm://r1/film", Path("copy.mp4"))

What a run led to is at ``swarm://RUN/result``, and its checkpoints at
``swarm://RUN/checkpoint`` (the newest) and ``swarm://RUN/checkpoint/N``. What is large
goes to the hub and comes from it piece by piece, and is in memory nowhere as a whole.
Addresses that begin with ``flatagents://`` mean the same.

A task that leads to something large gives its address as its result (`reference`):
``{"_result": "swarm://r1/r1.7"}``; `resolve` reads what such a value stands for.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from mimetypes import guess_type
from pathlib import Path
from ssl import SSLCertVerificationError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from agentkit.addresses import Address, address_of
from agentkit.backoff import delays
from agentkit.calls import (
    PIECE,
    Reply,
    distrusted,
    judged,
    path_of,
    tls_context,
)
from agentkit.errors import (
    CallTimeout,
    ConnectionLost,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnreachable,
    Invalid,
    NotFound,
)
from agentkit.settings import Endpoint, endpoint

if TYPE_CHECKING:
    import httpx

__all__ = ["ResultBackend", "kind_of", "reference"]

Data: TypeAlias = Any
"""What can be written: bytes, the path of a file, an async iterable of bytes; all else
is written as JSON."""

LONGEST_WAIT: Final = 50.0
"""Seconds that one request waits for what is not there yet."""

PATIENCE: Final = 30.0
"""Seconds that the hub may take to say or take the next thing."""

ANY: Final = "application/octet-stream"
JSON: Final = "application/json"
KEY: Final = "_result"

AWAY: Final = (HubUnreachable, HubUnavailable, ConnectionLost)

_Body: TypeAlias = Callable[[], bytes | AsyncIterable[bytes]]


def reference(address: str) -> dict[str, str]:
    """Return the value that stands for what is at an address."""
    return {KEY: address}


def kind_of(path: Path) -> str:
    """Return the media type that the name of a file tells."""
    kind, encoding = guess_type(path.name)
    return kind if kind and not encoding else ANY


class ResultBackend:
    """Writes and reads results; as a context manager it keeps its connections.

    Args:
        hub: which hub; else as the settings say.
        url: its address, else that of `hub`.
        token: ours, else that of `hub`.
    """

    def __init__(
        self, hub: Endpoint | None = None, *, url: str = "", token: str = ""
    ) -> None:
        self._hub = hub
        self._url = url
        self._token = token
        self._kept: AsyncExitStack | None = None
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._kept = AsyncExitStack()
        self._client = await self._kept.enter_async_context(self._connected())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client = None
        if self._kept is not None:
            await self._kept.aclose()

    async def write(
        self, uri: str, data: Data, *, kind: str = "", key: str = ""
    ) -> str:
        """Write something over what was there; return its address.

        Returns when the hub has it on its disk. What is lost on the way is sent once
        more, but for a stream, which cannot be.

        Args:
            uri: its address.
            data: bytes, the path of a file, an async iterable of bytes, or JSON.
            kind: its media type; else as the data tells.
            key: an idempotency key: used again, it has no second effect.

        Raises:
            Invalid: the address is none, the data has no form in JSON, or is too large.
            NotAllowed: the token may not write there.
            Conflict: the run itself writes there.
            HubError: the hub could not be asked, or has no room.
            OSError: the file cannot be read.
        """
        address = address_of(uri)
        body, usual = _body_of(data)
        headers = {
            "Content-Type": kind or usual,
            "Idempotency-Key": key or os.urandom(16).hex(),
        }
        try:
            await self._ask("PUT", address, headers, body())
        except ConnectionLost:
            if isinstance(data, AsyncIterable):
                raise
            await self._ask("PUT", address, headers, body())
        return str(address)

    async def read(
        self,
        uri: str,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Any:
        """Return what is there: of JSON the value, of anything else the bytes.

        Args:
            uri: its address.
            block: wait until it is there, also while the hub is away.
            timeout: seconds to wait at most; None is for ever.

        Raises:
            Invalid: the address is none.
            NotFound: nothing is there, and `block` is False.
            CallTimeout: nothing was there in time; it is a `TimeoutError`.
            HubError: the hub could not be asked.
        """
        async with self._opened(uri, block, timeout) as response:
            body = await _heard(response.aread(), response)
            kind = response.headers.get("content-type", "")
        return json.loads(body) if _is_json(kind) else body

    async def pieces(
        self,
        uri: str,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncIterator[bytes]:
        """Yield what is there piece by piece, as it was written; see `read`.

        Raises:
            ConnectionLost: it broke off, or is damaged: what was yielded is not all.
        """
        async with self._opened(uri, block, timeout) as response:
            stream = response.aiter_bytes(PIECE)
            while True:
                try:
                    piece = await _heard(anext(stream), response)
                except StopAsyncIteration:
                    return
                yield piece

    async def save(
        self,
        uri: str,
        path: Path,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> int:
        """Write into a file what is there; return its size in bytes; see `read`.

        The file is there as a whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        part = path.with_name(f"{path.name}.part")
        size = 0
        try:
            with await asyncio.to_thread(part.open, "wb") as file:
                async for piece in self.pieces(uri, block, timeout):
                    size += await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(part.replace, path)
        finally:
            part.unlink(missing_ok=True)
        return size

    async def exists(self, uri: str) -> bool:
        """Say whether something is there; see `read`."""
        try:
            await self._ask("HEAD", address_of(uri), {})
        except NotFound:
            return False
        return True

    async def delete(self, uri: str) -> bool:
        """Take away what is there; say whether anything was; see `write`."""
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        said = await self._ask("DELETE", address_of(uri), headers)
        return bool(said.get("events"))

    async def resolve(
        self,
        value: Any,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Any:
        """Return what a `reference` stands for, else the value itself; see `read`."""
        if isinstance(value, Mapping) and set(value) == {KEY}:
            return await self.read(str(value[KEY]), timeout=timeout)
        return value

    # --- one request ---

    async def _ask(
        self,
        method: str,
        address: Address,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> dict[str, Any]:
        async with self._using() as client:
            asked = client.request(
                method, _path(address), headers=headers, content=body or None
            )
            response = await _heard(asked, client)
        return _judged(response)

    @asynccontextmanager
    async def _opened(
        self, uri: str, block: bool, seconds: float | None
    ) -> "AsyncIterator[httpx.Response]":
        address, waits = address_of(uri), delays()
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = 0.0 if not block else _left(until)
            async with AsyncExitStack() as stack:
                try:
                    response = await self._answer(stack, address, left)
                except (NotFound, *AWAY) as error:
                    if not block or (isinstance(error, HubError) and not _left(until)):
                        raise
                    if not _left(until):
                        raise CallTimeout(
                            f"nothing is at {address} after {seconds:g} s: wait longer"
                        ) from None
                    if isinstance(error, NotFound):
                        continue
                else:
                    yield response
                    return
            await asyncio.sleep(min(next(waits), _left(until)))

    async def _answer(
        self, stack: AsyncExitStack, address: Address, wait: float
    ) -> "httpx.Response":
        client = await stack.enter_async_context(self._using())
        stream = client.stream("GET", _path(address), params={"wait": f"{wait:.3f}"})
        response: httpx.Response = await _heard(
            stack.enter_async_context(stream), client
        )
        if response.status_code != 200:
            await _heard(response.aread(), client)
            _judged(response)
        return response

    @asynccontextmanager
    async def _using(self) -> "AsyncIterator[httpx.AsyncClient]":
        if self._client is not None:
            yield self._client
            return
        async with self._connected() as client:
            yield client

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[httpx.AsyncClient]":
        import httpx

        found = self._hub or endpoint()
        url, token = self._url or found.url, self._token or found.token
        async with httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(PATIENCE, read=LONGEST_WAIT + PATIENCE),
            verify=tls_context(found) if url.startswith("https") else True,
            trust_env=False,
        ) as client:
            yield client


async def _heard(asked: Any, where: "httpx.AsyncClient | httpx.Response") -> Any:
    """Wait for the hub, and tell in one sentence how it failed to answer.

    Raises:
        HubError: it did.
    """
    import httpx

    url = where.base_url if isinstance(where, httpx.AsyncClient) else where.url
    try:
        return await asked
    except httpx.ConnectError as error:
        if distrust := _distrusted(url, error):
            raise distrust from None
        raise HubUnreachable(
            f"no hub answers at {url} ({_reason(error)}): start one with swarmtui "
            "serve, or set SWARMTUI_URL"
        ) from None
    except httpx.TransportError as error:
        raise ConnectionLost(
            f"the hub at {url} hung up ({_reason(error)}): try again; with the same "
            "key nothing happens twice"
        ) from None
    except httpx.InvalidURL as error:
        raise HubRefused(f"{url} cannot be asked ({error}): set SWARMTUI_URL") from None


def _judged(response: "httpx.Response") -> dict[str, Any]:
    """Return what the hub said.

    Raises:
        AgentkitError: it refused.
    """
    if response.request.method == "HEAD":
        if response.status_code == 200:
            return {}
        if response.status_code == 404:
            raise NotFound(f"nothing is at {response.url}")
        raise HubRefused(
            f"the hub at {response.url} will not say whether anything is there (status "
            f"{response.status_code}): check the token"
        )
    try:
        body = json.loads(response.content)
    except ValueError:
        body = {}
    said = body if isinstance(body, dict) else {}
    return judged(str(response.url), Reply(response.status_code, said))


def _body_of(data: Data) -> tuple[_Body, str]:
    """Return what gives the body of a request, again and again, and its media type.

    Raises:
        Invalid: the data has no form in JSON.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return lambda: bytes(data), ANY
    if isinstance(data, Path):
        return lambda: _pieces_of(data), kind_of(data)
    if isinstance(data, AsyncIterable):
        return lambda: data, ANY
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise Invalid(
            f"the data has no form in JSON ({error}): give bytes, or the path of a file"
        ) from None
    return lambda: text, JSON


async def _pieces_of(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece


def _path(address: Address) -> str:
    return path_of("results", *address)


def _left(until: float | None) -> float:
    """Return how many seconds a request may wait now."""
    if until is None:
        return LONGEST_WAIT
    return min(max(until - time.monotonic(), 0.0), LONGEST_WAIT)


def _is_json(kind: str) -> bool:
    word = kind.partition(";")[0].strip().lower()
    return word == JSON or word.endswith("+json")


def _distrusted(url: object, error: BaseException) -> HubUnreachable | None:
    """Return what it means that we do not trust a hub; None when it is not that."""
    if isinstance(error, SSLCertVerificationError):
        return distrusted(Endpoint(str(url)), error)
    cause = error.__cause__ or error.__context__
    return _distrusted(url, cause) if cause else None


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).lower()
