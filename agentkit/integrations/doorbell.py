"""``agentkit hook … --wait``: waits beside a session that waits, and wakes it for work.

At most one waits for each session. It ends with its session, or with the program that
started it, and asks for work only while the session has nothing to do.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from agentkit.backoff import delays
from agentkit.integrations import work
from agentkit.integrations.beside import alone
from agentkit.integrations.events import PRODUCTS, Product
from agentkit.integrations.general import GeneralLine
from agentkit.integrations.happening import session_of
from agentkit.integrations.line import Away, Refused
from agentkit.integrations.session import Session
from agentkit.processes import is_running

GRACE: Final = 30.0
"""Seconds in which the first hook of the session must have told of it."""

LOOK: Final = 0.5
"""Seconds between two looks at whether the session waits."""

HELD: Final = 10.0
"""Seconds that the hub is asked to wait for work in one request."""

PATIENCE: Final = 5.0
"""Seconds that the hub may take to answer beyond those."""

SETTLED: Final = 1.0
"""Seconds that a turn is over before its session waits: some end with it."""

QUEUED: Final = 30.0
"""Seconds that the product's own queue may take."""

TAKEN_UP: Final = 60.0
"""Seconds in which a session that waits begins with what was put into its queue."""

DAY: Final = 86_400.0
"""Seconds after which the next turn has to start another."""


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
    parent = os.getppid()
    try:
        with alone(Session(product, key, os.environ).file) as holds:
            lives = partial(_is_parent, parent)
            return Doorbell(means, product, key, lambda: lives() and holds()).run()
    except BlockingIOError:
        return 0


def ring(product: str, key: str, program: int, holds: Callable[[], bool]) -> None:
    """Wait for work for a session and put it into the queue of its product.

    Args:
        product: which product it is.
        key: what the product calls the session.
        program: the process that runs the session.
        holds: whether nobody else waits for it.
    """
    lives = partial(is_running, program)
    means = PRODUCTS[product]
    Doorbell(means, product, key, lambda: lives() and holds(), program).run()


class Doorbell:
    """Waits for one session.

    Args:
        means: the product.
        product: its word.
        key: what the product calls the session.
        lives: whether the program is there that runs the session, and nobody else
            waits for it.
        program: its process, if it is known.
    """

    def __init__(
        self,
        means: Product,
        product: str,
        key: str,
        lives: Callable[[], bool],
        program: int = 0,
    ) -> None:
        self._means = means
        self._product = product
        self._key = key
        self._lives = lives
        self._program = program
        self._heard = time.monotonic()
        self._until = self._heard + GRACE
        self._end = self._heard + DAY
        self._rung = 0
        self._waits = delays()

    def run(self) -> int:
        """Wait until the session is over or was woken; return the exit code."""
        while (session := self._session()) is not None:
            text, letters = self._work(session) if self._is_free(session) else ("", [])
            if not text:
                time.sleep(LOOK)
            elif self._means.ring == "exit":
                self._sign(session, letters)
                sys.stderr.write(f"{text}\n")
                return 2
            elif self._queue(text):
                self._sign(session, letters)
            else:
                return self._give_back(session, "its session could not be woken")
            if self._means.ring == "codex" and self._is_deaf(session):
                return self._give_back(session, "its session did not begin with it")
        return 0

    def _session(self) -> Session | None:
        """Return the session as it is now; None when it is over."""
        session = Session.load(self._product, self._key, os.environ)
        now = time.monotonic()
        if session.known:
            self._until = 0.0
        over = now > self._end or (not session.known and now > self._until)
        return None if over or not self._lives() else session

    def _is_free(self, session: Session) -> bool:
        settled = time.time() - session.told > SETTLED or self._means.ring == "exit"
        return session.state == "idle" and not session.task and settled

    def _is_deaf(self, session: Session) -> bool:
        """Say whether a session that waits has left alone what is in its queue."""
        now = time.monotonic()
        if session.state != "idle" or not session.task or session.begun:
            self._heard = now
        return now - self._heard > TAKEN_UP

    def _work(self, session: Session) -> tuple[str, list[int]]:
        """Return what there is to do for a session, if it still waits for it.

        And the numbers of the letters in it.
        """
        try:
            line = GeneralLine(time.monotonic() + HELD + PATIENCE)
            mail = work.mail(line, session)
            urgent = any(map(work.is_urgent, mail))
            key = f"{session.secret}-{os.getpid()}-{self._rung}"
            held = 0 if urgent else HELD
            task = work.claim(line, session, key, held, begun=False)
        except (Away, Refused) as error:
            self._rung += isinstance(error, Refused)
            time.sleep(next(self._waits))
            return "", []
        self._waits = delays()
        if not task and not urgent:
            return "", []
        self._rung += 1
        now = Session.load(self._product, self._key, os.environ)
        if now.state != "idle" or not self._lives():
            self._give_back(session, "its session does something else by now")
            return "", []
        return work.letters(mail, task)

    def _queue(self, text: str) -> bool:
        """Put work into the product's own queue; it begins with it by itself."""
        program = shutil.which("codex") or f"/proc/{self._program}/exe"
        command = [program, "queue", "--thread", self._key, "--message", text]
        try:
            subprocess.run(  # noqa: S603
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=QUEUED,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def _sign(self, session: Session, letters: list[int]) -> None:
        work.sign(GeneralLine(time.monotonic() + PATIENCE), session, letters)

    def _give_back(self, session: Session, reason: str) -> int:
        """Let others have the task of a session; return the exit code."""
        if session.task:
            line = GeneralLine(time.monotonic() + PATIENCE)
            work.settle(line, session, "nack", reason=reason)
        return 0


def _is_parent(process: int) -> bool:
    return os.getppid() == process
