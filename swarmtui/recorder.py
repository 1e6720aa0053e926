"""Writes down what a hub sends its watchers, for as long as one wants."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from agentkit.changes import Heard
from agentkit.codec import encode_event
from agentkit.coordinator import Coordinator
from agentkit.errors import AgentkitError
from agentkit.protocol import Logged
from agentkit.recording import Header, Writer, create, is_there
from agentkit.settings import Endpoint

MEBIBYTE = 1 << 20

SNAPSHOT_SECONDS = 60.0
SNAPSHOT_BYTES = 4 * MEBIBYTE
"""A fresh snapshot is written when this much has passed: from there one can seek."""

STEP = 1.0
"""Seconds between two looks at whether it is enough."""


class NotWritten(AgentkitError):
    """The file takes no more."""

    code = "not_written"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording is."""

    seconds: float
    events: int
    bytes: int
    agents: int
    live: bool
    """Whether the hub answers just now."""
    error: str
    """Why it does not."""


class Recorder(Coordinator):
    """A watcher that writes down every frame that it takes in.

    The file begins with the hub's welcome. While the hub is away nothing comes; when
    it is back, what happened meanwhile is asked for and written too.

    Args:
        hub: where it is; None is the one of this machine, wherever it comes back.
        path: of the file; ``.gz`` is compressed.
        force: replace a file that is there.

    Raises:
        Conflict: there is a file already.
    """

    def __init__(
        self, hub: Endpoint | None, path: Path, *, force: bool = False
    ) -> None:
        super().__init__(hub, batch_ms=50)
        self._path = path
        self._force = force
        if path.exists() and not force:
            raise is_there(path)
        self._file: IO[bytes] | None = None
        self._writer: Writer | None = None
        self._began = 0.0
        self._snapshot_due = (0.0, 0)
        """At which second, or with how many bytes, the next snapshot is asked for."""

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            seconds=round(self._seconds, 1),
            events=self._writer.events if self._writer else 0,
            bytes=self._writer.size if self._writer else 0,
            agents=len(self.agents),
            live=self.link.state == "live",
            error=self.link.error,
        )

    async def record(
        self,
        enough: asyncio.Event,
        *,
        seconds: float | None = None,
        size: int | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Record everything until it is enough.

        Args:
            enough: is set when somebody wants it to end.
            seconds: how long at most; for ever if left out.
            size: of the file in bytes, at most about; of any if left out.
            tell: is called once a second.

        Raises:
            HubError: there is no hub to begin with, or it does not want us.
            NotWritten: the file takes no more; what is in it can be replayed.
        """
        try:
            async with self:
                await self.tap("**")
                await self.links(follow=True)
                while not (enough.is_set() or self._is_over(seconds, size)):
                    await self._step(enough, seconds)
                    tell(self.progress)
            return self._end()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            kept = "; what was recorded until then can be replayed"
            raise NotWritten(
                f"{self._path} cannot be written: {reason}{kept if self._file else ''}"
            ) from None
        finally:
            with suppress(OSError):  # the first error is the one to tell
                self._close_file()

    def follow(self, frame: dict[str, Any]) -> None:
        """Take a frame in and write it down."""
        if self._writer is None:
            self._begin_file(frame)
        self._write(frame)
        super().follow(frame)

    def _copied(self) -> None:
        now, size = self._seconds, self._writer.size if self._writer else 0
        self._snapshot_due = (now + SNAPSHOT_SECONDS, size + SNAPSHOT_BYTES)
        super()._copied()

    def _begin(self, events: tuple[Heard, ...], missed: int = 0) -> None:
        super()._begin(events, missed)
        if events or missed:
            frame = {"type": "turn", "cursor": self.cursor, "missed": missed}
            self._write(frame | {"events": [_frame(heard) for heard in events]})

    def _tell_link(self) -> None:
        super()._tell_link()
        if self._writer is not None and self.link.state != "closed":
            self._write({"type": "link", **asdict(self.link)})

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began if self._writer else 0.0

    def _begin_file(self, frame: dict[str, Any]) -> None:
        self._began = time.monotonic()
        hub = str(frame.get("hub", {}).get("version", ""))
        header = Header(started=datetime.now(UTC), url=self.url, hub=hub)
        self._file = create(self._path, force=self._force)
        self._writer = Writer(self._file, header)

    def _write(self, frame: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(self._seconds, frame)

    def _is_over(self, seconds: float | None, size: int | None) -> bool:
        done = self.progress
        return (seconds is not None and done.seconds >= seconds) or (
            size is not None and done.bytes >= size
        )

    async def _step(self, enough: asyncio.Event, seconds: float | None) -> None:
        left = STEP if seconds is None else min(STEP, seconds - self._seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), max(left, 0.01))
        self._check()
        if self._writer is not None:
            self._writer.flush()
            second, size = self._snapshot_due
            if self._seconds >= second or self._writer.size >= size:
                self._ask_for_snapshot()

    def _end(self) -> Progress:
        last = self.progress
        self._close_file()
        return Progress(**(asdict(last) | {"bytes": self._path.stat().st_size}))

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


def _frame(heard: Heard) -> dict[str, Any]:
    """Return an event as it stands in a turn."""
    frame = encode_event(Logged(heard.cursor, heard.event))
    return frame | {"bytes": heard.bytes, "ms": heard.ms}
