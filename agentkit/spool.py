"""Reports and results that wait on disk for a hub that is down, one file each.

A file appears whole or not at all, is on the disk before `put` returns, and its name
begins with the time, so that names in order are reports in order. Each keeps its
idempotency key: sent twice, by whichever processes, it takes effect once.

With a master key what a file says is sealed for its name and folder, so that none can
stand in for another; the name, a time and the idempotency key, stays readable. Files
from before there was a key are read as they are.
"""

import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from agentkit import places
from agentkit.errors import AgentkitError
from agentkit.settings import KitSettings, private_folder


class Locked(AgentkitError):
    """A letter cannot be sealed, or not unsealed: the key does not fit, or is missing.

    What lies sealed stays where it is.
    """

    code = "locked"


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
        said = " ".join(self.path[:0:-1]) or self.body.get("report", "a message")
        return f"{self.agent}, {said}"


@dataclass(frozen=True, slots=True)
class Lock:
    """What seals letters: as it is set, and not looked at before there is one to seal.

    Without a key it leaves every text as it is.
    """

    key: str = field(default="", repr=False)
    file: Path | None = None
    """A file with the key."""
    previous: str = field(default="", repr=False)
    """The key before that one: what it sealed can still be read."""

    def seal(self, text: str, place: str) -> str:
        """Return a text sealed for its place.

        Raises:
            Locked: the key cannot be used.
        """
        if not self.key and self.file is None:
            return text
        from agentkit.sealing import seal_alone

        try:
            return seal_alone(text, place, self._master())
        except AgentkitError as error:
            raise Locked(f"a report cannot wait on disk, for {error}") from None

    def unseal(self, text: str, place: str, where: Path) -> str:
        """Return what was sealed for a place; text that is not sealed as it is.

        Raises:
            Locked: the key does not fit, or cannot be used, or there is none.
            ValueError: it was changed, or copied from another place.
        """
        if text[:1] != "#":
            return text
        if not self.key and self.file is None and not self.previous:
            raise Locked(
                f"{where} is sealed and there is no key: set storage_master_key, or "
                "storage_master_key_file, to the key that it was sealed with"
            )
        from agentkit.sealing import Forged, unseal_alone

        try:
            keys = filter(None, (self._master(), self.previous.strip()))
            return unseal_alone(text, place, keys, where)
        except Forged as error:
            raise ValueError(str(error)) from None
        except AgentkitError as error:
            raise Locked(str(error)) from None

    def _master(self) -> str:
        from agentkit.sealing import master_key

        return master_key(self.key, self.file)


class Spool:
    """The letters that wait for one hub, in a folder of their own.

    Any number of processes may use it at once.

    Args:
        folder: where they are, or will be.
        lock: what seals them.
    """

    def __init__(self, folder: Path, lock: Lock | None = None) -> None:
        self.folder = folder
        self._lock = lock or Lock()

    @classmethod
    def of(cls, settings: KitSettings) -> Self:
        """Return the letters for the hub that is set, or found."""
        lock = Lock(
            settings.storage_master_key.strip(),
            settings.storage_master_key_file,
            settings.storage_master_key_previous.strip(),
        )
        return cls(Path(places.spool_folder(os.environ, settings.url)), lock)

    def put(self, letter: Letter) -> Letter:
        """Store a letter behind all others; return it with its name.

        Raises:
            Locked: it cannot be sealed; nothing was stored.
            OSError: the disk is full, or the folder cannot be written.
        """
        name = f"{time.time_ns():020}-{letter.key}.json"
        said = {
            "agent": letter.agent,
            "key": letter.key,
            "body": letter.body,
            "path": letter.path,
        }
        text = self._lock.seal(json.dumps(said), self._place(name))
        private_folder(self.folder)
        unfinished = self.folder / f".{name}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.folder / name)
        _sync(self.folder)
        return replace(letter, file=name)

    def __len__(self) -> int:
        return len(self.names())

    def names(self) -> list[str]:
        """Return the names of what waits, in order."""
        try:
            return sorted(name for name in os.listdir(self.folder) if name[0] != ".")  # noqa: PTH208
        except FileNotFoundError:
            return []

    def read(self, name: str) -> Letter | None:
        """Return a letter that waits; one that is damaged is set aside.

        None when it was damaged, or another process has sent it just now.

        Raises:
            Locked: it is sealed, and not with the key that is set; it stays.
        """
        path = self.folder / name
        try:
            text = self._lock.unseal(path.read_text(), self._place(name), path)
            said = json.loads(text)
            address = tuple(said.get("path", ()))
            return Letter(said["agent"], said["key"], said["body"], name, address)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            path.rename(self.folder / f".broken-{name}")
            return None

    def drop(self, letter: Letter) -> None:
        """Forget a letter: the hub has it, or has refused it for good."""
        (self.folder / letter.file).unlink(missing_ok=True)

    def _place(self, name: str) -> str:
        """Return where the text of a letter belongs: among those for one hub."""
        return f"{self.folder.name}/{name}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
