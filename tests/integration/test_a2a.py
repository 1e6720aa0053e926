"""Agents made with the official SDK join the swarm, and work for it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias

import pytest

from agentkit.a2a.book import Book, Entry
from agentkit.a2a.errors import PeerError
from agentkit.a2a.peer import Address, Peer
from tests.integration.conftest import RunningHub
from tests.integration.test_commands import Done, run

AGENT = Path(__file__).with_name("a2a_agent.py")

SPEAKS = ("new-pushes", "new", "old-pushes", "old")
"""Agents of either version, that tell by themselves how it goes, or do not."""

every_agent = pytest.mark.parametrize("name", SPEAKS)

PUSHES = "new-pushes"

Found: TypeAlias = dict[str, Any]
Process: TypeAlias = "subprocess.Popen[str]"


def begin(stack: ExitStack, *command: str, home: Path | None = None) -> Process:
    """Start a process that ends with the test."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "SWARMTUI_HOME": str(home or "")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stack.callback(end, process)
    return process


def end(process: Process) -> str:
    """End a process; return what it said."""
    if process.stderr is None or process.stderr.closed:
        return ""
    process.terminate()
    return process.communicate(timeout=20)[1]


def serve_agents(stack: ExitStack, *kinds: str) -> dict[str, str]:
    """Start agents that are killed with the test; return where each is."""
    process = begin(stack, str(AGENT), *kinds)
    stack.callback(process.kill)
    assert process.stdout is not None
    found: dict[str, str] = json.loads(process.stdout.readline())
    return found


