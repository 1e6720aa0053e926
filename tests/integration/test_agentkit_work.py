"""Work from a shell: claim, extend, done and fail against a real hub."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shell import Shell

Start = Callable[..., Any]


def enqueue(hub: Any, task: str, **fields: Any) -> None:
    """Queue a task that only whoever has its name as a capability can claim."""
    wish = {"id": task, "title": f"Do {task}", "needs": [task], **fields}
    hub.post("/v1/tasks", wish).raise_for_status()


def task(hub: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/tasks/{key}").json()["task"]
    return found


def leases(hub: Any, key: str) -> list[int]:
    """Return the fences under which a task was ever leased."""
    events = hub.get("/v1/events?subject=task.leased&limit=1000").json()["events"]
    return [one["cursor"] for one in events if one["data"]["task"] == key]


def claim(run: Shell, me: str, *more: str) -> Any:
    done = run("claim", "--agent", me, "--capability", me, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["task"]


def claims(home: Path) -> list[Path]:
    return list((home / "claims").rglob("*.json"))


# --- claim ---------------------------------------------------------------------------


def test_a_claim_prints_id_and_title_and_makes_the_agent_busy(
    run: Shell, hub: Any, me: str
) -> None:
    enqueue(hub, me)

    done = run("claim", "--agent", me, "--capability", me)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{me}\tDo {me}\n", "")
    assert (task(hub, me)["state"], task(hub, me)["agent"]) == ("leased", me)
    agent = hub.get(f"/v1/agents/{me}").json()["agent"]
    assert (agent["status"], agent["task"], agent["via"]) == ("busy", me, "http")


def test_a_claim_as_json_is_the_whole_task(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me, body={"branch": "main"})

    found = claim(run, me, "--lease", "600")

    assert found["body"] == {"branch": "main", "id": me}
    assert (found["lease"], found["fence"]) == (600, leases(hub, me)[0])


def test_nothing_to_claim_is_exit_code_4_without_a_word(run: Shell, me: str) -> None:
    done = run("claim", "--agent", me, "--capability", me)
    waited = run("claim", "--agent", me, "--capability", me, "--wait", "0.2")

    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")
    assert (waited.returncode, waited.stdout, waited.stderr) == (4, "", "")


def test_a_claim_waits_for_work(run: Shell, hub: Any, me: str) -> None:
    waiting = run.start(
        "claim", "--agent", me, "--capability", me, "--wait", "60", "--json"
    )
    enqueue(hub, me)
    out, err = waiting.communicate(timeout=30)

    assert (waiting.returncode, err) == (0, "")
    assert json.loads(out)["task"]["id"] == me


def test_a_waiting_claim_outlives_a_restart_of_the_hub(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    waiting = run.start("claim", "--agent", "a1", "--capability", "T1", "--wait", "inf")
    hub.process.kill()
    hub.process.wait()
    hub = start()
    enqueue(hub, "T1")
    out, err = waiting.communicate(timeout=30)

    assert waiting.returncode == 0, err
    assert out == "T1\tDo T1\n"


def test_a_named_task_that_somebody_has_is_refused(
    run: Shell, hub: Any, me: str
) -> None:
    enqueue(hub, me)
    claim(run, me)

    done = run("claim", "--agent", f"{me}-2", "--capability", me, "--task", me)

    assert (done.returncode, done.stdout) == (5, "")
    assert f"task '{me}' is leased by {me} under fence" in done.stderr
    assert run("claim", "--task", f"{me}-none").returncode == 3


def test_what_waits_on_disk_goes_first(start: Start, tmp_path: Path) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    run("notify", "blocked", "no key", "--agent", "a1")

    hub = start()
    enqueue(hub, "a1")
    claim(run, "a1")

    subjects = [one["subject"] for one in hub.get("/v1/events").json()["events"]]
    assert subjects.index("agent.blocked") < subjects.index("task.leased")


def message(connection: socket.socket) -> bytes:
    """Read a request or an answer to its end; empty when there is none."""
    read = b""
    while part := connection.recv(65536):
        read += part
        head, end, body = read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and len(body) >= (int(length[1]) if length else 0):
            break
    return read


@contextmanager
def losing(hub: Any, path: bytes) -> Iterator[str]:
    """A way to the hub that loses the first answer to a request for a path."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        lost = threading.Event()

        def carry() -> None:
            while True:
                near, _ = server.accept()
                request = message(near)
                if not request:
                    near.close()
                    return
                with socket.create_connection(("127.0.0.1", hub.port)) as far:
                    mine = str(server.getsockname()[1]).encode()
                    there = str(hub.port).encode()
                    far.sendall(request.replace(b":" + mine, b":" + there, 1))
                    answer = message(far)
                if path in request and not lost.is_set():
                    lost.set()
                else:
                    near.sendall(answer)
                near.close()

        thread = threading.Thread(target=carry, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        socket.create_connection(server.getsockname()).close()
        thread.join(5)
        assert lost.is_set()


@pytest.mark.parametrize("wait", [(), ("--wait", "20")])
def test_a_claim_whose_answer_was_lost_leases_no_second_task(
    run: Shell, hub: Any, me: str, wait: tuple[str, ...]
) -> None:
    for number in range(2):
        enqueue(hub, f"{me}-{number}", needs=[me])
    with losing(hub, b"POST /v1/claims") as url:
        words = ("claim", "--agent", me, "--capability", me, "--url", url, *wait)
        done = run(*words, SWARMTUI_TOKEN=hub.token)

    assert (done.returncode, done.stdout) == (0, f"{me}-0\tDo {me}-0\n"), done.stderr
    assert len(leases(hub, f"{me}-0")) == 1
    assert leases(hub, f"{me}-1") == []


# --- extend --------------------------------------------------------------------------


def test_an_extended_lease_lasts_longer(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    before = claim(run, me, "--lease", "60")

    done = run("extend", me, "--agent", me, "--lease", "6000", "--json")

    assert json.loads(done.stdout)["task"]["lease_until"] > before["lease_until"]
    assert run("extend", me, "--agent", me).stdout == ""


def test_a_lease_that_went_to_somebody_else_cannot_be_extended(
    run: Shell, hub: Any, me: str
) -> None:
    enqueue(hub, me)
    claim(run, me)
    hub.post(f"/v1/tasks/{me}/requeue", {}).raise_for_status()

    done = run("extend", me, "--agent", me)

    assert done.returncode == 5
    assert "the lease has ended, so claim again" in done.stderr
    assert run("extend", me, "--agent", me).returncode == 3


def test_extend_needs_the_hub_and_keeps_the_claim(start: Start, tmp_path: Path) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    hub = start()
    enqueue(hub, "a1")
    claim(run, "a1")
    hub.stop()

    done = run("extend", "a1", "--agent", "a1")

    assert done.returncode == 1
    assert "no hub answers" in done.stderr
    assert len(claims(tmp_path)) == 1


# --- done and fail -------------------------------------------------------------------


def test_a_claimed_task_is_done_with_its_result(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    claim(run, me)

    done = run("done", me, "--agent", me, "--result", '{"pull": 17}', "--cost", "0.5")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (task(hub, me)["state"], task(hub, me)["result"]) == ("done", {"pull": 17})
    agent = hub.get(f"/v1/agents/{me}").json()["agent"]
    assert (agent["status"], agent["cost"], agent["completed"]) == ("idle", 0.5, 1)


def test_a_result_may_come_from_standard_input(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    claim(run, me)
    run("done", me, "--agent", me, "--result", "-", said='{"lines": [1, 2]}')

    assert task(hub, me)["result"] == {"lines": [1, 2]}


def test_done_as_json_says_that_the_hub_has_it(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    claim(run, me)

    assert json.loads(run("done", me, "--agent", me, "--json").stdout) == {
        "schema_version": 1,
        "agent": me,
        "task": me,
        "delivered": True,
        "waiting": 0,
    }


def test_a_late_done_is_refused_in_one_sentence(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    mine = claim(run, me)
    hub.post(f"/v1/tasks/{me}/requeue", {}).raise_for_status()
    other = run("claim", "--agent", f"{me}-2", "--capability", me, "--json")
    fence = json.loads(other.stdout)["task"]["fence"]

    late = run("done", me, "--agent", me)

    assert (late.returncode, late.stdout) == (5, "")
    assert late.stderr == (
        f"agentkit: task '{me}' is leased by {me}-2 under fence {fence}, and {me} "
        f"shows fence {mine['fence']}: the lease has ended, so claim again\n"
    )
    assert task(hub, me)["state"] == "leased"


def test_a_fence_may_be_shown_by_hand(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    fence = claim(run, me)["fence"]

    wrong = run("done", me, "--agent", me, "--fence", str(fence - 1))
    right = run("done", me, "--agent", me, "--fence", str(fence))

    assert (wrong.returncode, right.returncode) == (5, 0)
    assert task(hub, me)["state"] == "done"


def test_a_failed_task_is_tried_again_later(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    claim(run, me)

    done = run("fail", me, "the build is red", "--agent", me, "--delay", "600")

    assert (done.returncode, done.stderr) == (0, "")
    found = task(hub, me)
    assert (found["state"], found["reason"]) == ("scheduled", "the build is red")


def test_a_task_that_failed_for_good_is_dead(run: Shell, hub: Any, me: str) -> None:
    enqueue(hub, me)
    claim(run, me)
    run("fail", me, "no such file", "--agent", me, "--final")

    assert (task(hub, me)["state"], task(hub, me)["attempts"]) == ("dead", 1)


def test_done_and_fail_forget_the_claim(start: Start, tmp_path: Path) -> None:
    hub = start("--store", "memory")
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    for number, words in enumerate((["done"], ["fail", "--final"])):
        key = f"T{number}"
        enqueue(hub, key, needs=["a1"])
        claim(run, "a1")
        assert len(claims(tmp_path)) == 1
        run(words[0], key, "--agent", "a1", *words[1:])

        assert claims(tmp_path) == []
        again = run(words[0], key, "--agent", "a1")
        assert again.returncode == 3
        assert f"no claim of a1 on task '{key}' is remembered" in again.stderr


# --- while the hub is away -----------------------------------------------------------


def test_what_was_done_while_the_hub_was_away_arrives_with_the_next_call(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    hub = start()
    for key in ("T1", "T2"):
        enqueue(hub, key, needs=["a1"])
        claim(run, "a1", "--task", key)
    hub.stop()
    done = run("done", "T1", "--agent", "a1", "--result", '{"x": 1}', "--json")
    failed = run("fail", "T2", "why", "--agent", "a1", "--final", "--strict")

    assert (done.returncode, failed.returncode) == (0, 1)
    assert json.loads(done.stdout)["waiting"] == 1
    assert "no hub answers" in done.stderr
    assert "2 reports wait on disk for the next call" in failed.stderr

    hub = start()
    assert run("notify", "idle", "--agent", "a1").returncode == 0
    assert (task(hub, "T1")["state"], task(hub, "T1")["result"]) == ("done", {"x": 1})
    assert (task(hub, "T2")["state"], task(hub, "T2")["reason"]) == ("dead", "why")


def test_what_waited_too_long_is_refused_and_does_not_stop_the_others(
    start: Start, tmp_path: Path
) -> None:
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    hub = start()
    enqueue(hub, "T1", needs=["a1"])
    claim(run, "a1")
    hub.stop()
    run("done", "T1", "--agent", "a1")

    hub = start()
    hub.post("/v1/tasks/T1/requeue", {}).raise_for_status()
    done = run("notify", "idle", "--agent", "a1")

    assert done.returncode == 0
    assert (
        "was refused and is gone: a1, complete T1: task 'T1' is queued" in done.stderr
    )
    assert task(hub, "T1")["state"] == "queued"
    assert hub.get("/v1/agents/a1").json()["agent"]["status"] == "idle"


def test_a_done_whose_answer_never_came_takes_effect_once(
    start: Start, tmp_path: Path
) -> None:
    """The hub is stopped while it answers: nobody can know whether it took it."""
    hub = start()
    run = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    enqueue(hub, "T1", needs=["a1"])
    claim(run, "a1")
    with losing(hub, b"/v1/tasks/T1/complete") as url:
        # the same hub under another address: what this machine knows is kept by it
        (remembered,) = claims(tmp_path)
        there = {"SWARMTUI_URL": url, "SWARMTUI_TOKEN": hub.token}
        fence = str(json.loads(remembered.read_text())["fence"])
        done = run("done", "T1", "--agent", "a1", "--fence", fence, **there)
        again = run("notify", "idle", "--agent", "a1", **there)

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert "1 report waits on disk" in done.stderr
    events = hub.get("/v1/events?subject=task.done").json()["events"]
    assert [one["data"]["task"] for one in events] == ["T1"]
    assert hub.get("/v1/agents/a1").json()["agent"]["completed"] == 1


# --- what is wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["claim", "--wait", "long"], 2, "invalid float value: 'long'"),
        (["done"], 2, "required: ID"),
        (["done", "T1", "--fence", "1", "--result", "17"], 2, "is not an object"),
        (["done", "T1", "--fence", "1", "--result", "{"], 2, "is not JSON"),
        (["done", "nope", "--fence", "1"], 3, "no task 'nope' is known"),
        (["fail", "nope"], 3, "no claim of"),
        (["extend", "nope", "--fence", "1"], 3, "no task 'nope' is known"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    run: Shell, words: list[str], code: int, says: str
) -> None:
    done = run(*words)

    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_disabled_nothing_is_claimed_and_nothing_fails(alone: Shell) -> None:
    alone.environ["SWARMTUI_DISABLE"] = "1"

    codes = [
        alone(*words).returncode
        for words in (["claim"], ["extend", "T1"], ["done", "T1"], ["fail", "T1"])
    ]

    assert codes == [4, 0, 0, 0]
