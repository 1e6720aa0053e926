"""A disk that loses its power: SQLite runs on it through a file system of our own.

What is written stays in a cache until it is synced. When the power goes, each sector of
512 bytes that was not synced is either on the disk or lost, one as likely as the other;
so is a file that was made, cut short or removed. SQLite cannot tell it from a real one.
"""

import sqlite3
from pathlib import Path
from random import Random
from typing import Final, cast

import apsw

SECTOR: Final = 512


class File:
    """One file: what is on the disk, and what the system makes of it meanwhile."""

    def __init__(self) -> None:
        self.durable = bytearray()
        self.cached = bytearray()
        self.dirty: set[int] = set()
        self.made = False
        """Its name is on the disk."""
        self.removed = False

    def write(self, data: bytes, offset: int) -> None:
        end = offset + len(data)
        self.cached.extend(bytes(max(0, end - len(self.cached))))
        self.cached[offset:end] = data
        self.dirty.update(range(offset // SECTOR, (end - 1) // SECTOR + 1))

    def cut_short(self, size: int) -> None:
        del self.cached[size:]
        self.dirty = {sector for sector in self.dirty if sector * SECTOR < size}

    def sync(self) -> None:
        self.durable = bytearray(self.cached)
        self.dirty.clear()

    def after_cut(self, dice: Random) -> "File | None":
        """Return what is found when the power is back; None: no such file."""
        if (self.removed or not self.made) and dice.random() < 0.5:
            return None
        found = File()
        size = dice.choice((len(self.durable), len(self.cached)))
        found.cached = self.durable[:size]
        for sector in sorted(self.dirty):
            start = sector * SECTOR
            if dice.random() < 0.5:
                found.write(bytes(self.cached[start : start + SECTOR]), start)
        found.cached.extend(bytes(max(0, size - len(found.cached))))
        found.sync()
        found.made = True
        return found


class Disk:
    """The files of one machine, by name."""

    def __init__(self, dice: Random) -> None:
        self.files: dict[str, File] = {}
        self._removed: dict[str, File] = {}
        self._dice = dice

    def remove(self, name: str, *, synced: bool) -> None:
        """Take a file away; unless it is synced it may be there again after a cut."""
        file = self.files.pop(name)
        if file.made and not synced:
            file.removed = True
            self._removed[name] = file

    def sync(self, file: File) -> None:
        """Put a file on the disk; a new one with its folder, as SQLite does there."""
        file.sync()
        if not file.made:
            file.made = True
            self._removed.clear()

    def cut(self) -> None:
        """Lose what the disk does not hold."""
        there = {**self._removed, **self.files}
        found = {name: file.after_cut(self._dice) for name, file in there.items()}
        self.files = {name: file for name, file in found.items() if file is not None}
        self._removed.clear()


class FileSystem(apsw.VFS):
    """Gives SQLite the files of a disk, under a name, until the power goes.

    Args:
        name: by which SQLite finds it; unregister it when it is done.
        disk: holds the files.
        lasts: operations that change something until the power goes; None is for ever.
    """

    def __init__(self, name: str, disk: Disk, lasts: int | None = None) -> None:
        super().__init__(name, base="")
        self.name = name
        self.dead = False
        """The power is gone: whatever is done now is done in vain."""
        self._disk = disk
        self._left = lasts

    def step(self) -> None:
        """Count an operation that is about to change something."""
        if self._left is not None and not self.dead:
            self._left -= 1
            self.dead = self._left <= 0
            if self.dead:
                self._disk.cut()

    def sync(self, file: File) -> None:
        """Put a file on the disk."""
        self.step()
        if not self.dead:
            self._disk.sync(file)

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        flags[1] = flags[0]
        if name is None or self.dead:
            file = File()
        else:
            known = name if isinstance(name, str) else name.filename()
            file = self._disk.files.setdefault(known, File())
        return cast(apsw.VFSFile, OpenFile(self, file))

    def xDelete(self, name: str, synced: bool) -> None:  # noqa: N802
        self.step()
        if not self.dead:
            self._disk.remove(name, synced=synced)

    def xAccess(self, name: str, _flags: int) -> bool:  # noqa: N802
        return not self.dead and name in self._disk.files


class OpenFile:
    """A file as SQLite has it open."""

    def __init__(self, system: FileSystem, file: File) -> None:
        self._system = system
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.cached[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._system.step()
        self._file.write(bytes(data), offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._system.step()
        self._file.cut_short(size)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._system.sync(self._file)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.cached)

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        # as SQLite has it of a disk of Linux: a write harms no sector beside it
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xFileControl(self, _operation: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xLock(self, _level: int) -> None: ...  # noqa: N802

    def xUnlock(self, _level: int) -> None: ...  # noqa: N802

    def xClose(self) -> None: ...  # noqa: N802


class Connection:
    """A connection of apsw with the little that the store asks of one of `sqlite3`."""

    def __init__(self, path: Path, system: FileSystem, synchronous: str) -> None:
        self._connection = apsw.Connection(str(path), vfs=system.name)
        self._synchronous = synchronous
        # shared memory needs files of the system's; and a cut shall meet a checkpoint
        self.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.execute("PRAGMA wal_autocheckpoint=20")

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> apsw.Cursor:
        statement = statement.replace("synchronous=FULL", self._synchronous)
        return self._connection.cursor().execute(statement, cast("tuple[str]", values))

    def executescript(self, script: str) -> None:
        self.execute(script)

    def close(self) -> None:
        self._connection.close()

    def as_sqlite3(self) -> sqlite3.Connection:
        """Return this under the type that the store knows it by."""
        return cast(sqlite3.Connection, self)
