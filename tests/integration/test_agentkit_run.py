"""``agentkit run``: a command as an agent, and again when it fails."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit.commands import underway
from agentkit.commands.underway import Work
from agentkit.running.mood import Said
from agentkit.settings import KitSettings
from agentkit.spool import Letter, Spool
from server.auth import Keys
from tests.integration.shell import MAIN, Shell

Start = Callable[..., Any]

COUNTED = """
import sys
from pathlib import Path
runs = Path("runs")
number = len(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text("x" * number)
print("run", number, flush=True)
print("what went wrong", file=sys.stderr)
sys.exit(int(sys.argv[number]))
"""
"""Exits with its first argument when it runs first, with its second when second, …"""

WAITING = """
import os, signal, sys, time
def told(number, frame):
    os.write(1, f"told {signal.Signals(number).name}\\n".encode())
    if number == signal.SIGTERM:
        sys.exit(7)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, told)
os.write(1, b"ready\\n")
while True:
    time.sleep(60)
"""


LOGIN = "import os; os.login_tty(os.dup(0)); "
"""Makes standard input the terminal that signals come from."""


def script(folder: Path, text: str) -> tuple[str, str]:
    """Return the words that run a program."""
    (folder / "program.py").write_text(text)
    return sys.executable, "program.py"


def row(hub: Any, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/agents/{agent}").json()["agent"]
    return found


def reports(hub: Any, agent: str) -> list[tuple[str, str]]:
    """Return what an agent reported, oldest first: the status and the message."""
    events = hub.get(f"/v1/agents/{agent}/history?limit=1000").json()["events"]
    return [
        (event["data"]["report"], event["data"]["message"])
        for event in reversed(events)
        if "report" in event["data"]
    ]


def test_a_command_is_busy_and_then_completed(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, "import os; print(os.environ['SWARMTUI_AGENT'])")

    done = run("run", "--name", me, "--", *words)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{me}\n", "")
    assert [report for report, _ in reports(hub, me)] == ["busy", "completed"]
    assert row(hub, me)["task"] == " ".join(words)


def test_a_command_that_fails_is_blocked_with_its_last_words(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, COUNTED)

    done = run("run", "--name", me, "--", *words, "3")

    assert (done.returncode, done.stdout) == (3, "run 1\n")
    assert done.stderr == "what went wrong\n"
    assert row(hub, me)["status"] == "blocked"
    assert row(hub, me)["message"] == (
        f"{' '.join(words)} 3 exited with 3: what went wrong"
    )


def test_everything_behind_the_command_is_its_own(
    run: Shell, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, "import sys; print(sys.argv[1:])")
    own = ["--", "--name", "x", "--restart", "-h", "--json"]

    done = run("run", "--name", me, "--restart", "--", *words, *own)
    bare = run("run", "--name", me, *words, *own)

    assert done.stdout == bare.stdout == f"{own}\n"


def test_what_a_command_writes_arrives_byte_by_byte(
    alone: Shell, tmp_path: Path
) -> None:
    noise = bytes(range(256)) * 1000
    (tmp_path / "noise").write_bytes(noise)
    words = script(
        tmp_path,
        "import os; n = open('noise', 'rb').read(); "
        "[os.write(fd, n[i:i+4096]) for i in range(0, len(n), 4096) for fd in (1, 2)]",
    )
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "run", "--name", "a1", "--", *words],
        cwd=tmp_path,
        env={**alone.environ, "SWARMTUI_DISABLE": "1"},
        capture_output=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == noise
    assert done.stderr == noise


@pytest.mark.parametrize("flags", [["--pty"], ["--no-pty"]])
def test_on_a_terminal_standard_error_stays_the_terminal(
    alone: Shell, tmp_path: Path, flags: list[str]
) -> None:
    words = script(
        tmp_path,
        "import sys; print(*(s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)))",
    )
    inside, outside = pty.openpty()
    alone.environ["SWARMTUI_DISABLE"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "run", *flags, "--", *words],
        cwd=tmp_path,
        env=alone.environ,
        stdin=outside,
        stdout=outside,
        stderr=outside,
    )
    with os.fdopen(inside, "rb") as screen:
        said = screen.readline()
        process.wait(30)
    os.close(outside)

    assert said == b"True True True\r\n"


# --- restart -------------------------------------------------------------------------


def test_a_command_that_fails_is_started_again_until_it_succeeds(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, COUNTED)

    done = run("run", "--name", me, "--restart", "--", *words, "1", "2", "0")

    assert (done.returncode, done.stdout) == (0, "run 1\nrun 2\nrun 3\n")
    label = f"agentkit: {' '.join(words)} 1 2 0 exited with"
    assert [line for line in done.stderr.splitlines() if "restart" in line] == [
        f"{label} 1; restart 1 in 0.5 s",
        f"{label} 2; restart 2 in 1 s",
    ]
    assert reports(hub, me) == [
        ("busy", ""),
        ("busy", "restart 1, it exited with 1: what went wrong"),
        ("busy", "restart 2, it exited with 2: what went wrong"),
        ("completed", ""),
    ]


def test_after_the_last_restart_a_command_is_blocked(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, COUNTED)

    done = run(
        *("run", "--name", me, "--restart", "--max-restarts", "1", "--json"),
        *("--", *words, "1", "2", "0"),
    )

    assert done.returncode == 2
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "schema_version": 1,
        "agent": me,
        "code": 2,
        "restarts": 1,
    }
    assert row(hub, me)["status"] == "blocked"


def test_a_command_that_succeeds_is_started_again_only_if_always(
    run: Shell, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, COUNTED)

    once = run("run", "--name", me, "--restart", "--", *words, "0", "0")
    twice = run(
        *("run", "--name", me, "--restart=always", "--max-restarts", "1"),
        *("--", *words, "0", "0", "0"),
    )

    assert once.stdout == "run 1\n"
    assert twice.stdout == "run 2\nrun 3\n"


@pytest.mark.parametrize(("name", "code"), [("nowhere", 127), ("program.py", 126)])
def test_what_cannot_be_started_is_not_tried_again(
    run: Shell, hub: Any, me: str, name: str, code: int
) -> None:
    script(run.cwd, "")

    done = run("run", "--name", me, "--restart", "--", f"./{name}")

    assert done.returncode == code
    assert f"./{name} cannot be started (" in done.stderr
    assert row(hub, me)["status"] == "blocked"
    assert f"./{name} cannot be started: " in row(hub, me)["message"]


# --- signals -------------------------------------------------------------------------


def test_signals_are_passed_on_and_the_exit_code_comes_back(
    run: Shell, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, WAITING)
    process = run.start(
        "run", "--name", me, "--restart", "--", *words, start_new_session=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        lines.append(process.stdout.readline())
    process.communicate(timeout=30)

    assert process.returncode == 7
    told = ["told SIGUSR1\n", "told SIGHUP\n", "told SIGINT\n", "told SIGTERM\n"]
    assert lines == ["ready\n", *told]


def test_a_command_that_a_signal_ended_gives_the_code_of_a_shell(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert run("run", "--name", me, "--", *words).returncode == 137
    assert row(hub, me)["message"].endswith("ended by SIGKILL")


def test_a_signal_ends_the_pause_before_a_restart(
    run: Shell, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, COUNTED)
    process = run.start("run", "--name", me, "--restart", "--", *words, *"1" * 9)
    assert process.stderr is not None
    line = ""
    while "restart 4 in 4 s" not in line:
        line = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)

    assert process.returncode == 1
    assert (tmp_path / "runs").read_text() == "xxxx"


# --- the hub -------------------------------------------------------------------------


def test_without_a_hub_the_command_runs_all_the_same(
    alone: Shell, tmp_path: Path
) -> None:
    words = script(tmp_path, "print('I ran')")

    done = alone("run", "--name", "a1", "--", *words)

    assert (done.returncode, done.stdout) == (0, "I ran\n")
    assert "2 reports wait on disk" in done.stderr


def test_a_hub_that_refuses_us_stops_no_command(run: Shell, tmp_path: Path) -> None:
    words = script(tmp_path, "print('I ran')")

    done = run("run", "--name", "a1", "--", *words, SWARMTUI_TOKEN="wrong")

    assert (done.returncode, done.stdout) == (0, "I ran\n")
    assert "the token is not this hub's" in done.stderr


@pytest.mark.parametrize(("code", "state"), [("0", "done"), ("4", "scheduled")])
def test_a_command_ends_the_task_that_was_claimed_for_it(
    run: Shell, hub: Any, me: str, code: str, state: str
) -> None:
    words = script(run.cwd, COUNTED)
    hub.post("/v1/tasks", {"id": me, "title": "x", "needs": [me]}).raise_for_status()
    run("claim", "--agent", me, "--capability", me)

    done = run("run", "--name", me, "--task", me, "--", *words, code)

    assert done.returncode == int(code)
    task = hub.get(f"/v1/tasks/{me}").json()["task"]
    assert task["state"] == state
    assert task["reason"] in ("", "exited with 4: what went wrong")
    assert row(hub, me)["status"] == "idle"


@pytest.fixture
def work(hub: Any, me: str) -> Work:
    return Work(KitSettings(url=hub.url, token=hub.token), me, None, "make all")


def test_while_a_command_runs_it_shows_that_it_is_alive(
    work: Work, hub: Any, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(underway, "BEAT", 0.01)
    with work.under_way(""):
        before = row(hub, me)["heard"]
        while row(hub, me)["heard"] == before:
            time.sleep(0.02)

    assert set(reports(hub, me)) == {("busy", "")}


def test_what_a_command_reports_by_itself_is_not_overruled(
    work: Work, hub: Any, me: str
) -> None:
    with work.under_way(""):
        hub.report(me, "idle", task="mine")
        work.show_life()

    assert row(hub, me)["status"] == "idle"


def test_what_a_hub_was_away_for_comes_first_when_it_is_back(
    run: Shell, hub: Any, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(run.cwd))
    kit = KitSettings(url=hub.url, token=hub.token)
    work = Work(kit, me, None, "make all")
    hub.report(me, "idle", task="what it did before")
    Spool.of(kit).put(Letter(me, me, {"report": "busy", "task": "make all"}))
    work._delivered = False

    work.tell(Said("idle"))

    assert reports(hub, me) == [("idle", ""), ("busy", ""), ("idle", "")]
    assert row(hub, me)["task"] == "make all"


@pytest.mark.parametrize("whose", ["operator", "agent"])
def test_who_was_answered_is_not_asked_again_by_a_sign_of_life(
    hub: Any, me: str, whose: str
) -> None:
    own = Keys.load(hub.home).derive(f"agent:{me}")
    token = own if whose == "agent" else hub.token
    work = Work(KitSettings(url=hub.url, token=token), me, None, "make all")
    with work.under_way(""):
        work.tell(Said("help", "rang the bell"))
        asked = row(hub, me)["help"]
        work.show_life()
        again = reports(hub, me)
        hub.post(f"/v1/help/{asked}/resolve", {}).raise_for_status()
        work.show_life()

    assert again[1:] == [("help", "rang the bell")] * 2
    assert reports(hub, me) == again
    assert row(hub, me)["help"] == asked


def test_while_a_command_runs_its_lease_is_extended(
    run: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    words = script(tmp_path, WAITING)
    hub.post("/v1/tasks", {"id": me, "title": "x", "needs": [me]}).raise_for_status()
    run("claim", "--agent", me, "--capability", me, "--lease", "1")
    process = run.start("run", "--name", me, "--task", me, "--", *words)
    subject = "/v1/events?subject=task.extended&limit=1000"
    extended: list[Any] = []
    while len(extended) < 3:
        time.sleep(0.02)
        events = hub.get(subject).json()["events"]
        extended = [one for one in events if one["data"]["task"] == me]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)

    assert hub.get(f"/v1/tasks/{me}").json()["task"]["attempts"] == 1, err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run"], "required: CMD"),
        (["run", "--restart=often", "--", "true"], "invalid choice: 'often'"),
        (["run", "--max-restarts", "-1", "--", "true"], "it cannot be negative"),
        (["run", "--quiet-after", "-1", "--", "true"], "give seconds, 0 is never"),
        (["run", "--quiet-after", "nan", "--", "true"], "give seconds, 0 is never"),
    ],
)
def test_wrong_use_is_told(alone: Shell, words: list[str], says: str) -> None:
    done = alone(*words)

    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("flags", [["--pty"], ["--no-pty"]])
def test_what_is_typed_reaches_the_command_once(
    alone: Shell, tmp_path: Path, flags: list[str]
) -> None:
    words = script(tmp_path, WAITING)
    alone.environ["SWARMTUI_DISABLE"] = "1"
    inside, outside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOGIN + MAIN, "run", *flags, "--", *words],
        cwd=tmp_path,
        env=alone.environ,
        stdin=outside,
        stdout=outside,
        stderr=outside,
    )
    os.close(outside)
    with os.fdopen(inside, "r+b", buffering=0) as terminal:
        said = b""
        for typed, wanted in ((b"", b"ready"), (b"\x03", b"told SIGINT")):
            terminal.write(typed)
            while wanted not in said:
                said += terminal.read(1000)
        process.send_signal(signal.SIGTERM)
        while b"told SIGTERM" not in said:
            said += terminal.read(1000)
        process.wait(30)

    assert said.count(b"told SIGINT") == 1
    assert process.returncode == 7
