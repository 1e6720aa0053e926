"""The leases that this machine was given, remembered between two commands.

`agentkit claim` keeps the fence of each lease here, so that whoever extends, completes
or fails the task need not carry it around. One small private file each.
"""

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from agentkit import places
from agentkit.errors import NotFound
from agentkit.settings import KitSettings, private_folder


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that an agent holds, or held, under a lease."""

    agent: str
    task: str
    fence: int
    """The cursor of the lease: the hub refuses whoever shows an older one."""
    lease: float = 0.0
    """Seconds that the lease lasts from each sign of life; 0 is not known."""


class Claims:
    """The claims on one hub, in a folder of their own.

    Any number of processes may use it at once; of one task the newest lease is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, settings: KitSettings) -> Self:
        """Return the claims on the hub that is set, or found."""
        return cls(Path(places.claims_folder(os.environ, settings.url)))

    def keep(self, claim: Claim) -> None:
        """Remember a claim in place of an older one of the same task.

        Raises:
            OSError: the folder cannot be written.
        """
        private_folder(self.folder)
        path = self._path(claim.agent, claim.task)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(claim)))
        fresh.replace(path)

    def get(self, agent: str, task: str) -> Claim:
        """Return the newest claim of an agent on a task.

        Raises:
            NotFound: none is remembered.
        """
        found = self._read(self._path(agent, task))
        if found is not None:
            return found
        others = sorted(one.agent for one in self._all() if one.task == task)
        remedy = (
            f"{others[0]} has one, so add --agent {others[0]}"
            if others
            else f"claim it with agentkit claim --task {task}, or show its --fence"
        )
        raise NotFound(f"no claim of {agent} on task {task!r} is remembered: {remedy}")

    def forget(self, claim: Claim) -> None:
        """Forget a claim that has ended, unless a newer one took its place."""
        path = self._path(claim.agent, claim.task)
        found = self._read(path)
        if found is not None and found.fence <= claim.fence:
            path.unlink(missing_ok=True)

    def _all(self) -> list[Claim]:
        found = (self._read(path) for path in self.folder.glob("*.json"))
        return [claim for claim in found if claim is not None]

    def _path(self, agent: str, task: str) -> Path:
        # an id may be longer, and hold other signs, than the name of a file
        name = json.dumps([agent, task]).encode()
        return self.folder / f"{sha256(name).hexdigest()[:32]}.json"

    def _read(self, path: Path) -> Claim | None:
        try:
            return Claim(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
