"""The examples do what their pages say."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.terminals import OURS, Terminal

EXAMPLES = Path(__file__).parents[2] / "examples"

SENT = "Sending message to MessageAgent..."
ACKED = "Acknowledgment received: DeliveryAck(ok=True, delivery="
CRASHED = "MessageAgent simulating crash while processing message..."
HANDLED = "MessageAgent processed message successfully: Hello, World!"


class Told:
    """What a run of an example said, and what it left."""

    def __init__(self, home: Path, *words: str) -> None:
        self.data = home / "data"
        process = subprocess.Popen(
            [sys.executable, *words, "--home", str(home)],
            env={k: v for k, v in os.environ.items() if not k.startswith(OURS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self.out, self.err = process.communicate(timeout=90)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.code = process.returncode


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = tmp_path_factory.mktemp("recovery")
    return Told(home, str(EXAMPLES / "crash_recovery" / "run.py"), "--messages", "2")


def test_each_message_crashes_the_agent_once_and_is_handled_then(
    recovery: Told,
) -> None:
    lines = [line.partition("'")[0] for line in recovery.out.splitlines()]

    assert recovery.code == 0, recovery.err
    assert lines == 2 * [SENT, ACKED, CRASHED, HANDLED]
    assert [line.partition(" exited ")[2] for line in recovery.err.splitlines()] == [
        "with 1; restart 1 in 0.5 s",
        "with 1; restart 2 in 1 s",
    ]


def test_each_message_was_acknowledged_before_the_crash(
    recovery: Told, start: Callable[..., Any]
) -> None:
    hub = start(home=recovery.data)
    path = "/v1/agents/message-agent/history?limit=1000"
    events = reversed(hub.get(path).json()["events"])
    told = {"delivery.acked", "agent.disconnected", "delivery.done"}

    told_of = [one["subject"] for one in events if one["subject"] in told]
    assert told_of[:6] == 2 * ["delivery.acked", "agent.disconnected", "delivery.done"]


def test_what_the_agent_keeps_is_sealed(recovery: Told) -> None:
    kept = [path.read_bytes() for path in (recovery.data / "agent").glob("*.db*")]
    plain = [path.read_bytes() for path in recovery.data.glob("hub.db*")]

    assert kept
    assert not any(b"Hello" in part for part in kept)
    assert any(b"Hello" in part for part in plain)


def test_the_lines_of_the_page_do_the_same_in_terminals_of_their_own(
    tmp_path: Path,
) -> None:
    here = tmp_path / "crash_recovery"
    shutil.copytree(
        EXAMPLES / "crash_recovery", here, ignore=shutil.ignore_patterns("data")
    )
    page = (here / "README.md").read_text()
    _, hub, agent, client = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    with ExitStack() as stack:

        def begin(block: str) -> Terminal:
            terminal = Terminal(here, block)
            stack.callback(terminal.close)
            return terminal

        begin(hub).until('"ready"')
        supervised = begin(agent)
        asking = begin(client)

        assert asking.until("Ack").startswith(ACKED)
        assert supervised.until("simulating") == CRASHED
        assert "python message_agent.py exited with 1" in supervised.until("restart")
        assert supervised.until("successfully") == HANDLED


class Pushing:
    """The example of push notifications, in a folder of its own."""

    def __init__(self, stack: ExitStack, home: Path) -> None:
        self._stack = stack
        self._here = home / "push_notifications"
        shutil.copytree(
            EXAMPLES / "push_notifications",
            self._here,
            ignore=shutil.ignore_patterns("data", "__pycache__"),
        )
        page = (self._here / "README.md").read_text()
        blocks = re.findall(r"```sh\npython (\w+).py\n```", page)
        assert blocks == ["sentinel", "push_sender", "push_receiver", "client"]

    def begin(self, program: str) -> Terminal:
        terminal = Terminal(self._here, f"exec python {program}.py")
        self._stack.callback(terminal.close)
        return terminal


@pytest.fixture
def pushing(tmp_path: Path) -> Iterator[Pushing]:
    with ExitStack() as stack:
        yield Pushing(stack, tmp_path)


def sent(task: str) -> list[str]:
    """Return what the sender says of a task."""
    said = [f"sent notification {one}" for one in notifications(task)]
    begun = [f"configured endpoint for task {task}", f"running task {task}"]
    return [f"PushSender {line}" for line in (*begun, *said, f"completed task {task}")]


def got(task: str) -> list[str]:
    return [f"PushReceiver got notification: {one}" for one in notifications(task)]


def notifications(task: str) -> list[dict[str, str]]:
    return [
        {"task_id": task, "message": f"Notification #{number}"}
        for number in range(1, 11)
    ]


def of_task(lines: list[str], task: str) -> list[str]:
    return [line for line in lines if task in line]


def test_ten_notifications_are_pushed_whoever_was_started_first(
    pushing: Pushing,
) -> None:
    client, receiver, sender = map(
        pushing.begin, ("client", "push_receiver", "push_sender")
    )
    pushing.begin("sentinel")
    task = receiver.until("running task").rpartition(" ")[2]
    sender.until("completed task")
    own = receiver.until("completed task").rpartition(" ")[2]

    assert client.process.wait(timeout=30) == 0
    assert sender.lines == sent(task)
    assert receiver.lines == [
        f"PushReceiver running task: {task}",
        *got(task),
        f"PushReceiver completed task: {own}",
    ]
    assert own != task


def test_no_notification_is_lost_when_the_receiver_is_killed_after_the_fourth(
    pushing: Pushing,
) -> None:
    programs = ("sentinel", "push_sender", "push_receiver", "client")
    _, sender, first, client = map(pushing.begin, programs)
    first.until("Notification #4")
    first.kill()
    task = first.lines[0].rpartition(" ")[2]
    sender.until("Notification #7")
    second = pushing.begin("push_receiver")
    second.until("completed task")
    sender.until("completed task")

    lives = [of_task(one.lines, "got notification") for one in (first, second)]
    if lives[0][-1] == lives[1][0]:
        del lives[1][0]  # it was killed before it could note that it printed this one
    assert client.process.wait(timeout=30) == 0
    assert len(lives[0]) in (4, 5)
    assert lives[0] + lives[1] == got(task)
    assert sender.lines == sent(task)


def test_two_clients_at_once_are_not_mixed_up(pushing: Pushing) -> None:
    programs = ("sentinel", "push_sender", "push_receiver", "client", "client")
    _, sender, receiver, *clients = map(pushing.begin, programs)
    tasks = [receiver.until("running task").rpartition(" ")[2] for _ in clients]
    for terminal in (sender, sender, receiver, receiver):
        terminal.until("completed task")

    assert [client.process.wait(timeout=30) for client in clients] == [0, 0]
    assert len(set(tasks)) == 2
    for task in tasks:
        assert of_task(sender.lines, task) == sent(task)
        assert of_task(receiver.lines, task)[1:] == got(task)


@pytest.mark.parametrize("victim", ["sentinel", "push_sender"])
def test_each_notification_arrives_once_though_another_program_was_killed(
    pushing: Pushing, victim: str
) -> None:
    programs = ("sentinel", "push_sender", "push_receiver", "client")
    running = {program: pushing.begin(program) for program in programs}
    receiver, client = running["push_receiver"], running["client"]
    receiver.until("Notification #4")
    running[victim].kill()
    pushing.begin(victim)
    for last in ("completed task", "Notification #10"):  # in either order after a crash
        if not of_task(receiver.lines, last):
            receiver.until(last)
    task = receiver.lines[0].rpartition(" ")[2]

    assert client.process.wait(timeout=30) == 0
    assert of_task(receiver.lines, "got notification") == got(task)


def test_programs_end_without_a_word_when_somebody_presses_ctrl_c(
    pushing: Pushing,
) -> None:
    programs = ("sentinel", "push_sender", "push_receiver", "client")
    _, *agents = [pushing.begin(program) for program in programs]
    agents[1].until("Notification #2")
    for terminal in agents:
        terminal.interrupt()

    for terminal in agents:
        assert terminal.process.wait(timeout=30) == 0
        terminal.kill()
        assert not [line for line in terminal.lines if not line.startswith("Push")]
