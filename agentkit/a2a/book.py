"""Which A2A agents were added on this machine, in a file of this user."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from agentkit import places
from agentkit.a2a.peer import Address
from agentkit.errors import Invalid, NotFound
from agentkit.settings import private_folder


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent that was added."""

    id: str
    """What the hub calls it."""
    url: str
    credentials: str = ""
    """The file with what it asks for; empty when it asks for nothing."""
    hub: str = ""
    """Where it reaches the hub; empty is where we do."""

    def address(self) -> Address:
        """Return where it is, with its credentials.

        Raises:
            Invalid: their file cannot be read.
        """
        if not self.credentials:
            return Address(self.url)
        try:
            return Address(self.url, Path(self.credentials).read_text().strip())
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(
                f"the credentials of {self.id} cannot be read from {self.credentials} "
                f"({error}): write them there, or add the agent again"
            ) from None


class Book:
    """The agents that were added, by id.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the book of this user."""
        state = places.folder("state", os.environ if environ is None else environ)
        return cls(Path(state) / "a2a.json")

    def entries(self) -> dict[str, Entry]:
        """Return every entry.

        Raises:
            Invalid: the file cannot be read.
        """
        try:
            rows = json.loads(self.path.read_text())
            return {row["id"]: Entry(**row) for row in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            raise Invalid(
                f"{self.path} does not hold the agents that were added: repair it, or "
                "remove it and add them again"
            ) from None

    def chosen(self, ids: tuple[str, ...]) -> list[Entry]:
        """Return the entries of these ids; of none all.

        Raises:
            NotFound: one is not there, or none is.
        """
        found = self.entries()
        for key in ids:
            if key not in found:
                raise NotFound(f"no A2A agent {key!r} was added: see swarmtui a2a list")
        if not found:
            raise NotFound("no A2A agent was added: do so with swarmtui a2a add URL")
        return [found[key] for key in ids or found]

    def put(self, entry: Entry) -> None:
        """Write an entry over what was there under its id."""
        self._write({**self.entries(), entry.id: entry})

    def remove(self, key: str) -> None:
        """Take an entry out.

        Raises:
            NotFound: it is not there.
        """
        found = self.entries()
        self.chosen((key,))
        del found[key]
        self._write(found)

    def _write(self, entries: Mapping[str, Entry]) -> None:
        private_folder(self.path.parent)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        rows = [asdict(entry) for entry in entries.values()]
        draft.write_text(json.dumps(rows, indent=2) + "\n")
        draft.replace(self.path)
