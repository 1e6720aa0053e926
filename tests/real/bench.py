"""A hub, a model and a home of its own for one program."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.integration.conftest import RunningHub
from tests.real.model import Model
from tests.real.products import Program
from tests.real.tmux import Terminal, terminal, until

LOST: Final = 15.0
"""Seconds after which a prompt that the model has not heard is taken for lost."""


class Bench:
    """Where one program is tried.

    Args:
        program: what is tried.
        model: what it asks.
        hub: what it reports to.
        folder: for its home and its project.
    """

    def __init__(
        self, program: Program, model: Model, hub: RunningHub, folder: Path
    ) -> None:
        assert program.path is not None
        self.program = program
        self.model = model
        self.hub = hub
        self.home = folder / "home"
        self.cwd = folder / "project"
        (self.cwd / ".git").mkdir(parents=True)
        for name, said in program.files(model.url, self.cwd).items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(said if isinstance(said, str) else json.dumps(said))
        self.home.mkdir(exist_ok=True)
        ours = Path(sys.executable).parent
        self.environ = {
            "PATH": f"{ours}:{Path(program.path).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "SWARMTUI_HOME": str(hub.home),
            # nothing is to leave this machine: nobody listens there
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            **program.environ(model.url),
        }

    # --- what somebody does ---

    def agentkit(self, *words: str) -> str:
        """Run our command as a user of this home does; return what it prints."""
        return self._run("agentkit", *words)

    def swarmtui(self, *words: str) -> str:
        """Run the other command; return what it prints."""
        return self._run("swarmtui", *words)

    def headless(self, *words: str) -> str:
        """Run the program without anybody in front of it; return what it prints."""
        assert self.program.path is not None
        return self._run(self.program.path, *words)

    @contextmanager
    def session(self, *words: str) -> Iterator[Terminal]:
        """Start the program with somebody in front of it, when it is ready."""
        assert self.program.path is not None
        command = [self.program.path, *self.program.words, *words]
        with terminal(command, self.environ, self.cwd) as opened:
            for text, keys in self.program.begins:
                opened.answers(text, keys)
            opened.shows(self.program.ready)
            yield opened

    def appears(self, session: Terminal) -> dict[str, Any]:
        """See a session appear, some only with the first prompt; return its agent."""
        if self.program.begins_idle:
            return self.becomes(status="idle")
        self.prompts(session, "good morning")
        return self.becomes(status="idle", task="good morning")

    def prompts(self, session: Terminal, text: str) -> None:
        """Prompt a session until its model hears: as a turn ends, some get lost."""
        typed = 0.0

        def is_heard() -> bool:
            nonlocal typed
            if self.model.heard(text):
                return True
            if time.monotonic() > typed + LOST:
                session.type(text)
                typed = time.monotonic()
            return False

        until(is_heard, f"the model hears {text!r}")

    @contextmanager
    def dashboard(self) -> Iterator[Terminal]:
        """Open the dashboard, as somebody does who has it beside the session."""
        with terminal(["swarmtui"], self.environ, self.cwd, 120, 36) as opened:
            opened.shows("Fleet")
            opened.shows("live")
            yield opened

    def settings(self) -> dict[str, bytes]:
        """Return what lies where the program looks for its hooks."""
        return {
            str(path.relative_to(self.home)): re.sub(
                self.program.writes.encode(), b"", path.read_bytes()
            )
            for place in self.program.places
            for path in sorted((self.home / place).parent.glob(Path(place).name))
        }

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.cwd,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    # --- what the hub knows ---

    @property
    def agent(self) -> dict[str, Any]:
        """The agent that the session is; empty when the hub knows none."""
        agents = self.hub.get("/v1/agents").raise_for_status().json()["agents"]
        assert len(agents) <= 1, agents
        found: dict[str, Any] = agents[0] if agents else {}
        return found

    def becomes(self, **said: str) -> dict[str, Any]:
        """Wait until the agent is like this; return it."""
        try:
            until(lambda: said.items() <= self.agent.items(), "")
        except AssertionError:
            raise AssertionError(f"{self.agent} has not {said}") from None
        return self.agent

    def task(self, key: str) -> dict[str, Any]:
        """Return a task."""
        reply = self.hub.get(f"/v1/tasks/{key}").raise_for_status()
        found: dict[str, Any] = reply.json()["task"]
        return found

    def ends(self, key: str, state: str = "done") -> dict[str, Any]:
        """Wait until a task is in a state; return it."""
        until(
            lambda: self.task(key)["state"] == state, f"{self.task(key)} were {state}"
        )
        return self.task(key)

    def reports(self) -> list[str]:
        """Return what the agent has reported, in order, each once."""
        path = f"/v1/agents/{self.agent['id']}/history"
        events = self.hub.get(path).raise_for_status().json()["events"]
        said = [e["data"]["report"] for e in events if "report" in e["data"]][::-1]
        return [r for r, before in zip(said, ["", *said], strict=False) if r != before]
