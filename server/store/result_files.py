"""Large results: each in a file named by its SHA-256, beside the store.

    DATA_DIR/results/ab/abcdef…            as it was written
    DATA_DIR/results/ab/abcdef….0011aabb   sealed, with the id of the key

A file is there as a whole or not at all: it is written under a name that means nothing,
synced, and renamed. The rows say which files count; what no row refers to is swept.

A sealed file begins with `MAGIC` and a sealed head, which binds the digest to what
follows: pieces of `PIECE` bytes, each sealed with its number and whether it is the
last, so that none can be left out, exchanged or taken from another file (the STREAM
construction of Hoang, Reyhanitabar, Rogaway and Vizár). The digest in the name is that
of what was written: whoever has a copy of that can tell that it is there.
"""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

from agentkit.errors import HubUnavailable
from agentkit.sealing import OVERHEAD, Forged, Sealer

PIECE: Final = 1 << 18
"""Bytes that are written, sealed and read at once."""

RESERVE: Final = 16 << 20
"""Bytes of the disk that results leave to the store, so that a full disk is theirs."""

MAGIC: Final = b"swarmtui result\n"
DRAFT: Final = "part-"
"""What the name of a file begins with that is being written."""

_TOKEN: Final = 16
_HEAD: Final = len(MAGIC) + _TOKEN + OVERHEAD


class LostFile(HubUnavailable):
    """The file of a result is not there, or is not what was written."""


def folder_of(store: Path) -> Path:
    """Return where the large results of the store in a file lie."""
    return store.with_name("results")


class Load(NamedTuple):
    """How much lies in a folder."""

    files: int = 0
    bytes: int = 0


class Draft:
    """A result that is being written; leave it by `keep` or `discard`.

    Any thread may call it, one call after the other; `discard` waits for the others.
    """

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        """Begin a file.

        Raises:
            OSError: it cannot be made.
        """
        self.size = 0
        """Bytes that were written."""
        self.digest = ""
        """Of what was written, once it is finished."""
        self._folder = folder
        self._sealer = sealer
        self._sealed = bool(sealer.mark)
        self._token = secrets.token_bytes(_TOKEN)
        self._hash = sha256()
        self._buffer = bytearray()
        self._number = 0
        self._lock = Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{DRAFT}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0)
        if self._sealed:
            self._file.seek(_HEAD)

    def write(self, data: bytes) -> None:
        """Append to it.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        with self._lock:
            self._hash.update(data)
            self.size += len(data)
            self._buffer += data
            while len(self._buffer) > PIECE:
                self._put(bytes(self._buffer[:PIECE]), last=False)
                del self._buffer[:PIECE]

    def finish(self) -> None:
        """Have all of it on the disk for good.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        with self._lock:
            self._put(bytes(self._buffer), last=True)
            self._buffer.clear()
            self.digest = self._hash.hexdigest()
            if self._sealed:
                place = _head_place(self.digest)
                self._file.seek(0)
                _write_all(self._file, MAGIC)
                _write_all(self._file, self._sealer.seal_bytes(self._token, place))
            os.fsync(self._file.fileno())
            self._file.close()

    def keep(self) -> None:
        """Give what is finished its name, for good, in place of any that has it.

        Raises:
            OSError: it cannot be renamed.
        """
        place(self._path, self._folder, sealed_name(self.digest, self._sealer))

    def discard(self) -> None:
        """Leave nothing of it; one that is kept stays."""
        with self._lock:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _put(self, piece: bytes, *, last: bool) -> None:
        _check_room(self._file, len(piece))
        where = _piece_place(self._token, self._number, last=last)
        _write_all(self._file, self._sealer.seal_bytes(piece, where))
        self._number += 1


