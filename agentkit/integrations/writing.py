"""Several files that are written all or not at all, whatever happens meanwhile.

Each is first written whole beside its place, and put there at once when all are: a full
disk, or an end in the middle, leaves every one as it was.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from agentkit.processes import is_running

MARK: Final = ".swarmtui-"
"""What stands between the name of a file and the process that writes it anew."""


class Writing:
    """Files that are about to be written; forgotten unless `commit` is called."""

    def __init__(self) -> None:
        self._fresh: list[tuple[Path, Path]] = []
        self._made: list[Path] = []
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        for fresh, _ in self._fresh:
            fresh.unlink(missing_ok=True)
        for folder in () if self._done else self._made:
            with suppress(OSError):
                folder.rmdir()

    def put(self, path: Path, content: bytes, mode: int | None = None) -> None:
        """Write what a file is to hold.

        Args:
            path: where it will be.
            content: what it will hold.
            mode: who may read it; else as it is now.

        Raises:
            OSError: there is no room, or it cannot be written there.
        """
        _sweep(path)
        fresh = path.with_name(f".{path.name}{MARK}{os.getpid()}")
        if mode is None:
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        self._fresh.append((fresh, path))
        fresh.touch(mode=mode)
        fresh.chmod(mode)
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def make(self, folder: Path, mode: int = 0o777) -> list[str]:
        """Make a folder; return those that were not there, the innermost first.

        Raises:
            OSError: it cannot be made.
        """
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        self._made = [*missing, *self._made]
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        return [str(place) for place in missing]

    def commit(self) -> None:
        """Put everything into its place.

        Raises:
            OSError: a place is taken by something that is not a file.
        """
        while self._fresh:
            fresh, path = self._fresh[0]
            fresh.replace(path)
            del self._fresh[0]
        self._done = True


def _sweep(path: Path) -> None:
    """Remove what somebody left who was stopped in the middle."""
    for left in path.parent.glob(f".{path.name}{MARK}*"):
        number = left.name.rpartition("-")[2]
        if number.isdecimal() and not is_running(int(number)):
            left.unlink(missing_ok=True)
