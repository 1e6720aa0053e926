"""The commands as a person or a script has them: processes, output, exit codes."""

import json
import os
import pty
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any, NamedTuple, TypeAlias

import httpx
import pytest

HOUR_OF_SHAME = ("Traceback", "Error:", "Exception")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


Run: TypeAlias = Callable[..., Done]


def run(home: Path, *args: str, stdout: Any = subprocess.PIPE, **env: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "swarmtui", *args],
        check=False,
        env={**os.environ, "SWARMTUI_HOME": str(home), **env},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert not any(word in done.stderr for word in HOUR_OF_SHAME), done.stderr
    return Done(done.returncode, done.stdout or "", done.stderr)


@pytest.fixture(scope="module")
def swarm(hub: Any) -> Any:
    """A hub that knows a few agents, two of them in trouble."""
    hub.report("api-1", "busy", task="P0.1", capabilities=["python", "sql"], cost=1.25)
    hub.report("api-2", "idle", capabilities=["python"], completed=4)
    hub.report("web-1", "idle", capabilities=["css"])
    hub.report("web-2", "blocked", message="the build is red")
    hub.report("doc-1", "help", message="Which title?", choices=["one", "two"])
    return hub


@pytest.fixture(scope="module")
def command(swarm: Any) -> Run:
    return lambda *args, **more: run(swarm.home, *args, **more)


# --- looking -------------------------------------------------------------------------


def test_status_counts_the_states(command: Run) -> None:
    told = command("status", "--json").data

    assert told["agents"] >= 5
    assert told["states"]["blocked"] == told["states"]["help"] == 1
    assert told["waiting_for_a_person"] == 2


def test_status_says_that_a_person_must_act(command: Run) -> None:
    assert command("status", "--any-waiting").code == 6
    assert command("status").code == 0


def test_status_is_calm_when_nobody_waits(fresh: Any) -> None:
    fresh.report("a1", "idle")

    assert run(fresh.home, "status", "--any-waiting").code == 0


def test_agents_on_a_pipe_are_an_aligned_table(command: Run) -> None:
    lines = command("agents", "id:api-*").out.splitlines()

    assert (
        len(
            {
                line.index(word)
                for line, word in zip(lines, ("AGENT", "api-1", "api-2"), strict=True)
            }
        )
        == 1
    )
    assert lines[1].startswith("● busy")


def test_agents_as_json_have_their_state_and_presence(command: Run) -> None:
    (agent,) = command("agents", "id:api-1", "--json").data["agents"]

    assert (agent["state"], agent["task"], agent["cost"]) == ("busy", "P0.1", 1.25)
    assert agent["presence"] == "live"


def test_agents_as_json_lines_are_one_object_each(command: Run) -> None:
    lines = command("agents", "cap:python", "--jsonl").out.splitlines()

    assert [json.loads(line)["id"] for line in lines] == ["api-1", "api-2"]


def test_a_filter_may_be_several_words(command: Run) -> None:
    found = command("agents", "state:idle", "cap:css", "--json").data["agents"]

    assert [agent["id"] for agent in found] == ["web-1"]


def test_help_desk_shows_the_question_and_the_choices(command: Run) -> None:
    out = command("help-desk").out

    assert "Which title?" in out
    assert "one · two" in out


def test_events_are_json_lines_that_a_pattern_chooses(command: Run) -> None:
    lines = command("events", "agent.busy").out.splitlines()

    first = json.loads(lines[0])
    assert first["subject"] == "agent.busy"
    assert first["data"]["agent"] == "api-1"


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_a_malformed_pattern_is_refused_before_anything_is_read(
    command: Run, follow: list[str]
) -> None:
    refused = command("events", "agent.b*", *follow)

    assert (refused.code, refused.out) == (2, "")
    assert "only for whole segments" in refused.err


