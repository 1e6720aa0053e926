"""Terminals in which somebody follows the page of an example."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

OURS = ("SWARMTUI_", "FAME_", "IFNOTIFY_", "SESSION_ID", "CAPABILITIES")


class Terminal:
    """A shell that runs a block of a page in a folder.

    Args:
        cwd: the folder.
        block: what to run.
        environ: what is set beside what we find.
    """

    def __init__(self, cwd: Path, block: str, **environ: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            ["bash", "-c", block],
            cwd=cwd,
            env={**kept, "PATH": path, "SWARMTUI_PORT": "0", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until(self, text: str) -> str:
        """Read to the line that has a text in it; return that line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if text in line:
                return line.rstrip()
        raise AssertionError(f"{text!r} was not said, exit code {self.process.wait()}")

    def end(self) -> int:
        """Read to the end; return the exit code."""
        assert self.process.stdout is not None
        self.lines += [line.rstrip() for line in self.process.stdout]
        return self.process.wait()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill what runs, and read what it still said."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        assert self.process.stdout is not None
        self.lines += [line.rstrip() for line in self.process.stdout]

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
