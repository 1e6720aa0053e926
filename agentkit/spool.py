"""Reports and results that wait on disk for a hub that is down, one file each.

A file appears whole or not at all, is on the disk before `put` returns, and its name
begins with the time, so that names in order are reports in order. Each keeps its
idempotency key: sent twice, by whichever processes, it takes effect once.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit.settings import private_folder


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that an agent says, on its way to the hub."""

    agent: str
    key: str
    """The idempotency key of its request."""
    body: dict[str, Any]
    file: str = ""
    """Its name in the spool, once it waits there."""
    path: tuple[str, ...] = ()
    """Where it goes, below ``/v1``; empty is the agent's status."""

    @property
    def address(self) -> tuple[str, ...]:
        """Where it goes, below ``/v1``."""
        return self.path or ("agents", self.agent, "status")

    def __str__(self) -> str:
        """Say in a few words what it is."""
        said = " ".join(self.path[:0:-1]) or self.body.get("report", "")
        return f"{self.agent}, {said}"


class Spool:
    """The letters that wait for one hub, in a folder of their own.

    Any number of processes may use it at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, letter: Letter) -> None:
        """Store a letter behind all others.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        private_folder(self.folder)
        name = f"{time.time_ns():020}-{letter.key}.json"
        said = {
            "agent": letter.agent,
            "key": letter.key,
            "body": letter.body,
            "path": letter.path,
        }
        unfinished = self.folder / f".{name}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(said, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.folder / name)
        _sync(self.folder)

    def __len__(self) -> int:
        return len(self._names())

    def waiting(self) -> list[Letter]:
        """Return what waits, in order; what cannot be read is set aside."""
        found = (self._read(name) for name in sorted(self._names()))
        return [letter for letter in found if letter is not None]

    def drop(self, letter: Letter) -> None:
        """Forget a letter: the hub has it, or has refused it for good."""
        (self.folder / letter.file).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self.folder) if name[0] != "."]  # noqa: PTH208
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> Letter | None:
        try:
            said = json.loads((self.folder / name).read_text())
            path = tuple(said.get("path", ()))
            return Letter(said["agent"], said["key"], said["body"], name, path)
        except FileNotFoundError:  # another process has sent it just now
            return None
        except (ValueError, KeyError, TypeError):
            (self.folder / name).rename(self.folder / f".broken-{name}")
            return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
