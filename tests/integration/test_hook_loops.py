"""Two sessions that give each other work come to an end, and a person begins anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.shell import PATIENT, Done, Shell

COMMAND = "import sys; from swarmtui.cli import main; sys.exit(main())"

LONG = 40
"""Turns after which a session would go on for ever."""

Start = Callable[..., Any]


class Program:
    """A product with a model that passes on whatever it is given to another session.

    Like Claude Code it goes on when its hook blocks the end of a turn, up to a cap that
    begins anew with each use of a tool.
    """

    def __init__(self, shell: Shell, name: str, cap: int = 8) -> None:
        self.shell = shell
        self.key = f"{name}-of-a-script"
        self.environ = {"CLAUDE_CODE_SESSION_ID": self.key}
        self.agent = ""
        self.cap = cap
        self.row = 0
        self.longest = 0
        self.refusals: list[str] = []
        self.tell("SessionStart")

    def tell(self, event: str, **said: Any) -> str:
        """Run the hook; return with what it makes the session go on."""
        text = {"session_id": self.key, "hook_event_name": event, **said}
        words, given = ("hook", "claude"), json.dumps(text)
        done = self.shell(*words, said=given, code=PATIENT, **self.environ)
        assert (done.returncode, done.stderr) == (0, "")
        answer = json.loads(done.stdout or "{}")
        return str(answer.get("reason", "")) if "decision" in answer else ""

    def run(self, to: str, *, tools: bool = True) -> int:
        """Do what there is to do, and give as much to another; return how much."""
        turns = 0
        text = self.tell("Stop", stop_hook_active=False)
        self.row = 0
        while text:
            turns, self.row = turns + 1, self.row + 1
            self.longest = max(self.longest, self.row)
            assert self.row <= self.cap, "more turns in a row than the product allows"
            assert turns < LONG, "nothing stops it"
            if tools:
                self._pass_on(to)
            text = self.tell("Stop", stop_hook_active=True)
        return turns

    def _pass_on(self, to: str) -> None:
        words = ("enqueue", "and now you", "--agent", to)
        done = self.shell(*words, code=COMMAND, **self.environ)
        self.tell("PostToolUse", tool_name="Bash")
        self.row = 0  # a tool was used
        if done.returncode:
            self.refusals.append(done.stderr)


def pair(hub: Any, folder: Path) -> tuple[Program, Program]:
    """Return two sessions, each known to the hub."""
    found = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        shell = Shell(folder / name, SWARMTUI_HOME=str(hub.home))
        program = Program(shell, name)
        agents = hub.get("/v1/agents").json()["agents"]
        program.agent = next(a["id"] for a in agents if f"-{name}" in a["id"])
        found.append(program)
    return found[0], found[1]


def test_two_sessions_that_give_each_other_work_come_to_an_end(
    start: Start, tmp_path: Path
) -> None:
    hub = start("--max-hops", "3")
    one, two = pair(hub, tmp_path)
    given = {"title": "begin", "agent": one.agent}
    hub.post("/v1/tasks", given).raise_for_status()
    turns = [0, 0]
    while (first := one.run(two.agent)) + (second := two.run(one.agent)):
        turns[0] += first
        turns[1] += second
        assert sum(turns) < LONG

    assert turns == [2, 2]  # the person's, and three that were handed on
    assert len(two.refusals) == 1
    assert "a person has to give this task" in two.refusals[0]
    tasks = hub.get("/v1/tasks").json()["tasks"]
    assert sorted(task["hops"] for task in tasks) == [0, 1, 2, 3]
    assert {task["by"] for task in tasks} == {"operator", one.agent, two.agent}

    two.tell("UserPromptSubmit", prompt="give it more")
    words = ("enqueue", "once more", "--agent", one.agent)
    assert two.shell(*words, code=COMMAND, **two.environ).returncode == 0
    assert one.run(two.agent) == 1  # a person's prompt began anew


def test_a_budget_ends_it_as_well(start: Start, tmp_path: Path) -> None:
    hub = start("--budget", "1")
    one, two = pair(hub, tmp_path)
    hub.post("/v1/tasks", {"title": "begin", "agent": one.agent}).raise_for_status()
    spent = {"report": "busy", "cost": 2.0}
    hub.post(f"/v1/agents/{two.agent}/status", spent).raise_for_status()

    assert one.run(two.agent) == 1
    assert two.run(one.agent) == 0
    states = [task["state"] for task in hub.get("/v1/tasks").json()["tasks"]]
    assert sorted(states) == ["done", "queued"]


def test_the_cap_of_the_product_is_never_exceeded(start: Start, tmp_path: Path) -> None:
    hub = start()
    one, two = pair(hub, tmp_path)
    for number in range(12):
        hub.post("/v1/tasks", {"title": f"task {number}"}).raise_for_status()

    assert one.run(two.agent, tools=False) == 8
    assert one.longest == 8
    one.tell("UserPromptSubmit", prompt="go on")
    assert one.run(two.agent, tools=False) == 4
    states = {task["state"] for task in hub.get("/v1/tasks").json()["tasks"]}
    assert states == {"done"}


def test_what_agents_say_to_each_other_wakes_none(start: Start, tmp_path: Path) -> None:
    hub = start()
    one, two = pair(hub, tmp_path)
    for _ in range(3):
        for sender, to in ((one, two), (two, one)):
            done: Done = sender.shell("send", to.agent, "and you?", **sender.environ)
            assert done.returncode == 0
    words = ("send", two.agent, "in the name of a person")
    done = one.shell(*words, code=COMMAND, **one.environ)
    turns = [program.run("", tools=False) for program in (one, two)]

    assert turns == [0, 0]
    assert done.returncode != 0
    assert "say it as that agent with agentkit send" in done.stderr
