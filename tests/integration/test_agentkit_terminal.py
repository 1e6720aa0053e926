"""``agentkit run`` in front of a terminal: one inside of it, as if it were ours."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.screens import AGENTKIT, Screen, running
from tests.integration.shell import Shell

CHILD = """
import os, signal, sys, termios, time, tty

def say(text):
    os.write(1, text.encode() + b"\\n")

def hear():
    return os.read(0, 1000).decode()

"""
"""What the small programs below have in common."""

Child = Callable[[str], Path]


@pytest.fixture
def child(tmp_path: Path) -> Child:
    def write(text: str) -> Path:
        path = tmp_path / "program.py"
        path.write_text(CHILD + text)
        return path

    return write


@pytest.fixture
def off(alone: Shell) -> Shell:
    """A shell whose agents report nothing."""
    alone.environ["SWARMTUI_DISABLE"] = "1"
    return alone


def row(hub: Any, agent: str) -> dict[str, Any]:
    reply = hub.get(f"/v1/agents/{agent}")
    found: dict[str, Any] = reply.json().get("agent", {})
    return found


def wait_for(hub: Any, agent: str, status: str, message: str = "") -> dict[str, Any]:
    """Wait until an agent shows a status; return its row."""
    deadline = time.monotonic() + 30
    found = row(hub, agent)
    while (found.get("status"), found.get("message")) != (status, message):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
        found = row(hub, agent)
    return found


def reports(hub: Any, agent: str) -> list[str]:
    events = hub.get(f"/v1/agents/{agent}/history?limit=1000").json()["events"]
    return [e["data"]["report"] for e in reversed(events) if "report" in e["data"]]


# --- the terminal inside -------------------------------------------------------------


def test_the_command_has_a_terminal_of_its_own(off: Shell, child: Child) -> None:
    path = child("say(f'{os.ttyname(0)} {all(map(os.isatty, range(3)))}.')")
    with Screen(off, *running(child=path)) as screen:
        said = screen.until(".").split()
        ours = os.ttyname(screen.terminal).encode()

    assert said[0] != ours
    assert said[1] == b"True."


def test_every_byte_passes(off: Shell, child: Child) -> None:
    path = child("tty.setraw(1); os.write(1, bytes(range(256)) * 400 + b'the end')")
    with Screen(off, *running(child=path)) as screen:
        seen = screen.until("the end")

    assert seen == bytes(range(256)) * 400 + b"the end"


def test_every_key_passes(off: Shell, child: Child) -> None:
    path = child(
        "tty.setraw(0); say('ready'); got = b''\n"
        "while len(got) < 256: got += os.read(0, 1000)\n"
        "say(got.hex() + '.')"
    )
    with Screen(off, *running(child=path)) as screen:
        screen.until("ready")
        screen.type(bytes(range(256)))

        assert bytes(range(256)).hex().encode() + b"." in screen.until(".")


def test_much_that_is_pasted_passes(off: Shell, child: Child) -> None:
    path = child(
        "tty.setraw(0); say('ready'); time.sleep(0.2); got = 0\n"
        "while got < 200_000: got += len(os.read(0, 1000))\n"
        "say('all of it')"
    )
    with Screen(off, *running(child=path)) as screen:
        screen.until("ready")
        for _ in range(100):
            screen.type(b"x" * 2000)
        screen.until("all of it")


def test_it_has_our_size_and_hears_of_another(off: Shell, child: Child) -> None:
    path = child(
        "def size(*_): say('%d x %d.' % os.get_terminal_size())\n"
        "signal.signal(signal.SIGWINCH, size); size(); hear()"
    )
    with Screen(off, *running(child=path)) as screen:
        screen.until("80 x 24.")
        screen.size(50, 132)
        screen.until("132 x 50.")


def test_our_terminal_is_as_it_was_behind_it(off: Shell, child: Child) -> None:
    path = child("tty.setraw(0); say('ready'); hear(); sys.exit(7)")
    with Screen(off, *running(child=path)) as screen:
        before = screen.modes()
        screen.until("ready")
        assert screen.is_raw()

        screen.type("x")
        screen.rest()

        assert screen.modes() == before
        assert screen.process.returncode == 7


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_our_terminal_is_as_it_was_when_a_signal_ends_us(
    off: Shell, child: Child, number: int, code: int
) -> None:
    path = child("say('ready'); hear()")
    with Screen(off, *running(child=path)) as screen:
        before = screen.modes()
        screen.until("ready")
        screen.process.send_signal(number)
        screen.rest()

        assert screen.modes() == before
        assert screen.process.returncode == code


def test_our_terminal_is_as_it_was_when_all_inside_is_killed(
    off: Shell, child: Child
) -> None:
    path = child("say('%d.' % os.getppid()); hear()")
    with Screen(off, *running(child=path)) as screen:
        before = screen.modes()
        leader = int(screen.until(".").strip(b".\r\n"))
        os.kill(leader, signal.SIGKILL)
        screen.rest()

        assert screen.modes() == before
        assert screen.process.returncode == 137


def test_signals_reach_the_command(off: Shell, child: Child) -> None:
    path = child(
        "def told(number, _): say(signal.Signals(number).name + '.')\n"
        "for one in (1, 2, 3, 10, 12, 15): signal.signal(one, told)\n"
        "say('ready.')\n"
        "while True: time.sleep(60)"
    )
    names = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM"]
    with Screen(off, *running(child=path)) as screen:
        screen.until("ready.")
        for name in names:
            screen.process.send_signal(signal.Signals[name])
            assert screen.until(".").strip() == f"{name}.".encode()


def test_what_was_still_written_at_the_end_is_seen(off: Shell, child: Child) -> None:
    path = child("os.write(1, b'x' * 100_000 + b'last'); os._exit(3)")
    with Screen(off, *running(child=path)) as screen:
        seen = screen.rest()

        assert seen == b"x" * 100_000 + b"last"
        assert screen.process.returncode == 3


def test_what_a_command_leaves_behind_keeps_nobody(off: Shell) -> None:
    left = "(trap '' HUP; sleep 60) & exit 3"
    with Screen(off, *running(child=["sh", "-c", left])) as screen:
        screen.rest()

        assert screen.process.returncode == 3


@pytest.mark.parametrize(("name", "code"), [("./nowhere", 127), ("./program.py", 126)])
def test_what_cannot_be_started_is_told(
    off: Shell, child: Child, name: str, code: int
) -> None:
    child("")
    with Screen(off, *running("--restart", child=[name])) as screen:
        seen = screen.rest()

        assert f"{name} cannot be started (".encode() in seen
        assert screen.process.returncode == code


def test_it_can_do_without(off: Shell, child: Child) -> None:
    path = child("say(os.ttyname(0) + '.')")
    with Screen(off, *running("--no-pty", child=path)) as screen:
        ours = os.ttyname(screen.terminal)

        assert screen.until(".").strip() == f"{ours}.".encode()


def test_it_can_be_had_without_one_of_ours(off: Shell, child: Child) -> None:
    path = child("say(f'{os.isatty(0)} {sys.stdin.read()!r}'); sys.exit(4)")
    done = subprocess.run(
        running("--pty", child=path),
        cwd=off.cwd,
        env=off.environ,
        input=b"two words",
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert b"True 'two words'\r\n" in done.stdout
    assert done.returncode == 4


# --- keys ----------------------------------------------------------------------------


def test_ctrl_c_reaches_the_command_once_and_nothing_is_started_again(
    off: Shell, child: Child
) -> None:
    path = child(
        "def told(*_): say('told.'); sys.exit(1)\n"
        "signal.signal(signal.SIGINT, told); say('ready'); hear()"
    )
    with Screen(off, *running("--restart", child=path)) as screen:
        screen.until("ready")
        screen.type("\x03")
        seen = screen.rest()

        assert seen.count(b"told.") == 1
        assert b"restart" not in seen
        assert screen.process.returncode == 1


@pytest.fixture
def bash(off: Shell) -> Iterator[Screen]:
    """An interactive shell, with a prompt that nothing else looks like."""
    off.environ |= {"PS1": "prompt> ", "HISTFILE": ""}
    with Screen(off, "bash", "--norc", "--noprofile", "-i") as screen:
        screen.until("prompt> ")
        yield screen


STOPPABLE = """
def goes_on(*_):
    say("goes on.")
