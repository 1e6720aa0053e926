"""Recordings: what a hub sent a watcher, and when, as lines of JSON.

The first line says what it is, each line after it has one frame of the hub:

    {"swarmtui":"recording","version":1,"made":"0.9.0","hub":"0.9.0","url":…,"started":…}
    {"t":0.0,"frame":{"type":"welcome",…}}
    {"t":0.004,"frame":{"type":"snapshot",…}}

`t` is in seconds since `started`. Beside the hub's frames (`docs/protocol.md`) there is
``link``: the connection as the watcher saw it. A file may be compressed with gzip. What
was cut off while it was written is read up to there.
"""

import gzip
import os
import stat
import zlib
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self, TypeAlias, cast

from agentkit import __version__
from agentkit.errors import Conflict, Invalid

KIND = "recording"
VERSION = 1

CHUNK = 1 << 16

GZIP = b"\x1f\x8b"
"""How a compressed file begins."""

Frame: TypeAlias = dict[str, Any]
Look: TypeAlias = Callable[[float, Frame], None]

_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line."""

    started: datetime
    """When second 0 was, in UTC."""
    url: str = ""
    """The hub's address."""
    hub: str = ""
    """The hub's version."""
    made: str = __version__
    """The version of what recorded it."""


# --- writing -------------------------------------------------------------------------


def create(path: Path, *, force: bool = False) -> IO[bytes]:
    """Open a new file that only its owner can read; ``.gz`` is compressed.

    Args:
        path: where; its folder must be there.
        force: replace a file that is there.

    Raises:
        Conflict: there is a file already.
        OSError: it cannot be made.
    """
    mode = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        number = os.open(path, mode, 0o600)
    except FileExistsError:
        raise is_there(path) from None
    plain = os.fdopen(number, "wb")
    if stat.S_ISREG(os.fstat(number).st_mode):  # and not what all share, as /dev/null
        os.fchmod(number, 0o600)
    return cast("IO[bytes]", _Zipped(plain)) if path.suffix == ".gz" else plain


def is_there(path: Path) -> Conflict:
    """Return what is said when a file would be overwritten."""
    return Conflict(
        f"{path} is there already: name another file, or replace it with --force"
    )


class _Zipped(gzip.GzipFile):
    """A compressed file that closes what is below it."""

    def __init__(self, below: IO[bytes]) -> None:
        super().__init__(fileobj=below, mode="wb", filename="", mtime=0)
        self._below = below

    def tell(self) -> int:
        """Return how many bytes are on their way to the disk."""
        return self._below.tell()

    def flush(self, zlib_mode: int = zlib.Z_SYNC_FLUSH) -> None:
        super().flush(zlib_mode)
        if not self._below.closed:
            self._below.flush()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._below.close()


class Writer:
    """Writes a recording, a line at a time.

    Raises:
        OSError: the file takes no more; what is in it until then can be read.
    """

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self.frames = 0
        self.events = 0
        self._file = file
        self._line(
            {
                "swarmtui": KIND,
                "version": VERSION,
                "made": header.made,
                "hub": header.hub,
                "url": header.url,
                "started": header.started.isoformat(),
            }
        )

    @property
    def size(self) -> int:
        """Bytes of the file so far."""
        return self._file.tell()

    def write(self, seconds: float, frame: Mapping[str, Any]) -> None:
        """Add a frame; its time must not be before that of the last one."""
        self._line({"t": round(seconds, 4), "frame": frame})
        self.frames += 1
        self.events += len(frame.get("events", ()))

    def flush(self) -> None:
        """Have everything written that was added."""
        self._file.flush()

    def _line(self, record: Mapping[str, Any]) -> None:
        from orjson import dumps

        self._file.write(dumps(record) + b"\n")


# --- reading -------------------------------------------------------------------------


class Recording:
    """A recording that is open: times and kinds in memory, frames read on demand.

    Use `Recording.open`, and close it, or use it in a ``with``.
    """

    def __init__(self, header: Header, file: IO[bytes]) -> None:
        self.header = header
        self.times = array("d")
        """When each frame came, in seconds, in order."""
        self.kinds: list[str] = []
        """The type of each frame."""
        self.cut = ""
        """Why it ends before the file does; empty when it does not."""
        self._offsets = array("Q")
        self._file = file

    @classmethod
    def open(cls, path: Path, look: Look = lambda _t, _frame: None) -> Self:
        """Open a recording and read it through once.

        Args:
            path: the file, plain or compressed.
            look: is shown every frame with its time; a frame at which it raises a
                KeyError, TypeError, ValueError or AttributeError counts as damaged.

        Raises:
            Invalid: it is not a recording, or one of a newer version.
            OSError: it cannot be read.
        """
        file, cut = _opened(path)
        try:
            recording = cls(_header(file.readline(), path), file)
            recording._read(look)
        except BaseException:
            file.close()
            raise
        recording.cut = recording.cut or cut
        return recording

    def __len__(self) -> int:
        return len(self.times)

    @property
    def length(self) -> float:
        """Seconds from the start to the last frame."""
        return self.times[-1] if self.times else 0.0

    def frame(self, number: int) -> Frame:
        """Return a frame, counted from 0."""
        from orjson import loads

        self._file.seek(self._offsets[number])
        frame: Frame = loads(self._file.readline())["frame"]
        return frame

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, look: Look) -> None:
        """Take in every line up to the first that cannot be read."""
        offset = self._file.tell()
        for number, line in enumerate(self._file, 2):
            try:
                self._add(offset, line, look)
            except _UNREADABLE:
                whole = line.endswith(b"\n")
                self.cut = f"line {number} is {'damaged' if whole else 'cut off'}"
                return
            offset += len(line)

    def _add(self, offset: int, line: bytes, look: Look) -> None:
        from orjson import loads

        entry = loads(line)
        at, frame = max(float(entry["t"]), self.length), entry["frame"]
        kind = frame["type"].strip()
        look(at, frame)
        self._offsets.append(offset)
        self.times.append(at)
        self.kinds.append(kind)


def _opened(path: Path) -> tuple[IO[bytes], str]:
    """Return the lines of a file, and what is wrong with its end."""
    file = path.open("rb")
    if file.read(len(GZIP)) != GZIP:
        file.seek(0)
        return file, ""
    with file:
        file.seek(0)
        return _unzipped(file)


def _unzipped(file: IO[bytes]) -> tuple[IO[bytes], str]:
    plain = TemporaryFile()  # noqa: SIM115  # the reader closes it
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        while chunk := file.read(CHUNK):
            plain.write(inflate.decompress(chunk))
    except zlib.error:
        pass  # then it does not get to its end either
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain, "" if inflate.eof else "its end is missing"


def _header(line: bytes, path: Path) -> Header:
    from orjson import loads

    try:
        said = loads(line)
        if said["swarmtui"] == KIND and int(said["version"]) > VERSION:
            raise Invalid(
                f"{path} is a recording of version {said['version']}, and this "
                f"swarmtui reads up to {VERSION}: use a newer one"
            )
        if said["swarmtui"] == KIND:
            texts = {name: str(said[name]) for name in ("url", "hub", "made")}
            return Header(started=_utc(said["started"]), **texts)
    except _UNREADABLE:
        pass
    raise Invalid(
        f"{path} is not a recording: make one with swarmtui record, or name another"
    )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
