"""Starts the one that waits beside a session, for a product that cannot do so itself.

A hook leaves it behind: it holds nothing of the hook's, so that the product goes on,
and ends with its session, or with the program that runs it.
"""

# ruff: noqa: PTH116, PTH120, PTH123 - pathlib takes longer to import than all this

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = "codex"
"""What the process is called that runs the session."""

ALONE = (b"exec", b"e")
"""Commands of Codex that end with their first turn: nobody could wake them."""

OPEN = 1024
"""Files that a hook may have open, at most."""


def wait_beside(product: str, key: str, file: str) -> None:
    """Leave one behind that waits beside a session; at once, and at most one.

    Args:
        product: which product it is.
        key: what the product calls the session.
        file: of the session; beside it stands who waits.
    """
    program = _program()
    if not program or _is_alone(program) or os.fork():
        return
    try:
        _let_go()
        with alone(file) as holds:
            from agentkit.integrations.doorbell import ring

            ring(product, key, program, holds)
    except BaseException:  # noqa: BLE001 - nobody is there to be told
        os._exit(1)
    os._exit(0)


@contextmanager
def alone(file: str) -> "Iterator[Callable[[], bool]]":
    """Be the only one that waits for a session; yields what says whether one still is.

    A session that ended and is resumed at once has another that waits for it.

    Raises:
        BlockingIOError: another one does.
    """
    from fcntl import LOCK_EX, LOCK_NB, flock

    path = f"{file}.lock"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103
    with open(path, "w") as held:
        flock(held, LOCK_EX | LOCK_NB)
        mine = os.fstat(held.fileno())

        def holds() -> bool:
            try:
                return os.path.samestat(os.stat(path), mine)
            except OSError:
                return False

        yield holds


def _let_go() -> None:
    """Let go of what the hook was given: who started it waits for the end of that."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.closerange(3, OPEN)


def _program() -> int:
    """Return the process that runs the session; 0 when somebody else runs the hook.

    Between the two there may be a shell, and whatever the user put there.
    """
    found = os.getppid()
    try:
        while found > 1:
            with open(f"/proc/{found}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
            if PROGRAM in name:
                return found
            found = int(rest.split()[1])
    except OSError:  # there is no such folder everywhere
        return os.getppid()
    return 0


def _is_alone(program: int) -> bool:
    try:
        with open(f"/proc/{program}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return False
    return any(word in ALONE for word in words[1:])