class Content:
    """A result that is being read; close it.

    Its last piece is given only when all of it is what was written.
    """

    def __init__(self, file: BinaryIO, pieces: Iterator[bytes]) -> None:
        self._file = file
        self._pieces = pieces

    def read(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises:
            LostFile: it is damaged.
            OSError: it cannot be read.
        """
        return next(self._pieces, b"")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ResultFiles:
    """The large results in one folder; all of this may wait for the disk.

    Args:
        folder: is made when something is written.
        sealer: seals what is written from now on, and reads what was sealed.
    """

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self.folder = folder
        self._sealer = sealer

    def draft(self) -> Draft:
        """Begin to write a result.

        Raises:
            OSError: it cannot be done.
        """
        return Draft(self.folder, self._sealer)

    def open(self, digest: str) -> Content:
        """Begin to read a result.

        Raises:
            LostFile: it is not there, or cannot be unsealed.
            OSError: it cannot be read.
        """
        for ending in (*(f".{key}" for key in self._sealer.ids), ""):
            with suppress(FileNotFoundError):
                file = where(self.folder, digest + ending).open("rb")
                pieces = self._unsealed(file, digest) if ending else _plain(file)
                return Content(file, _verified(pieces, digest))
        raise LostFile(f"the file {digest} of a result is missing: {MEND}")

    def examine(self, digest: str) -> str:
        """Read a result through; return what is wrong with it, empty when it is sound.

        Raises:
            OSError: it cannot be read.
        """
        try:
            with closing(self.open(digest)) as content:
                while content.read():
                    pass
        except LostFile as error:
            return str(error).partition(":")[0]
        return ""

    def sealed_anew(self, digest: str, sealer: Sealer) -> bool:
        """Have a result sealed as another sealer does; say whether it was not yet.

        The other file stays, for whoever needs it until all is done.

        Raises:
            LostFile: it is not there, or damaged.
            OSError: it cannot be read or written.
        """
        if where(self.folder, sealed_name(digest, sealer)).exists():
            return False
        draft = Draft(self.folder, sealer)
        try:
            with closing(self.open(digest)) as content:
                while piece := content.read():
                    draft.write(piece)
            draft.finish()
            draft.keep()
        finally:
            draft.discard()
        return True

    def _unsealed(self, file: BinaryIO, digest: str) -> Iterator[bytes]:
        try:
            head = file.read(_HEAD).removeprefix(MAGIC)
            token = self._sealer.unseal_bytes(head, _head_place(digest))
            number, piece = 0, file.read(PIECE + OVERHEAD)
            last = False
            while not last:
                following = file.read(PIECE + OVERHEAD)
                last = not following
                place = _piece_place(token, number, last=last)
                yield self._sealer.unseal_bytes(piece, place)
                number, piece = number + 1, following
        except Forged:
            raise _damaged(digest) from None


MEND: Final = "write it once more, or restore a backup that has it"


def names(folder: Path) -> Iterator[str]:
    """Yield the names of all files that are kept in a folder; there may be none."""
    with suppress(FileNotFoundError):
        for shelf in sorted(folder.iterdir()):
            if len(shelf.name) == 2 and shelf.is_dir():
                yield from sorted(path.name for path in shelf.iterdir())


def versions(folder: Path, digest: str) -> list[str]:
    """Return the names under which a result is kept, plain or sealed."""
    shelf = where(folder, digest).parent
    return sorted(path.name for path in shelf.glob(f"{digest}*"))


def where(folder: Path, name: str) -> Path:
    """Return the path of the file with a name."""
    return folder / name[:2] / name


def sealed_name(digest: str, sealer: Sealer) -> str:
    """Return the name of the file of a result as a sealer writes it."""
    return f"{digest}.{sealer.ids[0]}" if sealer.mark else digest


def digest_of(name: str) -> str:
    """Return the digest of the result that a file is of."""
    return name.partition(".")[0]


def load(folder: Path) -> Load:
    """Count what lies in a folder."""
    files = size = 0
    for name in names(folder):
        with suppress(FileNotFoundError):
            size += where(folder, name).stat().st_size
            files += 1
    return Load(files, size)


def remove(folder: Path, name: str) -> None:
    """Remove a file; it may be gone already.

    Raises:
        OSError: it cannot be removed.
    """
    where(folder, name).unlink(missing_ok=True)


def sweep_drafts(folder: Path) -> None:
    """Remove what a hub that was killed had begun to write."""
    for left in folder.glob(f"{DRAFT}*"):
        left.unlink(missing_ok=True)


def place(path: Path, folder: Path, name: str) -> None:
    """Give a file that is synced its name in a folder, for good.

    Raises:
        OSError: it cannot be renamed.
    """
    target = where(folder, name)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    path.replace(target)
    # The folders may be new, or another's that are not yet on the disk.
    for shelf in (target.parent, folder, folder.parent):
        sync(shelf)


def link(folder: Path, other: Path) -> None:
    """Have all files of a folder in another folder too, which is new.

    Raises:
        OSError: it cannot be done.
    """
    for name in names(folder):
        target = where(other, name)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.hardlink_to(where(folder, name))


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk for good."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _verified(pieces: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """Yield pieces, and the last only when all of them have the digest."""
    found, held = sha256(), b""
    for piece in pieces:
        if held:
            yield held
        found.update(piece)
        held = piece
    if found.hexdigest() != digest:
        raise _damaged(digest)
    if held:
        yield held


def _damaged(digest: str) -> LostFile:
    return LostFile(f"the file {digest} of a result is damaged: {MEND}")


def _head_place(digest: str) -> str:
    return f"results:{digest}"


def _piece_place(token: bytes, number: int, *, last: bool) -> str:
    return f"results:{token.hex()}:{number}:{'last' if last else 'more'}"


def _write_all(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _check_room(file: BinaryIO, size: int) -> None:
    disk = os.fstatvfs(file.fileno())
    if disk.f_bavail * disk.f_frsize < size + RESERVE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
