"""Messages from a shell: send, inbox and the progress of a task."""

import json
from asyncio import to_thread
from typing import Any

from agentkit import Agent
from agentkit.settings import Endpoint
from tests.integration.shell import Shell


def mailbox(hub: Any, agent: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.get(
        f"/v1/agents/{agent}/mailbox", params={"peek": "true"}
    ).json()["mail"]
    return found


def test_a_message_is_sent_from_the_agent_with_its_body(
    run: Shell, hub: Any, me: str
) -> None:
    hub.report(f"{me}-b", "idle")

    done = run(
        *("send", f"{me}-b", "hello", "--agent", me, "--body", '{"n": 7}', "--json")
    )

    (item,) = mailbox(hub, f"{me}-b")
    message, said = item["message"], json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (message["sender"], message["text"], message["body"]) == (
        me,
        "hello",
        {"n": 7},
    )
    assert (said["message"], said["delivered"]) == (message["id"], True)


def test_a_body_comes_from_standard_input(run: Shell, hub: Any, me: str) -> None:
    hub.report(me, "idle")

    done = run("send", me, "--body", "-", said='{"n": [1, 2]}')

    assert done.returncode == 0, done.stderr
    assert mailbox(hub, me)[0]["message"]["body"] == {"n": [1, 2]}


def test_a_message_that_will_not_do_says_why(run: Shell, hub: Any, me: str) -> None:
    unknown = run("send", f"{me}-nobody", "hello")
    empty = run("send", me)
    wrong = run("send", me, "--body", "[1]")

    assert (unknown.returncode, empty.returncode, wrong.returncode) == (3, 2, 2)
    assert f"no agent '{me}-nobody' is known" in unknown.stderr
    assert "the message is empty; say something" in empty.stderr
    assert "the body is not an object of JSON: send an object" in wrong.stderr


def test_a_message_waits_on_disk_for_a_hub_that_is_away(
    alone: Shell, hub: Any, me: str
) -> None:
    hub.report(me, "idle")
    where = {"SWARMTUI_TOKEN": hub.token}

    away = alone("send", me, "hello", SWARMTUI_URL="http://127.0.0.1:9", **where)
    folder = next((alone.cwd / "home").rglob("*.json"))

    assert (away.returncode, "1 report waits on disk" in away.stderr) == (0, True)
    assert json.loads(folder.read_text())["path"] == ["messages"]


async def test_a_call_prints_what_the_other_agent_answers(
    run: Shell, hub: Any, me: str
) -> None:
    hub.report(me, "idle")
    where = Endpoint(hub.url, hub.token)
    async with Agent(f"{me}-b", capabilities=[me], hub=where) as adder:

        @adder.on_call("add")
        async def add(a: int, b: int) -> int:
            return a + b

        @adder.on_call("fail")
        async def fail() -> None:
            raise ValueError("it is broken")

        @adder.on_call("say")
        async def say() -> str:
            return "two words"

        calls = (
            ("call", f"{me}-b", "add", '{"a": 1, "b": 2}', "--json"),
            ("call", f"cap:{me}", "say"),
            ("call", f"{me}-b", "fail"),
            ("call", f"{me}-b", "add", '{"a": 1}'),
        )
        done = [await to_thread(run, *words, "--agent", me) for words in calls]

    added, said, failed, wrong = done
    assert json.loads(added.stdout)["result"] == 3, added.stderr
    assert said.stdout == "two words\n"
    assert (failed.returncode, failed.stdout) == (1, "")
    assert f"{me}-b answered: ValueError: it is broken" in failed.stderr
    assert wrong.returncode == 1
    assert not mailbox(hub, me)


def test_a_call_that_nobody_answers_ends_with_its_time(
    run: Shell, hub: Any, me: str
) -> None:
    hub.report(me, "idle")
    hub.report(f"{me}-b", "idle")

    unknown = run("call", f"{me}-nobody", "add", "--agent", me)
    nowhere = run("call", f"{me}-b", "add", "--agent", f"{me}-new")
    late = run("call", f"{me}-b", "add", "--agent", me, "--timeout", "0.5")

    assert (unknown.returncode, nowhere.returncode, late.returncode) == (3, 3, 4)
    assert "an answer has nowhere to go: report first" in nowhere.stderr
    assert "has not answered within 0.5 s" in late.stderr


def test_the_inbox_shows_what_waits_and_takes_nothing(
    run: Shell, hub: Any, me: str
) -> None:
    hub.report(me, "idle")
    empty = run("inbox", "--agent", me)
    run("send", me, "hello\tthere", "--agent", f"{me}-b")
    hub.post("/v1/tasks", {"agent": me, "id": me, "title": "Do it"})

    first, again = (run("inbox", "--agent", me) for _ in range(2))
    lines = run("inbox", "--agent", me, "--json", "--limit", "1").stdout.splitlines()
    waited = run("wait", "--agent", me, "--timeout", "5")

    rows = [line.split("\t")[1:] for line in first.stdout.splitlines()]
    assert (empty.returncode, empty.stdout) == (4, "")
    assert rows == [
        ["message", f"{me}-b", "hello there"],
        ["task", "operator", "Do it"],
    ]
    assert again.stdout == first.stdout
    assert [json.loads(line)["kind"] for line in lines] == ["message"]
    assert len(waited.stdout.splitlines()) == 2
    assert [item["kind"] for item in mailbox(hub, me)] == ["task"]


def test_progress_and_note_are_told_with_a_lease(run: Shell, hub: Any, me: str) -> None:
    hub.post("/v1/tasks", {"id": me, "title": "Do it", "needs": [me]})
    run("claim", "--agent", me, "--capability", me, "--task", me)

    done = run("extend", me, "--agent", me, "--progress", "0.4", "--note", "4 of 10")
    wrong = run("extend", me, "--agent", me, "--progress", "40")

    task = hub.get(f"/v1/tasks/{me}").json()["task"]
    assert done.returncode == 0, done.stderr
    assert (task["progress"], task["note"]) == (0.4, "4 of 10")
    assert wrong.returncode == 2
    assert "give the share that is done, 0 to 1" in wrong.stderr
