"""What a real terminal gets when somebody calls, behind another window and in front."""

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from tempfile import TemporaryDirectory
from termios import TIOCSWINSZ
from typing import Any

import pytest

from tests.integration.shell import Shell

FRONT, BACK = "\x1b[I", "\x1b[O"
"""What a terminal tells of itself."""
PATIENCE = 60


class Window:
    """A terminal with a program in it, and what the program wrote to it."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._inside, outside = pty.openpty()
        ioctl(outside, TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=outside,
            stdout=outside,
            stderr=outside,
            start_new_session=True,
        )
        os.close(outside)
        self.said = ""
        self._seen = 0

    def until(self, text: str) -> None:
        """Read on until a text comes; what came before does not count."""
        end = time.monotonic() + PATIENCE
        while (at := self.said.find(text, self._seen)) < 0:
            ready, _, _ = select.select([self._inside], [], [], 1)
            assert time.monotonic() < end, f"{text!r} did not come: {self.said[-2000:]}"
            if ready:
                self.said += os.read(self._inside, 65536).decode(errors="replace")
        self._seen = at + len(text)

    def goes(self, where: str) -> None:
        """Come to the front or go to the back; return when the dashboard knows."""
        for keys, heading in ((f"{where}2", "WAITS"), ("1", "QUESTION")):
            os.write(self._inside, keys.encode())
            self.until(heading)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._inside)


@pytest.fixture
def window() -> Iterator[Callable[..., Window]]:
    opened: list[Window] = []

    def begin(*args: Any) -> Window:
        opened.append(Window(*args))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def dashboard(hub: Any) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens the dashboard over a hub, and its environment."""
    shell = Shell(Path(), SWARMTUI_HOME=str(hub.home))
    kept = ("PATH", "PYTHONPATH", "SWARMTUI_HOME", "LANG")
    env = {name: shell.environ[name] for name in kept if name in shell.environ}
    return [sys.executable, "-m", "swarmtui"], {**env, "LANG": "C.UTF-8"}


def noticed(said: str, form: str) -> list[str]:
    """Return the agents whose calls came as notices."""
    return re.findall(re.escape(form) + r"(\S+) asked", said)


@pytest.mark.parametrize(
    ("terminal", "form"),
    [
        ({"TERM": "xterm-kitty"}, "p=body;"),
        ({"TERM": "foot"}, "\x1b]777;notify;swarmtui;"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "\x1b]9;"),
    ],
)
def test_a_call_reaches_the_desktop_unless_the_dashboard_is_in_front(
    terminal: dict[str, str], form: str, fresh: Any, window: Callable[..., Window]
) -> None:
    command, env = dashboard(fresh)
    shown = window(command, env | terminal)
    shown.until("QUESTION")
    shown.goes(BACK)
    fresh.report("b-1", "help", message="which one?")
    shown.until(f"{form}b-1 asked: “which one?”\x1b\\")
    shown.goes(FRONT)
    fresh.report("b-2", "help", message="which one?")
    shown.until("▲ b-2 asked")
    shown.goes(BACK)
    fresh.report("b-3", "help", message="\x1b]0;mine\x07;4;2")
    shown.until(f"{form}b-3 asked: “,4,2”\x1b\\")

    assert noticed(shown.said, form) == ["b-1", "b-3"]


def test_what_is_silenced_is_silent(fresh: Any, window: Callable[..., Window]) -> None:
    command, env = dashboard(fresh)
    shown = window(command, env | {"TERM": "foot"})
    shown.until("QUESTION")
    shown.goes(f"{BACK}M")
    shown.until("SILENT")
    fresh.report("b-1", "help", message="which one?")
    shown.until("▲ b-1 asked")
    shown.goes("M")
    fresh.report("b-2", "help", message="which one?")
    shown.until("swarmtui;b-2 asked")

    assert noticed(shown.said, "\x1b]777;notify;swarmtui;") == ["b-2"]


@pytest.fixture
def tmux(fresh: Any) -> Iterator[Callable[..., list[str]]]:
    """A tmux of its own, and the command that speaks to it."""
    _, env = dashboard(fresh)
    with TemporaryDirectory() as short:  # for the name of a socket

        def speak(*words: str) -> list[str]:
            return ["tmux", "-S", f"{short}/s", "-f", "/dev/null", *words]

        yield speak
        with suppress(subprocess.CalledProcessError):
            subprocess.run(speak("kill-server"), env=env, check=True)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_call_passes_tmux_where_that_is_allowed(
    fresh: Any, window: Callable[..., Window], tmux: Callable[..., list[str]]
) -> None:
    command, env = dashboard(fresh)
    env |= {"TERM": "rxvt-unicode-256color"}  # of the two that are known everywhere

    def allow(word: str) -> None:
        subprocess.run(
            tmux("set", "-g", "allow-passthrough", word), env=env, check=True
        )

    shown = window(tmux("new-session", *command), env)
    shown.until("QUESTION")
    shown.goes(BACK)
    fresh.report("b-1", "help", message="which one?")
    shown.until("\x07")
    allow("on")
    fresh.report("b-2", "help", message="which one?")
    shown.until("\x1b]777;notify;swarmtui;b-2 asked: “which one?”\x1b\\")

    assert noticed(shown.said, "\x1b]777;notify;swarmtui;") == ["b-2"]
