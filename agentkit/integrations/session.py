"""What is remembered of a session between two of its hooks: small private files.

One says how it is and is written by its hooks, which take turns. Another says which
task it was given, and is written by whoever claimed the task: a hook, or the one that
waits beside it.
"""

# ruff: noqa: PTH103, PTH105, PTH107, PTH118, PTH123 - pathlib takes longer to
# import than all this

import os
import time

from agentkit import places
from agentkit.integrations import plain
from agentkit.quick import segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agentkit.integrations.line import Line

KEPT = 30 * 86_400.0
"""Seconds after which the files of a session that never said it ended are removed."""

MOMENT = 0.005
"""Seconds between two attempts to have the turn of a session."""


class Session:
    """One session of a product, as far as its hooks know it."""

    def __init__(self, product: str, key: str, environ: "Mapping[str, str]") -> None:
        self.product = product
        self.key = key
        """What the product calls it."""
        self.agent = ""
        """What it is called in the swarm."""
        self.state = ""
        """The report that was made of it last; empty before the first."""
        self.told = 0.0
        """When that was."""
        self.given = 0
        """How many turns in a row it was given."""
        self.count = 0
        """How many tasks it was given."""
        self.heard = 0
        """Characters that it had said since its prompt when its last turn ended."""
        self.secret = ""
        """What makes its idempotency keys its own."""
        self.task = ""
        """The task that it holds; empty is none."""
        self.fence = 0
        self.begun = False
        """Whether it has heard of that task."""
        self._folder = folder(environ)
        name = f"{product}-{segment(key)}"[:200]
        self.file = os.path.join(self._folder, f"{name}.json")
        self._held = os.path.join(self._folder, f"{name}.task.json")
        self._turn = _turn_of(self.file)

    @classmethod
    def load(cls, product: str, key: str, environ: "Mapping[str, str]") -> "Session":
        """Return a session as it was left; a new one is as empty as a damaged one."""
        session = cls(product, key, environ)
        said = _read(session.file)
        session.agent = str(said.get("agent", ""))
        session.state = str(said.get("state", ""))
        session.told = _number(said.get("told"))
        session.given = int(_number(said.get("given")))
        session.count = int(_number(said.get("count")))
        session.heard = int(_number(said.get("heard")))
        session.secret = str(said.get("secret", "")) or os.urandom(8).hex()
        session.look()
        return session

    @property
    def known(self) -> bool:
        """Whether a hook has told of it before."""
        return bool(self.state)

    def look(self) -> None:
        """Read again which task it holds."""
        held = _read(self._held)
        self.task = str(held.get("task", ""))
        self.fence = int(_number(held.get("fence")))
        self.begun = bool(held.get("begun", False))

    @property
    def at(self) -> str:
        """The task that it works on; empty when it works on none."""
        return self.task if self.begun else ""

    def save(self) -> None:
        """Write down how it is.

        Raises:
            OSError: the folder cannot be written.
        """
        others = _read(self.file).get("count")  # of one that did not wait its turn
        self.count = max(self.count, int(_number(others)))
        said = {
            "agent": self.agent,
            "state": self.state,
            "told": self.told,
            "given": self.given,
            "count": self.count,
            "heard": self.heard,
            "secret": self.secret,
        }
        self._write(self.file, said)

    def hold(self, task: str, fence: int, *, begun: bool) -> None:
        """Write down that it was given a task.

        Args:
            task: its id.
            fence: of the lease.
            begun: whether the session has heard of it.

        Raises:
            OSError: the folder cannot be written.
        """
        self.task, self.fence, self.begun = task, fence, begun
        self._write(self._held, {"task": task, "fence": fence, "begun": begun})

    def let_go(self) -> None:
        """Forget the task: it is told what became of it."""
        self.task, self.fence, self.begun = "", 0, False
        _remove(self._held)

    def forget(self) -> None:
        """Remove its files, and those of sessions that ended long ago unheard."""
        for path in (self.file, self._held, self._turn, f"{self.file}.lock"):
            _remove(path)
        limit = time.time() - KEPT
        try:
            for entry in os.scandir(self._folder):
                if entry.stat().st_mtime < limit:
                    _remove(entry.path)
        except OSError:  # it was never written, or others tidy up as well
            return

    def _write(self, path: str, said: "dict[str, Any]") -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        fresh, text = f"{path}.{os.getpid()}", plain.written(said).encode()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            whole = os.write(descriptor, text) == len(text)
        except OSError:
            whole = False
        finally:
            os.close(descriptor)
        if not whole:
            _remove(fresh)
            raise OSError(f"{self._folder} has no room")
        os.replace(fresh, path)


def lock(
    product: str, key: str, environ: "Mapping[str, str]", line: "Line"
) -> "int | None":
    """Let the hooks of a session that run at once come one after the other.

    Whoever would have to wait longer than for the hub goes on without.

    Args:
        product: whose session it is.
        key: what the product calls it.
        environ: the environment.
        line: whose seconds may be spent.

    Returns:
        What to close when the turn is over, if this process does not end before.
    """
    from fcntl import LOCK_EX, LOCK_NB, flock

    path = _turn_of(Session(product, key, environ).file)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH120
        turn = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # a disk that takes nothing
        return None
    while True:
        try:
            flock(turn, LOCK_EX | LOCK_NB)
        except OSError:
            if line.left <= MOMENT:
                return turn
            time.sleep(MOMENT)
        else:
            return turn


def _turn_of(file: str) -> str:
    return f"{file}.turn"


def of_shell(environ: "Mapping[str, str]") -> "Session | None":
    """Return the session that runs a command, if one does and its hooks report."""
    for variable, product in places.SHELLS.items():
        key = environ.get(variable)
        if key:
            session = Session.load(product, key, environ)
            if session.known:
                return session
    return None


def folder(environ: "Mapping[str, str]") -> str:
    """Return where the sessions of this machine are remembered."""
    return os.path.join(places.folder("state", environ), "sessions")


def _read(path: str) -> "dict[str, Any]":
    try:
        with open(path, encoding="utf-8") as file:
            return plain.read_object(file.read())
    except (OSError, ValueError):
        return {}


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        return