class House:
    """A hub, and the commands of an operator."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub = hub
        self.book = Book(hub.home / "a2a.json")

    def __call__(self, *args: str) -> Done:
        return run(self.hub.home, *args)

    def add(self, url: str, *flags: str) -> Done:
        return self("a2a", "add", url, *flags)

    def carry(self, stack: ExitStack, *names: str) -> Process:
        """Carry the work of agents that were added."""
        command = ("-m", "swarmtui", "a2a", "run", *names)
        process = begin(stack, *command, home=self.hub.home)
        self.until(lambda: self.linked() >= set(names))
        return process

    def linked(self) -> set[str]:
        rows = self.hub.get("/v1/agents").json()["agents"]
        return {row["id"] for row in rows if row["linked"]}

    def assign(self, agent: str, title: str, task: str, **fields: Any) -> None:
        said = {"agent": agent, "id": task, "title": title, **fields}
        self.hub.post("/v1/tasks", said).raise_for_status()

    def row(self, agent: str) -> Found:
        found: Found = self.hub.get(f"/v1/agents/{agent}").json()["agent"]
        return found

    def task(self, task: str) -> Found:
        found: Found = self.hub.get(f"/v1/tasks/{task}").json()["task"]
        return found

    def settled(self, task: str) -> Found:
        """Wait until a task is settled; return it."""
        ends = ("done", "dead", "cancelled")
        self.until(lambda: self.task(task)["state"] in ends)
        return self.task(task)

    def is_told(self, agent: str, message: str) -> None:
        """Wait until an agent says something."""
        self.until(lambda: self.row(agent)["message"] == message)

    def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            time.sleep(0.02)


@pytest.fixture(scope="module")
def agents() -> Iterator[dict[str, str]]:
    """Where an agent of each kind is."""
    with ExitStack() as stack:
        yield serve_agents(stack, *SPEAKS)


@pytest.fixture(scope="module")
def house(hub: RunningHub) -> House:
    return House(hub)


@pytest.fixture(scope="module")
def crew(house: House, agents: dict[str, str]) -> Iterator[House]:
    """A house whose agents were added, and whose work is carried."""
    for name, url in agents.items():
        house.book.put(Entry(name, url))
    with ExitStack() as stack:
        house.carry(stack, *agents)
        yield house


# --- added ---------------------------------------------------------------------------


def test_an_agent_is_added_with_what_its_card_says(
    house: House, agents: dict[str, str]
) -> None:
    url = agents[PUSHES]

    done = house.add(url)

    assert (done.code, done.out) == (0, "number-cruncher\n")
    assert "Number Cruncher 7: counts things" in done.err
    assert f"speaks A2A 1.0 at {url}/, pushes its progress" in done.err
    assert "sum: adds (maths, sum)" in done.err
    row = house.row("number-cruncher")
    assert (row["status"], row["capabilities"]) == ("idle", ["maths", "sum"])
    entry = {"id": "number-cruncher", "url": url, "credentials": "", "hub": ""}
    assert entry in house("a2a", "list", "--json").data["agents"]
    assert (house.hub.home / "a2a.json").stat().st_mode & 0o777 == 0o600


def test_a_card_of_before_is_found_too(house: House, agents: dict[str, str]) -> None:
    done = house.add(agents["old"], "--name", "of before", "--json")

    added = done.data["added"]
    assert (added["id"], added["card"]["protocol"]) == ("of before", "0.3")
    assert added["capabilities"] == ["maths"]


@every_agent
def test_a_first_task_is_sent_and_the_hub_learns_how_it_goes(
    house: House, agents: dict[str, str], name: str, me: str
) -> None:
    done = house.add(agents[name], "--name", me, "--task", "count to three")

    assert (done.code, "it has the task as " in done.err) == (0, True)
    assert ("watching it" in done.err) == ("pushes" not in name)
    house.is_told(me, "counted")
    row = house.row(me)
    assert (row["status"], row["completed"], row["via"]) == ("idle", 1, "a2a")


def test_a_task_that_is_answered_at_once_is_no_task(
    house: House, agents: dict[str, str], me: str
) -> None:
    done = house.add(agents["new"], "--name", me, "--task", "chat with me")

    assert "it answered at once: hi there" in done.err


def test_what_was_added_can_be_taken_out(
    house: House, agents: dict[str, str], me: str
) -> None:
    house.book.put(Entry(me, agents["new"]))

    assert house("a2a", "remove", me).code == 0
    assert me not in house.book.entries()
    gone = house("a2a", "remove", me)
    assert (gone.code, "see swarmtui a2a list" in gone.err) == (3, True)


def test_where_nobody_was_added_there_is_nothing_to_carry(tmp_path: Path) -> None:
    done = run(tmp_path, "a2a", "run")

    assert (done.code, "do so with swarmtui a2a add" in done.err) == (3, True)


# --- works ---------------------------------------------------------------------------


@every_agent
def test_what_is_assigned_is_done_there_and_completed_here(
    crew: House, name: str, me: str
) -> None:
    before = crew.row(name)["completed"]

    crew.assign(name, "count to three", me)

    done = crew.settled(me)
    assert (done["state"], done["agent"]) == ("done", name)
    assert done["result"]["text"] == "counted\n\n42"
    (artifact,) = done["result"]["artifacts"]
    assert (artifact["name"], artifact["parts"][0]["text"]) == ("sum", "42")
    crew.until(lambda: crew.row(name)["status"] == "idle")
    assert crew.row(name)["completed"] == before + 1


def test_queued_work_goes_to_whoever_has_the_skill(crew: House, me: str) -> None:
    said = {"id": me, "title": "count", "needs": ["maths"]}
    crew.hub.post("/v1/tasks", said).raise_for_status()

    assert crew.settled(me)["agent"] in SPEAKS


@every_agent
def test_what_it_asks_is_in_the_help_desk_and_the_answer_goes_back(
    crew: House, name: str, me: str
) -> None:
    crew.assign(name, "ask me", me)
    crew.until(lambda: crew.row(name)["status"] == "blocked")

    helps = crew.hub.get("/v1/help").json()["helps"]
    (asked,) = [one for one in helps if one["task"] == me]
    crew.hub.post(f"/v1/help/{asked['id']}/answer", {"text": "blue"})

    assert asked["question"] == "which colour?"
    assert crew.settled(me)["result"]["text"] == "so it is blue"


@every_agent
def test_what_is_cancelled_here_is_cancelled_there(
    crew: House, name: str, me: str
) -> None:
    crew.assign(name, "wait for ever", me)
    crew.until(lambda: crew.row(name)["task"] == me)
    crew.is_told(name, "working on it")

    crew.hub.post(f"/v1/tasks/{me}/cancel", {}).raise_for_status()

    crew.assign(name, "tell me", f"{me}-2")
    told = crew.settled(f"{me}-2")["result"]["text"]
    assert told.endswith(" cancelled")
    assert told != "0 cancelled"
    assert crew.task(me)["state"] == "cancelled"
    crew.until(lambda: crew.row(name)["status"] == "idle")


def test_a_task_that_fails_is_tried_again_until_it_is_dead(
    crew: House, me: str
) -> None:
    crew.assign(PUSHES, "fail please", me, max_attempts=2)

    dead = crew.settled(me)
    assert (dead["state"], dead["attempts"]) == ("dead", 2)
    assert "no disk left" in dead["reason"]


def test_a_task_that_is_rejected_is_dead_at_once(crew: House, me: str) -> None:
    crew.assign(PUSHES, "refuse it", me)

    dead = crew.settled(me)
    assert (dead["state"], dead["attempts"]) == ("dead", 1)
    assert dead["reason"] == "not my work"


def test_a_message_that_is_answered_at_once_completes_the_task(
    crew: House, me: str
) -> None:
    crew.assign(PUSHES, "chat with me", me)

    assert crew.settled(me)["result"] == {"text": "hi there"}


# --- comes and goes ------------------------------------------------------------------


def test_an_agent_that_is_away_blocks_and_goes_on_when_it_is_back(
    house: House, me: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    with ExitStack() as stack:
        with ExitStack() as first:
            url = serve_agents(first, f"new={port}")["new"]
            house.book.put(Entry(me, url))
            house.carry(stack, me)
        house.assign(me, "count", me)
        house.until(lambda: house.row(me)["status"] == "blocked")
        said = house.row(me)["message"]

        serve_agents(stack, f"new={port}")

        assert f"no A2A agent answers at {url}/" in said
        assert house.settled(me)["state"] == "done"


def test_a_carrier_that_ends_gives_its_work_back(
    house: House, agents: dict[str, str], me: str
) -> None:
    house.book.put(Entry(me, agents[PUSHES]))
    with ExitStack() as stack:
        carrier = house.carry(stack, me)
        house.assign(me, "wait for ever", me)
        house.is_told(me, "working on it")

        said = end(carrier)

    assert (carrier.returncode, "Traceback" in said) == (0, False)
    task = house.task(me)
    assert (task["state"] in ("queued", "acked"), task["attempts"]) == (True, 0)


# --- what goes wrong -----------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Answers with what the server was given by path; other paths are not there."""

    def do_GET(self) -> None:
        found = self.server.pages.get(self.path)  # type: ignore[attr-defined]
        status, body = found or (404, b"nothing")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:

        def serving(status: int, body: Any) -> str:
            server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            server.pages = {"/.well-known/agent-card.json": (status, text)}  # type: ignore[attr-defined]
            Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serving


