"""What the programs of the tests do when they are told to, whatever they speak.

They speak the protocols as the real ones do, and take what they shall do from the words
of the prompt.
"""

import json
import os
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from tests.integration.shell import MAIN


class Cancelled(Exception):
    """Whoever drives us interrupted the prompt."""


class Actor(ABC):
    """A program: a subclass knows its protocol."""

    def __init__(self) -> None:
        self.prompts = 0
        """How many this conversation has had."""

    # --- the lines ---

    def hear(self) -> dict[str, Any]:
        """Return the next message; without one we end, as the real ones do."""
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        return json.loads(line)  # type: ignore[no-any-return]

    def put(self, message: dict[str, Any]) -> None:
        self.print(json.dumps(message))

    def print(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    # --- what its protocol calls these ---

    @abstractmethod
    def uses(self, command: str) -> None:
        """Tell that the shell is used."""

    @abstractmethod
    def plans(self, done: int, steps: int) -> None:
        """Tell of a plan."""

    @abstractmethod
    def asks(self, command: str) -> str:
        """Ask for a permission; return ``yes``, or what was said against it."""

    @abstractmethod
    def attends(self) -> None:
        """Do nothing until the prompt is interrupted."""

    @abstractmethod
    def ends(self, text: str, error: str = "") -> None:
        """End the prompt."""

    # --- what it does ---

    def act(self, prompt: str) -> None:
        self.prompts += 1
        try:
            self._act(prompt)
        except Cancelled:
            self.ends("", "interrupted")

    def _act(self, prompt: str) -> None:
        for phrase, act in ACTS.items():
            if phrase in prompt:
                act(self, prompt)
                return
        self.ends(f"done: {prompt}")

    def _plan(self, _: str) -> None:
        self.plans(1, 4)
        self.attends()

    def _shell(self, _: str) -> None:
        self.uses("make test")
        self.attends()

    def _crash(self, _: str) -> None:
        self.uses("make")
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(3)

    def _damage(self, _: str) -> None:
        self.print('{"half a mess')
        self.attends()

    def _nonsense(self, _: str) -> None:
        self.put({"type": "assistant", "method": "session/update", "params": ["x"]})
        self.attends()

    def _chatter(self, _: str) -> None:
        self.print("npm notice a newer version is there")
        self.ends("said amid chatter")

    def _permission(self, prompt: str) -> None:
        answer = self.asks("rm -rf build")
        self.ends("" if "silent" in prompt and answer != "yes" else answer)

    def _stubborn(self, _: str) -> None:
        while True:
            self.hear()

    def _who(self, _: str) -> None:
        told = ("SWARMTUI_AGENT", "SWARMTUI_WORKER")
        self.ends(" ".join(os.environ[name] for name in told))

    def _gives_up(self, prompt: str) -> None:
        self._fails_its_task(prompt)
        self.ends("I could not do it")

    def _conversation(self, _: str) -> None:
        self.ends(f"prompt {self.prompts} of process {os.getpid()}")

    def _fails_its_task(self, prompt: str) -> None:
        """Say that it cannot be done, in the way that the prompt tells."""
        said = re.search(r"agentkit (fail \S+) 'the reason' (--agent \S+)", prompt)
        assert said is not None
        words = (*said[1].split(), "no such file", *said[2].split())
        subprocess.run([sys.executable, "-c", MAIN, *words], check=True)


ACTS: dict[str, Callable[[Actor, str], None]] = {
    "a plan": Actor._plan,
    "use the shell": Actor._shell,
    "crash": Actor._crash,
    "damage": Actor._damage,
    "nonsense": Actor._nonsense,
    "chatter": Actor._chatter,
    "millions of words": lambda actor, _: actor.ends("word " * 600_000),
    "more than anybody reads": lambda actor, _: actor.ends("x" * (34 << 20)),
    "permission": Actor._permission,
    "for ever": lambda actor, _: actor.attends(),
    "stubborn": Actor._stubborn,
    "no credit": lambda actor, _: actor.ends("", "the credit balance is too low"),
    "apology": lambda actor, _: actor.ends(
        "Ran into this error: Rate limit exceeded: come back later.\n\nPlease retry."
    ),
    "gives up": Actor._gives_up,
    "conversation": Actor._conversation,
    "who are you": Actor._who,
}
"""What is done when a phrase is in the prompt."""
