"""Starts processes quickly: everything is imported once, each is a fork of that.

A hub from here is a process of its own in every other way: it can be killed, and what
it did not write is gone. Run as a program it reads one JSON object a line, the
environment and the flags of a hub, and answers with its pid; a bare pid asks it to
wait until that process has ended. `breed` makes such a program of anything else.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Nursery:
    """The program, as the tests talk to it."""

    def __init__(self, log: Path, program: str = __file__) -> None:
        self._log = log
        self._program = program

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(self, environment: dict[str, str], **flags: Any) -> int:
        """Fork a hub, or what the program is for, with settings; return its pid."""
        return int(self._ask({"environment": environment, "flags": flags}))

    def kill(self, pid: int) -> None:
        """End a process as a power switch would, and wait until it is gone."""
        os.kill(pid, 9)
        self._ask(pid)

    def _ask(self, wish: object) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode()


def _serve(wish: dict[str, Any]) -> None:
    from server.serve import main

    os.environ.update(wish["environment"])
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os._exit(main(wish["flags"]))


def breed(live: Callable[[dict[str, Any]], None]) -> None:
    """Fork a process for each line, in which `live` runs; it must not return."""
    for line in sys.stdin:
        wish = json.loads(line)
        if isinstance(wish, int):
            os.waitpid(wish, 0)
            print(wish, flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            live(wish)


if __name__ == "__main__":
    import server.serve  # noqa: F401 - what every hub needs, once

    breed(_serve)