GRPC = {"url": "http://h", "protocolBinding": "GRPC", "protocolVersion": "1.0"}

UNFIT = {
    "not there": (404, b"", "answers 404: check the address"),
    "no JSON": (200, b"<html>", "answers no object of JSON: check the address"),
    "no card": (200, {"hello": 1}, "is no A2A agent card: give the address"),
    "moved": (302, b"", "answers 302: check the address"),
    "closed": (401, b"", "wants to know who asks (status 401): add the agent with"),
    "busy": (503, b"", "answers 503 just now: wait, or look at its log"),
    "large": (200, b"[" * ((16 << 20) + 1), "answers more than 16,777,216 bytes"),
    "gRPC": (
        200,
        {"name": "n", "supportedInterfaces": [GRPC]},
        "n speaks GRPC 1.0, and this speaks JSONRPC 1.0 and 0.3: have it offer",
    ),
}


@pytest.mark.parametrize(("status", "body", "says"), UNFIT.values(), ids=UNFIT)
async def test_what_is_no_agent_for_us_is_not_found(
    serve: Callable[..., str], status: int, body: Any, says: str
) -> None:
    with pytest.raises(PeerError) as refusal:
        async with Peer.found(Address(serve(status, body))):
            raise AssertionError

    assert says in str(refusal.value)


def test_where_nothing_answers_is_said(hub: RunningHub) -> None:
    done = run(hub.home, "a2a", "add", "http://127.0.0.1:1")

    assert done.code == 1
    assert "no A2A agent answers at http://127.0.0.1:1/" in done.err
    assert "start it, or check the address" in done.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        *(("nowhere",) * 2, ("ftp://h",) * 2, ("http://",) * 2),
        ("http://h?a=b", "http://h?…"),
    ],
)
def test_what_is_no_address_is_refused(hub: RunningHub, url: str, shown: str) -> None:
    done = run(hub.home, "a2a", "add", url)

    assert (done.code, repr(shown) in done.err) == (2, True)


CARD = {"name": "n", "url": "http://elsewhere.example/", "protocolVersion": "0.3"}


def test_credentials_are_shown_to_nobody_else(
    hub: RunningHub, serve: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("sesame\n")

    done = run(
        hub.home, "a2a", "add", serve(200, CARD),
        "--credentials", str(tmp_path / "secret"),
    )  # fmt: skip

    assert done.code == 2
    assert "names http://elsewhere.example/, and the credentials are for" in done.err
    assert "sesame" not in done.err


def test_a_name_that_another_agent_has_is_refused(
    crew: House, agents: dict[str, str]
) -> None:
    crew.book.remove(PUSHES)

    taken = crew.add(agents[PUSHES], "--name", PUSHES)

    assert (taken.code, "choose another --name" in taken.err) == (5, True)


def test_a_name_that_was_added_for_another_address_is_refused(
    house: House, agents: dict[str, str], me: str
) -> None:
    house.book.put(Entry(me, agents["old"]))

    done = house.add(agents["new"], "--name", me)

    assert done.code == 5
    assert f"swarmtui a2a remove {me}" in done.err


def test_a_book_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a2a.json").write_text("{")

    done = run(tmp_path, "a2a", "list")

    assert (done.code, "repair it, or remove it" in done.err) == (2, True)
