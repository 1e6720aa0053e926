"""A session of Codex that waits is woken for work, by one that waits beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentkit.integrations import doorbell
from agentkit.integrations.events import PRODUCTS
from tests.integration.shell import MAIN, Shell

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc"
)

PROGRAM = Path(__file__).parent / "programs" / "codex_session.py"

SESSION = "01a1ff15-0000-7dc2-aa6d-ea1acccd7fb5"


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; the test's own limit is the end."""
    while not holds():
        time.sleep(0.02)


class Codex:
    """A session, its queue, and who waits beside it."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        run = f'exec {sys.executable} -c "{MAIN}" "$@"'
        self._has("agentkit", f"#!/bin/sh\n{run}\n")
        self._has("codex", f"#!{sys.executable}\n{PROGRAM.read_text()}")
        self.environ = Shell(
            folder,
            SWARMTUI_HOME=str(hub.home),
            FAKE_CODEX=str(folder),
            FAKE_CODEX_SESSION=SESSION,
            PATH=f"{self.bin}:{os.environ['PATH']}",
        ).environ

    def _has(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def begin(self, *words: str) -> None:
        """Start it; it waits for prompts."""
        self._process = subprocess.Popen(
            [str(self.bin / "codex"), *words],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            text=True,
        )

    def say(self, text: str) -> None:
        """Give it a prompt, and see that turn end."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        until(lambda: ["heard", text] in self.told and self.agent["status"] == "idle")

    def leave(self) -> None:
        """Let it end as Codex does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait() == 0

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def flag(self, name: str, *, on: bool) -> None:
        """Let it fail in some way, or no more."""
        path = self.folder / name
        path.touch() if on else path.unlink()

    def enqueue(self) -> str:
        """Give the agent a task; return its id."""
        task = {"title": "paint it", "agent": self.agent["id"]}
        reply = self.hub.post("/v1/tasks", task).raise_for_status()
        return str(reply.json()["task"]["id"])

    def task(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.hub.get(f"/v1/tasks/{key}").json()["task"]
        return found

    @property
    def agent(self) -> dict[str, Any]:
        (found,) = self.hub.get("/v1/agents").json()["agents"]
        return dict(found)

    @property
    def told(self) -> list[list[str]]:
        """What the session was told so far, each with what became of it."""
        path = self.folder / "heard"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def waiters(self) -> list[int]:
        """Who waits beside it."""
        return [pid for pid in self._ours() if os.getsid(pid) == pid]

    def _ours(self) -> Iterator[int]:
        mark = f"FAKE_CODEX={self.folder}".encode()
        for found in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in found.read_bytes().split(b"\0"):
                    yield int(found.parent.name)

    def end(self) -> None:
        """Leave nothing of it behind."""
        if self._process.poll() is None:
            self.kill()
        for pid in self.waiters:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def codex(fresh: Any, tmp_path: Path) -> Iterator[Codex]:
    session = Codex(fresh, tmp_path)
    yield session
    session.end()


def test_it_begins_with_a_task_by_itself(codex: Codex) -> None:
    codex.begin()
    codex.say("good morning")
    key = codex.enqueue()
    until(lambda: codex.task(key)["state"] == "done")

    task = codex.task(key)
    assert (task["attempts"], task["result"]) == (1, {"text": "done"})
    assert [what for what, _ in codex.told] == ["heard", "heard"]
    assert codex.told[1][1].startswith(f"Task {key} was assigned to this session")


def test_one_waits_and_ends_with_the_session(codex: Codex) -> None:
    codex.begin()
    for text in ("one", "two", "three"):
        codex.say(text)
    until(lambda: len(codex.waiters) == 1)
    key = codex.enqueue()
    until(lambda: codex.task(key)["state"] == "done")
    assert len(codex.waiters) == 1

    codex.leave()
    until(lambda: not codex.waiters)


def test_what_a_person_writes_wakes_it(codex: Codex) -> None:
    codex.begin()
    codex.say("good morning")
    letter = {"to": codex.agent["id"], "text": "how far are you?"}
    codex.hub.post("/v1/messages", letter).raise_for_status()
    until(lambda: len(codex.told) == 2)
    until(lambda: codex.agent["status"] == "idle")

    words = "Message from operator through swarmtui: how far are you?"
    assert codex.told[1] == ["heard", words]


def test_a_task_goes_back_at_once_when_it_cannot_be_woken(codex: Codex) -> None:
    codex.flag("broken", on=True)
    codex.begin()
    codex.say("good morning")
    until(lambda: len(codex.waiters) == 1)
    key = codex.enqueue()
    until(lambda: not codex.waiters)  # it is not tried again and again
    task = codex.task(key)
    assert (task["state"], task["attempts"]) == ("queued", 0)

    codex.say("go on")
    until(lambda: codex.task(key)["state"] == "done")
    assert codex.told[2][1].startswith(f"Task {key} was assigned")


def test_what_it_does_not_begin_with_goes_back_and_is_refused_when_it_comes_late(
    codex: Codex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "TAKEN_UP", 0.1)
    for name, text in codex.environ.items():
        monkeypatch.setenv(name, text)
    codex.flag("deaf", on=True)
    codex.begin("exec")  # nobody waits beside it but who does here
    codex.say("good morning")
    key = codex.enqueue()
    waiter = doorbell.Doorbell(PRODUCTS["codex"], "codex", SESSION, lambda: True)
    assert waiter.run() == 0
    assert codex.task(key)["state"] == "queued"

    codex.flag("deaf", on=False)
    until(lambda: len(codex.told) == 2)
    assert codex.told[1][0] == "refused"
    assert codex.task(key)["attempts"] == 0
    codex.say("go on")
    until(lambda: codex.task(key)["state"] == "done")


def test_nobody_waits_for_a_program_that_is_gone(codex: Codex) -> None:
    codex.begin()
    codex.say("good morning")
    until(lambda: len(codex.waiters) == 1)
    codex.kill()
    key = codex.enqueue()
    until(lambda: not codex.waiters)

    assert codex.task(key)["state"] == "queued"


def test_nobody_waits_beside_a_program_that_ends_with_its_turn(codex: Codex) -> None:
    codex.begin("exec")
    codex.say("good morning")

    assert codex.waiters == []
    codex.leave()
