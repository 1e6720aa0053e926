"""Processes of our own that end with us: the hub beside a dashboard, the demo's agents.

A companion reads its standard input to the end and then leaves, so it ends when this
process does, however that ends. Nothing it says reaches the terminal: its words go to a
log, and the last of them become the error when it fails to start.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from agentkit.errors import AgentkitError
from agentkit.settings import Discovered, discover

T = TypeVar("T")

PATIENCE = 15.0
"""Seconds that a companion may take to start."""
FAREWELL = 5.0
"""Seconds that it may take to leave by itself."""
_STEP = 0.02
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def announced(pid: int, environ: Mapping[str, str] | None = None) -> Discovered | None:
    """Return the announcement of the hub that is this process; None: not yet."""
    found = discover(environ)
    return found if found and found.pid == pid else None


class CompanionError(AgentkitError):
    """A process that this one needs did not start, or left."""

    code = "companion_failed"

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # that of the companion


class Companion:
    """One child process, ``python -m MODULE ARGUMENT…``; a context manager."""

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self._log = log
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(log, _FRESH, 0o600), "wb") as words:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter
                [sys.executable, "-m", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
                env=env,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C is for us, the pipe is for them
            )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until `ready` returns something, and return that.

        Raises:
            CompanionError: the process ended, or nothing came within `PATIENCE`.
        """
        end = time.monotonic() + PATIENCE
        while (found := ready()) is None:
            if self._process.poll() is not None:
                raise CompanionError(self._last_words(), self._process.returncode)
            if time.monotonic() > end:
                raise CompanionError(
                    f"{self.name} did not start within {PATIENCE:g} s: see {self._log}"
                )
            time.sleep(_STEP)
        return found

    def close(self) -> None:
        """Ask it to leave, and see that it does."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        for hurry in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                hurry()
        self._process.wait()

    def _last_words(self) -> str:
        said = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        last = said[-1].partition(": ")[2] if said else ""
        return last or f"{self.name} ended at once: see {self._log}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
