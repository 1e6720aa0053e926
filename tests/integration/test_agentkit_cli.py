"""The ``agentkit`` command as a process against a real hub."""

import json
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentkit import commands, mailbox
from agentkit.commands import COMMANDS
from agentkit.places import default_agent
from agentkit.quick import Attempt
from tests.integration.shell import Shell

Start = Callable[..., Any]
FAST = """
import sys
before = set(sys.modules)
from agentkit.cli import main
code = main()
sys.stderr.write(' '.join(sorted(set(sys.modules) - before)))
sys.exit(code)
"""


def row(hub: Any, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/agents/{agent}").json()["agent"]
    return found


def reports(hub: Any, agent: str) -> list[str]:
    """Return what an agent reported, oldest first, as status and task."""
    events = hub.get(f"/v1/agents/{agent}/history?limit=1000").json()["events"]
    return [
        f"{event['data']['report']} {event['data']['task']}".strip()
        for event in reversed(events)
        if "report" in event["data"]
    ]


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Something that is not a hub; an empty reply never comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            with ExitStack() as open_ones:
                while not over.is_set():
                    connection, _ = server.accept()
                    open_ones.callback(connection.close)
                    connection.recv(65536)
                    connection.sendall(reply)
                    if reply:
                        connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        with socket.create_connection(server.getsockname()):
            pass
        thread.join(5)


# --- notify --------------------------------------------------------------------------


def test_a_report_reaches_the_hub(run: Shell, hub: Any, me: str) -> None:
    done = run(
        *("notify", "busy", 'T "1" ü\n', "--agent", me, "--cost", "0.5"),
        *("--capability", "video", "--capability", "ndi"),
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    said = row(hub, me)
    assert (said["status"], said["task"], said["cost"]) == ("busy", 'T "1" ü\n', 0.5)
    assert (said["capabilities"], said["via"]) == (["video", "ndi"], "cli")


@pytest.mark.parametrize("report", ["blocked", "help"])
def test_the_word_after_a_problem_is_its_message(
    run: Shell, hub: Any, me: str, report: str
) -> None:
    assert run("notify", report, "no key", "--agent", me).returncode == 0

    assert (row(hub, me)["status"], row(hub, me)["message"]) == (report, "no key")


def test_every_detail_of_a_report_can_be_said(run: Shell, hub: Any, me: str) -> None:
    done = run(
        *("notify", "help", "which?", "--agent", me, "--task", "T1", "--choice", "a"),
        *("--choice", "b", "--severity", "high", "--completed", "3", "--json"),
    )

    assert json.loads(done.stdout) == {
        "schema_version": 1,
        "agent": me,
        "report": "help",
        "delivered": True,
        "waiting": 0,
    }
    request = hub.get(f"/v1/help?agent={me}").json()["helps"][0]
    assert (request["choices"], request["severity"]) == (["a", "b"], "high")
    assert row(hub, me)["completed"] == 3


def test_both_ways_print_the_same_json(run: Shell, me: str) -> None:
    quick = run("notify", "idle", "--agent", me, "--json")
    general = run("notify", "idle", f"--agent={me}", "--json")

    assert json.loads(quick.stdout) == json.loads(general.stdout)


def test_the_environment_says_who_reports(run: Shell, hub: Any, me: str) -> None:
    run("notify", "idle", SWARMTUI_AGENT=me, SWARMTUI_CAPABILITIES="video, ndi")
    run("notify", "idle", SESSION_ID=f"{me}-old", CAPABILITIES="audio")

    assert row(hub, me)["capabilities"] == ["video", "ndi"]
    assert row(hub, f"{me}-old")["capabilities"] == ["audio"]


def test_without_a_name_the_agent_is_the_project_on_this_host(
    run: Shell, hub: Any, tmp_path: Path
) -> None:
    assert run("notify", "busy", "T1").returncode == 0

    assert row(hub, default_agent(str(tmp_path)))["task"] == "T1"


def test_a_project_file_names_the_agent(
    run: Shell, hub: Any, tmp_path: Path, me: str
) -> None:
    (tmp_path / "swarmtui.toml").write_text(f"agent = '{me}-project'\n")

    assert run("notify", "busy", "T1").returncode == 0
    assert row(hub, f"{me}-project")["task"] == "T1"


def test_disabled_reports_do_nothing_and_succeed(run: Shell, hub: Any, me: str) -> None:
    for value in ("1", "true"):
        done = run("notify", "busy", "T1", "--agent", me, SWARMTUI_DISABLE=value)
        assert (done.returncode, done.stderr) == (0, "")

    assert hub.get(f"/v1/agents/{me}").status_code == 404


def test_the_common_case_imports_next_to_nothing(run: Shell, me: str) -> None:
    done = run("notify", "busy", "T1", "--agent", me, "--cost", "1", code=FAST)

    assert done.returncode == 0
    assert set(done.stderr.split()) <= {
        "_json",
        "_socket",
        "agentkit",
        "agentkit.cli",
        "agentkit.places",
        "agentkit.quick",
    }


# --- notify: when something is wrong -------------------------------------------------


def test_a_report_waits_for_a_hub_that_is_down(alone: Shell, tmp_path: Path) -> None:
    done = alone("notify", "busy", "T1", "--agent", "a1")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("\n") == 1
    assert "no hub answers at http://127.0.0.1:8765 (connection refused)" in done.stderr
    assert "1 report waits on disk for the next call" in done.stderr
    (file,) = (tmp_path / "home" / "outbox").rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_with_strict_a_hub_that_is_down_is_an_error(alone: Shell) -> None:
    assert alone("notify", "busy", "T1", "--strict").returncode == 1


def test_what_waited_goes_first_and_takes_effect_once(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    for number in range(3):
        done = run("notify", "busy", f"T{number}", "--agent", "a1", "--json")
        assert json.loads(done.stdout)["waiting"] == number + 1

    hub = start()
    done = run("notify", "completed", "T2", "--agent", "a1", "--json")

    assert json.loads(done.stdout)["delivered"]
    assert done.stderr == ""
    expected = ["busy T0", "busy T1", "busy T2", "completed T2"]
    assert reports(hub, "a1") == expected
    assert run("notify", "idle", "--agent", "a1", code=FAST).returncode == 0
    assert reports(hub, "a1") == [*expected, "idle T2"]


def test_a_report_that_arrived_unanswered_takes_effect_once(
    start: Start, tmp_path: Path
) -> None:
    """The hub is stopped while it answers: nobody can know whether it took it."""
    hub = start()
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    hub.process.send_signal(signal.SIGSTOP)
    done = run("notify", "busy", "T1", "--agent", "a1")
    hub.process.send_signal(signal.SIGCONT)

    assert done.returncode == 0
    assert "the hub did not answer in time; 1 report waits" in done.stderr
    assert run("notify", "completed", "T1", "--agent", "a1").returncode == 0
    assert reports(hub, "a1") == ["busy T1", "completed T1"]


def test_a_waiting_report_that_is_refused_does_not_stop_the_others(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    run("notify", "busy", "T1", "--agent", "a1")
    run("notify", "busy", "x" * 20_000, "--agent", "a1")

    hub = start()
    done = run("notify", "idle", "--agent", "a1")

    assert done.returncode == 0
    assert "an earlier report was refused and is gone: a1, busy: " in done.stderr
    assert reports(hub, "a1") == ["busy T1", "idle T1"]


KEY = {"SWARMTUI_STORAGE_MASTER_KEY": "a key that is long enough"}
OTHER = {"SWARMTUI_STORAGE_MASTER_KEY": "another that is long enough"}
TURNED = {**OTHER, "SWARMTUI_STORAGE_MASTER_KEY_PREVIOUS": "a key that is long enough"}


def kept(home: Path) -> bytes:
    """Return all that lies in a folder, names included."""
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    return b"\n".join(bytes(path) + path.read_bytes() for path in files)


def test_with_a_key_what_waits_is_sealed_and_arrives(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path / "home"))
    run("notify", "busy", "T-plain", "--agent", "a1")
    for words in (
        ("notify", "busy", "T-marker"),
        ("notify", "blocked", "marker says"),
        ("done", "T-marker", "--fence", "3", "--result", '{"marker":1}'),
        ("fail", "T-marker", "marker says", "--fence", "4"),
    ):
        done = run(*words, "--agent", "marker@a1", **KEY)
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "5 reports wait on disk for the next call" in done.stderr
    assert b"T-plain" in kept(tmp_path / "home")
    assert b"marker" not in kept(tmp_path / "home")

    hub = start(home=tmp_path / "home")
    done = run("notify", "idle", "--agent", "a1", "--json", **KEY)

    assert json.loads(done.stdout)["waiting"] == 0
    assert done.stderr.count("is gone: marker@a1, complete T-marker") == 1
    assert reports(hub, "a1") == ["busy T-plain", "idle T-plain"]
    assert reports(hub, "marker@a1") == ["busy T-marker", "blocked T-marker"]


def test_what_another_key_sealed_stays_is_told_and_lets_the_others_pass(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    run("notify", "busy", "T1", "--agent", "a1", **KEY)
    (file,) = tmp_path.rglob("reports/*/*.json")
    hub = start()

    for environ, why in (
        ({}, "is sealed and there is no key: set storage_master_key, or"),
        (OTHER, "is sealed with another key: set storage_master_key, or"),
        ({"SWARMTUI_STORAGE_MASTER_KEY": "short"}, "has 5 characters, which is fewer"),
    ):
        done = run("notify", "busy", "T2", "--agent", "a2", "--json", **environ)
        told = json.loads(done.stdout)
        assert (done.returncode, told["delivered"], told["waiting"]) == (0, True, 1)
        assert done.stderr.count("\n") == 1
        assert why in done.stderr
        assert "; 1 report waits on disk for the next call" in done.stderr
        assert file.exists()
    assert reports(hub, "a2") == ["busy T2"] * 3

    done = run("notify", "idle", "--agent", "a2", **TURNED)
    assert (done.returncode, done.stderr) == (0, "")
    assert reports(hub, "a1") == ["busy T1"]
    assert not file.exists()


def test_a_key_that_cannot_be_used_is_nothing_to_a_hub_that_is_there(
    run: Shell, alone: Shell, hub: Any, me: str, tmp_path: Path
) -> None:
    short = {"SWARMTUI_STORAGE_MASTER_KEY": "short"}
    for words in (("--agent", me), (f"--agent={me}",)):
        done = run("notify", "busy", "T1", *words, **short)
        assert (done.returncode, done.stderr) == (0, "")
    assert row(hub, me)["task"] == "T1"

    done = alone("notify", "busy", "T1", "--agent", "a1", **short)
    assert done.returncode == 1
    assert done.stderr.startswith("agentkit: a report cannot wait on disk, for the ")
    assert not list(tmp_path.rglob("reports/*/*"))


def test_what_seals_is_not_imported_when_the_hub_takes_a_report(
    run: Shell, me: str
) -> None:
    done = run("notify", "busy", "T1", f"--agent={me}", code=FAST, **KEY)

    assert done.returncode == 0
    assert "agentkit.spool" in done.stderr.split()
    assert not {"sqlite3", "cryptography", "agentkit.sealing"} & {*done.stderr.split()}


def test_a_refused_token_is_told_and_keeps_nothing(
    run: Shell, hub: Any, me: str
) -> None:
    done = run("notify", "busy", "T1", "--agent", me, SWARMTUI_TOKEN="wrong")

    assert done.returncode == 5
    assert done.stderr == (
        "agentkit: the token is not this hub's: hub.json holds the right one\n"
    )
    assert not list(hub.home.rglob("reports/*/*.json"))


def test_a_message_that_is_too_long_is_told(run: Shell, me: str) -> None:
    done = run("notify", "blocked", "x" * 20_000, "--agent", me)

    assert done.returncode == 2
    assert "20,000 characters, at most 16,384 are allowed" in done.stderr


def test_what_is_no_hub_is_told(run: Shell) -> None:
    page = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
    with answering(page) as url:
        done = run("notify", "busy", "T1", SWARMTUI_URL=url)

    assert done.returncode == 5
    assert f"what answers at {url} is not a swarmtui hub" in done.stderr


def test_a_hub_that_never_answers_costs_a_second(run: Shell, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    with answering(b"") as url:
        done = run("notify", "busy", "T1", SWARMTUI_URL=url, SWARMTUI_HOME=home)

    assert done.returncode == 0
    assert "1 report waits on disk" in done.stderr


@pytest.mark.parametrize(
    ("words", "environ", "code", "says"),
    [
        (["notify"], {}, 2, "required: report"),
        (["notify", "bussy"], {}, 2, "invalid choice: 'bussy'"),
        (["notify", "busy", "--cost", "much"], {}, 2, "invalid float value: 'much'"),
        (["notify", "busy", "--cost", "-1"], {}, 2, "cost"),
        (["notify", "busy", "a", "b"], {}, 2, "unrecognized arguments: b"),
        (["notify", "busy"], {"SWARMTUI_URL": "localhost"}, 2, "http:// or https://"),
        (["notify", "idle", "--agent", "x" * 300], {}, 2, "300 characters"),
        (["nothing"], {}, 2, "invalid choice: 'nothing'"),
        (["wait", "--agent", "nobody"], {}, 3, "no agent 'nobody' is known"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    run: Shell, words: list[str], environ: dict[str, str], code: int, says: str
) -> None:
    done = run(*words, **environ)

    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_an_error(alone: Shell, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "outbox").write_text("a file where the folder should be")

    done = alone("notify", "busy", "T1", "--agent", "a1")

    assert done.returncode == 1
    assert done.stderr.startswith(f"agentkit: {tmp_path}/home/outbox")
    assert "SWARMTUI_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_announcement_stops_no_agent(alone: Shell, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hub.json").write_bytes(b"\xff{")

    done = alone("notify", "busy", "T1", "--agent", "a1")

    assert done.returncode == 0
    assert "hub.json" in done.stderr
    assert "1 report waits on disk" in done.stderr


def test_a_port_that_is_none_is_named(alone: Shell) -> None:
    done = alone("notify", "busy", SWARMTUI_URL="http://127.0.0.1:99999")

    assert done.returncode == 2
    assert "65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_comes_from_the_hub_cannot_move_the_cursor(run: Shell) -> None:
    page = (
        b"HTTP/1.1 422 No\r\ncontent-length: 45\r\nconnection: close\r\n\r\n"
        b'{"code":"invalid","detail":"\\u001b[2Jaaaaaaaa"}'
    )
    with answering(
        page.replace(b"45", b"%d" % len(page.partition(b"\r\n\r\n")[2]))
    ) as url:
        done = run("notify", "busy", "T1", SWARMTUI_URL=url)

    assert done.stderr == "agentkit: ?[2Jaaaaaaaa\n"


# --- wait, ask, ping, primer ---------------------------------------------------------


def test_wait_prints_mail_once_and_acknowledges_it(
    run: Shell, hub: Any, me: str
) -> None:
    run("notify", "idle", "--agent", me)
    hub.post("/v1/tasks", {"agent": me, "id": f"{me}-T", "title": "Draw"})
    hub.post("/v1/broadcasts", {"text": "hello", "where": f"agent:{me}"})

    done = run("wait", "--agent", me, "--timeout", "10")
    again = run("wait", "--agent", me, "--timeout", "0.05")
    unfinished = run("wait", "--agent", me, "--timeout", "10", "--again")

    task, broadcast = map(json.loads, done.stdout.splitlines())
    assert (task["kind"], task["ref"], task["body"]["title"]) == (
        "task",
        f"{me}-T",
        "Draw",
    )
    assert broadcast["body"] == {"text": "hello"}
    assert (again.returncode, again.stdout) == (4, "")
    assert [json.loads(x)["ref"] for x in unfinished.stdout.splitlines()] == [f"{me}-T"]
    states = hub.get(f"/v1/deliveries?agent={me}").json()["deliveries"]
    assert [row["state"] for row in states] == ["done", "acked"]


def test_wait_blocks_until_there_is_something(run: Shell, hub: Any, me: str) -> None:
    run("notify", "idle", "--agent", me)
    waiting = run.start("wait", "--agent", me)
    hub.post("/v1/broadcasts", {"text": "hello", "where": f"agent:{me}"})
    out, _ = waiting.communicate(timeout=20)

    assert waiting.returncode == 0
    assert json.loads(out)["body"]["text"] == "hello"


def test_wait_outlives_a_restart_of_the_hub(start: Start, tmp_path: Path) -> None:
    hub = start()
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    run("notify", "idle", "--agent", "a1")
    waiting = run.start("wait", "--agent", "a1", "--timeout", "60")
    hub.process.kill()
    hub.process.wait()
    hub = start()
    hub.post("/v1/broadcasts", {"text": "hello"})
    out, err = waiting.communicate(timeout=30)

    assert waiting.returncode == 0, err
    assert json.loads(out)["body"]["text"] == "hello"


def test_ask_waits_for_the_answer(run: Shell, hub: Any, me: str) -> None:
    asking = run.start(
        *("ask", "which?", "--agent", me, "--choice", "a", "--choice", "b"),
        *("--wait", "--timeout", "30"),
    )
    requests: list[Any] = []
    while not requests:
        requests = hub.get(f"/v1/help?agent={me}").json()["helps"]
    hub.post(f"/v1/help/{requests[0]['id']}/answer", {"text": "b, but slowly"})
    out, err = asking.communicate(timeout=30)

    assert (asking.returncode, out, err) == (0, "b, but slowly\n", "")
    states = hub.get(f"/v1/deliveries?agent={me}").json()["deliveries"]
    assert [row["state"] for row in states] == ["done"]


def test_ask_gives_up_after_its_time(run: Shell, hub: Any, me: str) -> None:
    done = run("ask", "which?", "--agent", me, "--wait", "--timeout", "0.1")

    assert done.returncode == 4
    assert "nobody answered within 0.1 s" in done.stderr


def test_ask_does_not_wait_for_what_was_closed_without_an_answer(
    hub: Any,
    me: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    monkeypatch.setattr(mailbox, "POLL", 0.1)
    words = ["ask", "which?", "--agent", me, "--wait"]
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(commands.run, words, Attempt())
        requests: list[Any] = []
        while not requests:
            requests = hub.get(f"/v1/help?agent={me}").json()["helps"]
        hub.post(f"/v1/help/{requests[0]['id']}/resolve", {}).raise_for_status()
        code = asking.result(30)

    said = "agentkit: nobody answered 'which?': it was closed by operator, so go on"
    assert (code, capsys.readouterr().err.startswith(said)) == (4, True)


def test_ask_without_wait_names_the_request(run: Shell, hub: Any, me: str) -> None:
    done = run("ask", "which?", "--agent", me, "--json")

    said = json.loads(done.stdout)
    assert hub.get(f"/v1/help/{said['help']}").json()["help"]["question"] == "which?"


def test_ask_does_not_wait_for_a_hub_that_is_down(alone: Shell) -> None:
    done = alone("ask", "which?", "--wait")

    assert done.returncode == 1
    assert "nobody can answer yet" in done.stderr


def test_ping_tells_hub_and_agent(run: Shell, hub: Any, me: str) -> None:
    run("notify", "idle", "--agent", me)
    found = json.loads(run("ping", "--agent", me, "--json").stdout)
    words = run("ping", "--agent", f"{me}-nobody").stdout

    assert (found["url"], found["agent"], found["known"]) == (hub.url, me, True)
    assert found["round_trip_ms"] > 0
    assert f"{me}-nobody, not seen yet" in words


def test_ping_tells_that_nobody_is_there(alone: Shell) -> None:
    done = alone("ping")

    assert done.returncode == 1
    assert "no hub answers at http://127.0.0.1:8765" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples(alone: Shell, command: str) -> None:
    done = alone(command, "--help")

    assert done.returncode == 0
    assert f"  agentkit {command}" in done.stdout
    assert "exit codes: 0 ok" in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(alone: Shell) -> None:
    process = alone.start("primer")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(20)

    assert errors == ""


def test_an_interrupt_is_no_traceback(alone: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        alone.environ["SWARMTUI_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = alone.start("wait")
        connection, _ = server.accept()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        connection.close()

    assert (process.returncode, err) == (130, "")