def test_events_begin_after_a_cursor(command: Run) -> None:
    every = [json.loads(line) for line in command("events").out.splitlines()]
    middle = every[len(every) // 2]["cursor"]

    later = command("events", "--after", str(middle)).out.splitlines()

    assert [json.loads(line)["cursor"] for line in later] == [
        event["cursor"] for event in every if event["cursor"] > middle
    ]


def test_events_follow_what_happens(swarm: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "swarmtui", "events", "-f", "--after", "0", "agent.*"],
        env={**os.environ, "SWARMTUI_HOME": str(swarm.home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        swarm.report("late-1", "busy", task="now")
        seen = (json.loads(line)["data"]["agent"] for line in process.stdout)
        found = next(agent for agent in seen if agent == "late-1")
        process.terminate()

    assert found == "late-1"


# --- acting --------------------------------------------------------------------------


def test_assign_hands_a_task_over(command: Run) -> None:
    assert command("assign", "web-1", "T1", "--title", "Footer").code == 0

    tasks = {task["id"]: task for task in command("tasks", "--json").data["tasks"]}
    assert (tasks["T1"]["agent"], tasks["T1"]["title"]) == ("web-1", "Footer")
    assert (
        command("deliveries", "T1", "--json").data["deliveries"][0]["agent"] == "web-1"
    )


def test_assign_to_many_gives_each_a_task_of_its_own(command: Run) -> None:
    done = command("assign", "T2", "--where", "cap:python", "--yes", "--json")

    assert done.data["assigned"] == [
        {"agent": "api-1", "task": "T2.1"},
        {"agent": "api-2", "task": "T2.2"},
    ]


def test_broadcast_reaches_those_that_the_filter_chooses(command: Run) -> None:
    done = command("broadcast", "hold on", "--where", "cap:css", "--json")

    assert done.data["broadcast"]["recipients"] == ["web-1"]


def test_more_than_one_recipient_is_refused_where_nobody_can_be_asked(
    command: Run,
) -> None:
    before = command("events", "broadcast.*").out

    done = command("broadcast", "hold on")

    assert done.code == 5
    assert "add --yes if it is meant" in done.err
    assert command("events", "broadcast.*").out == before


def test_an_answer_goes_to_whoever_asked(fresh: Any) -> None:
    fresh.report("a1", "help", message="Which?")

    done = run(fresh.home, "answer", "a1", "that one")

    assert done.code == 0
    (request,) = run(fresh.home, "help-desk", "--all", "--json").data["help"]
    assert (request["state"], request["answer"]) == ("answered", "that one")


# --- what can go wrong ---------------------------------------------------------------

REFUSALS = [
    (["assign", "api-11", "T9"], 3, "did you mean api-1?"),
    (["answer", "nobody", "x"], 3, "'nobody'"),
    (["answer", "web-1", "x"], 3, "has asked nothing"),
    (["deliveries", "nothing"], 3, "'nothing'"),
    (["agents", "stat:busy"], 2, "state"),
    (["agents", "state:bsy"], 2, "busy"),
    (["broadcast", "x", "--where", "cost>"], 2, "cost"),
    (["broadcast", "x", "--where", "id:zzz"], 4, "chooses nobody"),
    (["broadcast", "x" * 20_000, "--yes"], 2, "16"),
    (["assign", "web-1", "T" * 300], 2, "256"),
    (["--url", "http://127.0.0.1:1", "status"], 1, "127.0.0.1:1"),
    (["status", "--url", "ftp://x"], 2, "http"),
    (["status", "--token-file", "/nowhere"], 2, "/nowhere"),
    (["attach", "http://127.0.0.1:1"], 2, "needs a terminal"),
    ([], 2, "needs a terminal"),
    (["--url", "http://127.0.0.1:1"], 2, "needs a terminal"),
    (["--theme", "pink"], 2, "swarm-night"),
]


@pytest.mark.parametrize(("args", "code", "said"), REFUSALS)
def test_a_refusal_is_one_sentence_and_its_code(
    args: list[str], code: int, said: str, command: Run
) -> None:
    done = command(*args)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_wrong_token_is_refused_with_a_remedy(command: Run) -> None:
    done = command("status", SWARMTUI_TOKEN="wrong")

    assert done.code == 5
    assert "token" in done.err


def test_no_hub_names_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    done = run(tmp_path, "status", "--url", url)

    assert done.code == 1
    assert "swarmtui serve" in done.err


def test_something_else_at_the_address_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    ) as other:
        assert other.stdout is not None
        port = other.stdout.readline().split("port ")[1].split()[0]
        done = run(tmp_path, "status", "--url", f"http://127.0.0.1:{port}")
        other.terminate()

    assert done.code in (1, 5)
    assert f"127.0.0.1:{port}" in done.err


def test_a_taken_port_is_told_with_who_holds_it(swarm: Any, tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", str(swarm.port))

    assert done.code == 1
    assert str(swarm.port) in done.err


def test_a_broken_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_text("this is no database, " * 500)

    done = run(tmp_path, "serve", "--port", "0")

    assert done.code == 1
    assert "hub.db" in done.err


def test_a_full_disk_is_told(command: Run) -> None:
    with Path("/dev/full").open("w") as full:
        done = command("agents", stdout=full)

    assert done.code == 1
    assert done.err == ("swarmtui: cannot write the output: no space left on device\n")


def test_when_the_reader_leaves_the_command_ends_without_a_word(swarm: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "swarmtui", "events", "--follow", "--after", "0"],
        env={**os.environ, "SWARMTUI_HOME": str(swarm.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        swarm.report("gone-1", "idle")
        swarm.report("gone-1", "busy")
        said = process.stderr.read()

    assert (process.returncode, said) == (1, b"")


# --- on a terminal -------------------------------------------------------------------


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, home: Path, *args: str, columns: int = 80, **env: str) -> None:
        self.inside, outside = pty.openpty()
        ioctl(outside, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "swarmtui", *args],
            env={
                **{
                    k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")
                },
                "SWARMTUI_HOME": str(home),
                "TERM": "xterm-256color",
                **env,
            },
            stdin=outside,
            stdout=outside,
            stderr=outside,
        )
        os.close(outside)
        self.said = ""

    def until(self, text: str) -> None:
        while text not in self.said:
            self.said += os.read(self.inside, 4096).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.inside, text.encode())

    def end(self) -> int:
        with suppress(OSError):
            while more := os.read(self.inside, 4096):
                self.said += more.decode(errors="replace")
        os.close(self.inside)
        return self.process.wait(30)


@pytest.fixture
def terminal(swarm: Any) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def begin(*args: str, **more: Any) -> Terminal:
        opened.append(Terminal(swarm.home, *args, **more))
        return opened[-1]

    yield begin
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_a_table_on_a_terminal_fits_and_has_colours(
    terminal: Callable[..., Terminal],
) -> None:
    shown = terminal("agents", columns=60, NO_COLOR="")
    shown.end()

    plain = terminal("agents", columns=60, NO_COLOR="1")
    plain.end()

    assert "\x1b[32m" in shown.said
    assert "\x1b" not in plain.said
    assert max(map(len, plain.said.splitlines())) <= 60


def test_a_dumb_terminal_gets_the_plain_table(
    terminal: Callable[..., Terminal],
) -> None:
    dumb = terminal("agents", TERM="dumb")
    dumb.end()

    assert "\x1b" not in dumb.said


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["attach", "127.0.0.1:1"], 1, "swarmtui serve"),
        (["--url", "http://127.0.0.1:1"], 1, "swarmtui serve"),
    ],
)
def test_a_dashboard_over_nothing_is_one_sentence(
    args: list[str], code: int, said: str, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal(*args)

    assert shown.end() == code
    assert said in shown.said
    assert len(shown.said.strip().splitlines()) == 1


def test_a_dashboard_that_may_not_look_is_one_sentence(
    swarm: Any, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal("attach", swarm.url, SWARMTUI_TOKEN="wrong")

    assert shown.end() == 5
    assert "token" in shown.said


def test_the_dashboard_opens_over_the_hub_that_runs_and_closes_on_q(
    swarm: Any, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal(columns=120)
    shown.until("api-1")
    shown.type("q")

    assert shown.end() == 0
    assert swarm.process.poll() is None


def test_without_a_hub_the_dashboard_brings_its_own(tmp_path: Path) -> None:
    shown = Terminal(tmp_path, columns=120, SWARMTUI_PORT="0")
    shown.until("no agents yet")
    found = json.loads((tmp_path / "hub.json").read_text())
    report = {"report": "busy", "task": "first-task"}
    httpx.post(
        f"{found['url']}/v1/agents/first/status",
        json=report,
        headers={"Authorization": f"Bearer {found['token']}"},
        trust_env=False,
    ).raise_for_status()
    shown.until("first-task")
    shown.type("q")

    assert shown.end() == 0
    assert not (tmp_path / "hub.json").exists()
    assert (tmp_path / "hub.db").exists()


def test_the_demo_on_a_terminal_draws_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    shown = Terminal(
        tmp_path / "home", "demo", columns=120, TMPDIR=str(tmp_path / "tmp")
    )
    shown.until("backend-01")
    shown.type("q")

    assert shown.end() == 0
    assert not (tmp_path / "home").exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_fan_out_names_the_count_and_asks(terminal: Callable[..., Terminal]) -> None:
    asked = terminal("broadcast", "hold on", "--where", "cap:python")
    asked.until("?")
    asked.type("n\n")

    assert asked.end() == 130
    assert "Tell 2 agents: api-1, api-2?" in asked.said


def test_a_fan_out_goes_on_after_yes(terminal: Callable[..., Terminal]) -> None:
    asked = terminal("broadcast", "go on", "--where", "cap:python")
    asked.until("?")
    asked.type("y\n")

    assert asked.end() == 0
    assert "told 2 agents" in asked.said
