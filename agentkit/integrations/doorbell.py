"""``agentkit hook … --wait``: waits beside a session that waits, and wakes it for work.

At most one waits for each session. It ends with its session, or with the program that
started it, and asks for work only while the session has nothing to do.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final

from agentkit.backoff import delays
from agentkit.integrations import work
from agentkit.integrations.events import PRODUCTS, Product
from agentkit.integrations.general import GeneralLine
from agentkit.integrations.happening import session_of
from agentkit.integrations.line import Away, Refused
from agentkit.integrations.session import Session

GRACE: Final = 30.0
"""Seconds in which the first hook of the session must have told of it."""

LOOK: Final = 0.5
"""Seconds between two looks at whether the session waits."""

HELD: Final = 10.0
"""Seconds that the hub is asked to wait for work in one request."""

PATIENCE: Final = 5.0
"""Seconds that the hub may take to answer beyond those."""


def wait(product: str, payload: Mapping[str, Any]) -> int:
    """Wait for work for a session and wake it.

    Args:
        product: which product it is.
        payload: what the product said; it names the session.

    Returns:
        The exit code: 2 with the work on standard error when the product is woken by
        that, 0 when the session is over or another one waits for it.
    """
    means = PRODUCTS[product]
    key = session_of(means, payload)
    if not key or not means.ring or os.environ.get("SWARMTUI_DISABLE"):
        return 0
    if means.is_script(os.environ):  # it would not end while we wait
        return 0
    try:
        with _alone(Session(product, key, os.environ).file):
            return Doorbell(means, product, key).run()
    except BlockingIOError:
        return 0


class Doorbell:
    """Waits for one session.

    Args:
        means: the product.
        product: its word.
        key: what the product calls the session.
    """

    def __init__(self, means: Product, product: str, key: str) -> None:
        self._means = means
        self._product = product
        self._key = key
        self._parent = os.getppid()
        self._until = time.monotonic() + GRACE
        self._rung = 0
        self._waits = delays()

    def run(self) -> int:
        """Wait until the session is over or was woken; return the exit code."""
        while (session := self._session()) is not None:
            text = self._work(session) if self._is_free(session) else ""
            if not text:
                time.sleep(LOOK)
            elif self._means.ring == "exit":
                sys.stderr.write(f"{text}\n")
                return 2
            else:
                self._queue(session, text)
        return 0

    def _session(self) -> Session | None:
        """Return the session as it is now; None when it is over."""
        session = Session.load(self._product, self._key, os.environ)
        if session.known:
            self._until = 0.0
        over = not session.known and time.monotonic() > self._until
        return None if over or os.getppid() != self._parent else session

    def _is_free(self, session: Session) -> bool:
        return session.state == "idle" and not session.task

    def _work(self, session: Session) -> str:
        """Return what there is to do for a session, if it still waits for it."""
        try:
            line = GeneralLine(time.monotonic() + HELD + PATIENCE)
            mail = work.mail(line, session)
            urgent = any(map(work.is_urgent, mail))
            key = f"{session.secret}-{os.getpid()}-{self._rung}"
            held = 0 if urgent else HELD
            task = work.claim(line, session, key, held, begun=False)
        except (Away, Refused):
            time.sleep(next(self._waits))
            return ""
        self._waits = delays()
        if not task and not urgent:
            return ""
        self._rung += 1
        now = Session.load(self._product, self._key, os.environ)
        if now.state != "idle" or os.getppid() != self._parent:
            self._give_back(session, "its session does something else by now")
            return ""
        text, numbers = work.letters(mail, task)
        work.sign(line, session, numbers)
        return text

    def _queue(self, session: Session, text: str) -> None:
        """Put work into the product's own queue; it begins with it by itself."""
        command = ["codex", "queue", "--thread", self._key, "--message", text]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            self._give_back(session, "its session could not be woken")
            time.sleep(next(self._waits))

    def _give_back(self, session: Session, reason: str) -> None:
        if session.task:
            line = GeneralLine(time.monotonic() + PATIENCE)
            work.settle(line, session, "nack", reason=reason)


@contextmanager
def _alone(file: str) -> Iterator[Callable[[], None]]:
    """Be the only one that waits for a session.

    Raises:
        BlockingIOError: another one does.
    """
    path = Path(f"{file}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as held:
        flock(held, LOCK_EX | LOCK_NB)
        yield held.close
