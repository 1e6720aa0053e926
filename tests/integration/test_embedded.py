"""A hub beside us: it ends with us, however we end, and says why it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentkit.settings import Discovered, Endpoint
from swarmtui.asking import answers
from swarmtui.embedded import Companion, CompanionError, announced

HUB = ("swarmtui", "serve", "--embedded", "--store=memory")
PATIENCE = 20.0

PARENT = """
import sys, time
from pathlib import Path
from swarmtui.embedded import Companion, announced
hub = Companion("the hub", sys.argv[2:], Path(sys.argv[1]) / "hub.log")
print(hub.until(lambda: announced(hub.pid)).pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    return tmp_path


def start(home: Path, *more: str) -> Companion:
    return Companion("the hub", [*HUB, *more], home / "hub.log")


def found(hub: Companion) -> Discovered:
    return hub.until(lambda: announced(hub.pid))


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_a_companion_hub_answers_until_it_is_closed(home: Path) -> None:
    with start(home, "--port=0") as hub:
        announcement = found(hub)
        there = Endpoint(announcement.url, announcement.token)
        answered = answers(there)

    assert answered
    assert not answers(there)
    assert not runs(hub.pid)
    assert not (home / "hub.json").exists()


def test_a_hub_ends_when_its_dashboard_is_killed(home: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(home), *HUB, "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        hub = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)

    assert eventually(lambda: not runs(hub))


def test_a_taken_port_is_told_with_its_number_and_the_hubs_exit_code(
    home: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            start(home, f"--port={port}") as hub,
            pytest.raises(CompanionError) as told,
        ):
            found(hub)

    assert str(port) in str(told.value)
    assert told.value.exit_code == 1


def test_a_setting_that_will_not_do_is_told_with_its_exit_code(home: Path) -> None:
    with start(home, "--port=x") as hub, pytest.raises(CompanionError) as told:
        found(hub)

    assert "'x'" in str(told.value)
    assert told.value.exit_code == 2