signal.signal(signal.SIGCONT, goes_on)
say("ready.")
while True:
    said = hear()
    if said.strip() == "end":
        sys.exit(9)
    say("heard " + said.strip() + ".")
"""


def job(path: Path, *flags: str) -> str:
    return " ".join(f"'{word}'" for word in running(*flags, child=path))


def test_ctrl_z_gives_the_shell_back_and_fg_goes_on(bash: Screen, child: Child) -> None:
    bash.type(job(child(STOPPABLE)) + "\r")
    bash.until("ready.")
    for turn in ("one", "two"):
        bash.type("\x1a")
        assert b"Stopped" in bash.until("prompt> ")
        bash.type("stty -a | grep -o '.icanon'; jobs\r")
        assert b" icanon" in bash.until("prompt> ")
        bash.type("fg\r")
        bash.until("goes on.")
        bash.type(f"{turn}\r")
        bash.until(f"heard {turn}.")
    bash.type("end\r")
    bash.until("prompt> ")
    bash.type("echo code $?.\r")
    bash.until("code 9.")


def test_a_program_that_stops_itself_draws_again_in_its_new_size(
    bash: Screen, child: Child
) -> None:
    path = child(
        "usual = termios.tcgetattr(0)\n"
        "def draw():\n"
        "    tty.setraw(0)\n"
        "    say('\\x1b[?1049h %d x %d.' % os.get_terminal_size())\n"
        "draw()\n"
        "while True:\n"
        "    key = hear()\n"
        "    if key == '\\x1a':\n"
        "        os.write(1, b'\\x1b[?1049l')\n"
        "        termios.tcsetattr(0, termios.TCSADRAIN, usual)\n"
        "        os.kill(0, signal.SIGTSTP)\n"
        "        draw()\n"
        "    elif key == 'q':\n"
        "        break\n"
    )
    bash.type(job(path) + "\r")
    bash.until("80 x 24.")
    bash.type("\x1a")
    bash.until("prompt> ")
    bash.size(30, 100)
    bash.type("fg\r")
    bash.until("100 x 30.")
    bash.type("q")
    bash.until("prompt> ")


def test_in_the_background_it_runs_on_and_fg_gives_it_the_keys(
    bash: Screen, child: Child
) -> None:
    bash.type(job(child(STOPPABLE)) + " &\r")
    bash.until("ready.")
    bash.type("jobs; echo still $((20 + 1)).\r")
    assert b"Running" in bash.until("still 21.")
    bash.type("fg\r")
    bash.until("program.py")
    bash.type("a word\r")
    bash.until("heard a word.")
    bash.type("end\r")
    bash.until("prompt> ")


def test_what_was_stopped_can_run_on_in_the_background(
    bash: Screen, child: Child
) -> None:
    bash.type(job(child(STOPPABLE)) + "\r")
    bash.until("ready.")
    bash.type("\x1a")
    bash.until("prompt> ")
    bash.type("bg\r")
    bash.until("goes on.")
    bash.type("jobs; echo still $((20 + 1)).\r")
    assert b"Running" in bash.until("still 21.")
    bash.type("kill %1; wait %1; echo code $?.\r")
    bash.until("code 143.")


def test_where_nobody_could_let_it_go_on_ctrl_z_does_not_stop_it(
    off: Shell, child: Child
) -> None:
    with Screen(off, *running(child=child(STOPPABLE))) as screen:
        screen.until("ready.")
        screen.type("\x1a")
        screen.type("a word\r")
        screen.until("heard a word.")


# --- what the hub is told ------------------------------------------------------------


def test_a_command_that_fails_is_blocked_with_its_last_line(
    run: Shell, hub: Any, me: str
) -> None:
    command = "printf '\\033[31mno such model\\033[0m\\r\\n' >&2; exit 7"
    with Screen(run, *running("--name", me, child=["sh", "-c", command])) as screen:
        screen.rest()

        assert screen.process.returncode == 7
    assert row(hub, me)["status"] == "blocked"
    assert row(hub, me)["message"].endswith("exited with 7: no such model")


def test_a_command_that_ends_well_is_completed(run: Shell, hub: Any, me: str) -> None:
    with Screen(run, *running("--name", me, child=["true"])) as screen:
        assert screen.rest() == b""
    assert reports(hub, me) == ["busy", "completed"]


def test_titles_tell_how_it_is(run: Shell, hub: Any, me: str, child: Child) -> None:
    path = child(
        "for title in ('✳ Claude Code', '◐ Claude Code', '✳ Claude Code'):\n"
        "    for byte in f'\\x1b]0;{title}\\x07'.encode(): os.write(1, bytes([byte]))\n"
        "    hear()"
    )
    with Screen(run, *running("--name", me, child=path)) as screen:
        for status in ("idle", "busy", "idle"):
            wait_for(hub, me, status)
            screen.type("\r")
        screen.rest()

    assert reports(hub, me) == ["busy", "idle", "busy", "idle", "completed"]


def test_without_output_it_is_idle_and_with_output_busy(
    run: Shell, hub: Any, me: str, child: Child
) -> None:
    path = child("hear(); time.sleep(0.5)\nfor _ in range(9): say('x')\nhear()")
    flags = ("--name", me, "--quiet-after", "0.5")
    with Screen(run, *running(*flags, child=path)) as screen:
        wait_for(hub, me, "idle")
        screen.type("\r")
        wait_for(hub, me, "busy")
        wait_for(hub, me, "idle")


@pytest.mark.parametrize(
    "call",
    [
        ("\\x07", "rang the bell"),
        ("\\x1b]9;needs your approval\\x07", "needs your approval"),
        ("\\x1b]777;notify;Agent;a\\x08 question\\x1b\\\\", "Agent: a question"),
    ],
)
def test_a_call_asks_for_a_person_until_one_types(
    run: Shell, hub: Any, me: str, child: Child, call: tuple[str, str]
) -> None:
    said, asks = call
    path = child(f"say('{said}'); hear(); hear()")
    with Screen(run, *running("--name", me, child=path)) as screen:
        wait_for(hub, me, "help", asks)
        (asked,) = [h for h in hub.get("/v1/help").json()["helps"] if h["agent"] == me]
        screen.type("y\r")
        wait_for(hub, me, "busy")

    assert asked["question"] == asks
    request = hub.get(f"/v1/help/{asked['id']}").json()["help"]
    assert request["state"] == "resolved"


def test_what_the_command_says_itself_is_not_overruled(
    run: Shell, hub: Any, me: str, child: Child
) -> None:
    kit = " ".join(f"'{word}'" for word in AGENTKIT)
    path = child(
        f"os.system(\"{kit} notify busy 'its own'\")\n"
        "say('\\x1b]0;✳ idle\\x07'); time.sleep(2); say('told.'); hear()"
    )
    with Screen(run, *running("--name", me, child=path)) as screen:
        screen.until("told.")
        screen.type("\r")
        screen.rest()

    assert reports(hub, me) == ["busy", "busy", "completed"]


def test_nothing_that_is_typed_is_told(
    run: Shell, hub: Any, me: str, child: Child
) -> None:
    path = child("name = input('name? '); sys.exit(3)")
    with Screen(run, *running("--name", me, child=path)) as screen:
        screen.until("name? ")
        screen.type("secret\r")
        screen.rest()

    assert row(hub, me)["status"] == "blocked"
    assert "secret" not in hub.get("/v1/events?limit=1000").text


def test_a_shell_inside_tells_nothing_that_is_typed_either(
    run: Shell, hub: Any, me: str
) -> None:
    run.environ["PS1"] = "inner> "
    inner = ["bash", "--norc", "--noprofile", "-i"]
    with Screen(run, *running("--name", me, child=inner)) as screen:
        screen.until("inner> ")
        screen.type("echo secret\r")
        screen.until("inner> ")
        screen.type("exit 3 # secret\r")
        screen.rest()

        assert screen.process.returncode == 3
    assert "# secret" not in hub.get("/v1/events?limit=1000").text


def test_with_a_claim_it_is_never_idle(
    run: Shell, hub: Any, me: str, child: Child
) -> None:
    hub.post("/v1/tasks", {"id": me, "title": "x", "needs": [me]}).raise_for_status()
    run("claim", "--agent", me, "--capability", me)
    path = child("say('\\x1b]0;✳ idle\\x07'); time.sleep(2); say('\\x07'); hear()")
    with Screen(run, *running("--name", me, "--task", me, child=path)) as screen:
        wait_for(hub, me, "help", "rang the bell")
        screen.type("\r")
        screen.rest()

    assert hub.get(f"/v1/tasks/{me}").json()["task"]["state"] == "done"
    assert "idle" not in reports(hub, me)


def test_without_a_hub_nothing_is_said_before_the_end(
    alone: Shell, child: Child
) -> None:
    path = child("say('\\x07ready'); hear(); say('end.'); sys.exit(5)")
    with Screen(alone, *running("--name", "a1", child=path)) as screen:
        before = screen.until("ready")
        screen.type("\r")
        before += screen.until("end.")
        after = screen.rest()

        assert screen.process.returncode == 5
    assert b"agentkit" not in before
    assert b"2 reports wait on disk" in after


def test_a_hub_that_hangs_delays_no_byte(alone: Shell, child: Child) -> None:
    path = child(
        "say('\\x07ready')\nwhile (said := hear().strip()) != 'end': say(said + '.')"
    )
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        alone.environ["SWARMTUI_URL"] = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with Screen(alone, *running("--name", "a1", child=path)) as screen:
            taken, _ = deaf.accept()
            # The first report hangs from here on, for a second: all this is sooner.
            with taken:
                screen.until("ready")
                for number in range(50):
                    screen.type(f"{number}\r")
                    screen.until(f"{number}.")
                taken.setblocking(False)
                asked = taken.recv(65536)
                assert asked.startswith(b"POST")
            screen.type("end\r")
            screen.rest()

            assert screen.process.returncode == 0


# --- a real terminal -----------------------------------------------------------------


@pytest.fixture
def tmux(off: Shell) -> Iterator[Callable[..., str]]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    server = ["tmux", "-S", str(off.cwd / "tmux"), "-f", "/dev/null"]

    def command(*words: str) -> str:
        return subprocess.run(
            [*server, *words],
            cwd=off.cwd,
            env={**off.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout

    yield command
    subprocess.run([*server, "kill-server"], capture_output=True, check=False)


def test_a_wrapped_program_looks_the_same_in_a_real_terminal(
    tmux: Callable[..., str], child: Child
) -> None:
    path = child(
        "def draw(*_):\n"
        "    columns, rows = os.get_terminal_size()\n"
        "    os.write(1, f'\\x1b[2J\\x1b[H┌{\"─\" * (columns - 2)}┐'.encode())\n"
        "    os.write(1, f'\\x1b[{rows};1H└ {columns} x {rows} ┘'.encode())\n"
        "os.write(1, b'\\x1b[?1049h\\x1b]2;\\xe2\\xa0\\x99 drawing\\x07')\n"
        "tty.setraw(0); signal.signal(signal.SIGWINCH, draw); draw()\n"
        "while (key := hear()) != 'q':\n"
        "    os.write(1, f'\\x1b[2;3Hkey {key!r}   '.encode())\n"
        "os.write(1, b'\\x1b[?1049l')"
    )

    def until(text: str) -> list[str]:
        deadline = time.monotonic() + 30
        while text not in (seen := tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        return seen.splitlines()

    tmux("new-session", "-d", "-x", "60", "-y", "12", "sh")
    tmux("send-keys", "-l", f"PS1=again; {job(path)}")
    tmux("send-keys", "Enter")
    lines = until("60 x 12")
    assert lines[0] == f"┌{'─' * 58}┐"
    assert lines[11] == "└ 60 x 12 ┘"
    assert tmux("display-message", "-p", "#{pane_title}").strip() == "⠙ drawing"

    tmux("send-keys", "Up")
    until("key '\\x1b[A'")
    tmux("resize-window", "-x", "70", "-y", "20")
    assert until("70 x 20")[19] == "└ 70 x 20 ┘"
    tmux("send-keys", "q")
    until("again")
