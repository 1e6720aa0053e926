"""Hooks as products run them: real processes against a real hub."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from agentkit.integrations.events import PRODUCTS
from agentkit.places import default_agent
from tests.integration.shell import MAIN, PATIENT, Done, Shell
from tests.unit.agentkit.integrations.captured import FIXTURES, captured

Start = Callable[..., Any]


class Session:
    """A session of a product: what it says to its hook, and what that answers."""

    def __init__(self, shell: Shell, product: str, key: str) -> None:
        self.shell = shell
        self.product = product
        self.key = key
        project, _, host = default_agent(str(shell.cwd)).rpartition("@")
        self.agent = f"{product}-{project}-{key[-6:]}@{host}"
        self.code = PATIENT

    def run(self, event: str, *flags: str, **said: Any) -> Done:
        product = PRODUCTS[self.product]
        payload = {
            product.session[0]: self.key,
            product.event: event,
            "cwd": str(self.shell.cwd),
            **said,
        }
        words = ("hook", self.product, event, *flags)
        return self.shell(*words, said=json.dumps(payload), code=self.code)

    def say(self, event: str, **said: Any) -> dict[str, Any]:
        """Say something; return the answer. Nothing is ever said beside it."""
        done = self.run(event, **said)
        assert (done.returncode, done.stderr) == (0, "")
        answer = json.loads(done.stdout or "{}")
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def claude(run: Shell, me: str) -> Session:
    return Session(run, "claude", f"session-of-{me}")


@pytest.fixture
def alone_on(fresh: Any, tmp_path: Path) -> Callable[..., Session]:
    """Start sessions on a hub that has no other work."""
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home))

    def begin(product: str, **environ: str) -> Session:
        shell.environ.update(environ)
        return Session(shell, product, f"5e551011-0000-{product:0>12}")

    return begin


def row(hub: Any, agent: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/agents/{agent}").json()["agent"]
    return found


def state(hub: Any, session: Session) -> tuple[str, str, str]:
    found = row(hub, session.agent)
    return found["status"], found["task"], found["message"]


def enqueue(hub: Any, title: str, **said: Any) -> str:
    reply = hub.post("/v1/tasks", {"title": title, **said})
    return str(reply.raise_for_status().json()["task"]["id"])


def task(hub: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/tasks/{key}").json()["task"]
    return found


def as_command(folder: Path) -> Path:
    """Return a folder for PATH in which ``agentkit`` is a command."""
    program = folder / "bin" / "agentkit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{MAIN}" "$@"\n')
    program.chmod(0o755)
    return program.parent


# --- what is told --------------------------------------------------------------------


def test_a_session_is_an_agent_with_its_state(claude: Session, hub: Any) -> None:
    claude.say("SessionStart", source="startup")
    assert state(hub, claude) == ("idle", "", "")
    assert row(hub, claude.agent)["capabilities"] == ["claude"]

    claude.say("UserPromptSubmit", prompt="mend the fence")
    assert state(hub, claude) == ("busy", "mend the fence", "")

    claude.say("PermissionRequest", tool_name="Bash", tool_input={"command": "rm x"})
    claude.say("Notification", notification_type="permission_prompt", message="may I?")
    question = "allow? Bash rm x"
    assert state(hub, claude) == ("help", "mend the fence", question)
    (request,) = hub.get(f"/v1/help?agent={claude.agent}").json()["helps"]
    assert (request["question"], request["state"]) == (question, "open")

    claude.say("PostToolUse", tool_name="Bash")
    assert state(hub, claude) == ("busy", "mend the fence", "")

    claude.say("StopFailure", error="rate_limit")
    assert state(hub, claude) == ("blocked", "mend the fence", "rate_limit")

    claude.say("Stop")
    claude.say("SessionEnd", reason="logout")
    ended = "its session has ended (logout)"
    assert state(hub, claude) == ("idle", "mend the fence", ended)


@pytest.mark.parametrize(
    ("product", "name", "states"),
    [
        ("claude", "claude-2.1.329", "idle busy idle busy idle idle | idle help idle"),
        ("codex", "codex-0.169.0", "idle busy idle idle idle"),
        (
            "gemini",
            "gemini-0.61.0",
            "idle busy idle busy idle busy idle busy idle idle",
        ),
        ("copilot", "copilot-1.0.102", "busy busy idle busy idle idle"),
        ("copilot", "copilot-helper-1.0.102", "busy busy help busy idle idle"),
    ],
)
def test_what_was_captured_is_seen_in_the_hub(
    fresh: Any, tmp_path: Path, product: str, name: str, states: str
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home))
    for said in captured(name):
        event = [said["event"]] if "stdin" in said else []
        text = json.dumps(said.get("stdin", said))
        assert shell("hook", product, *event, said=text).returncode == 0
    agents = fresh.get("/v1/agents").json()["agents"]
    reports = {
        agent["joined"]: [
            event["data"]["report"]
            for event in fresh.get(f"/v1/agents/{agent['id']}/history").json()["events"]
            if "report" in event["data"]
        ][::-1]
        for agent in agents
    }

    told = " | ".join(" ".join(reports[joined]) for joined in sorted(reports))
    assert told == states
    assert all(agent["id"].startswith(f"{product}-") for agent in agents)


def test_what_codex_says_to_its_model_on_the_side_is_no_agent(
    fresh: Any, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home))
    said = captured("codex-notify-0.169.0")[1]  # it asks for a title
    done = shell("hook", "codex", "agent-turn-complete", json.dumps(said))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fresh.get("/v1/agents").json()["agents"] == []


def test_a_name_of_ones_own_is_heeded(run: Shell, hub: Any, me: str) -> None:
    run.environ["SWARMTUI_AGENT"] = me
    run.environ["SWARMTUI_CAPABILITIES"] = "python, sql"
    Session(run, "codex", "s-1").say("SessionStart")

    assert row(hub, me)["capabilities"] == ["python", "sql", "codex"]


def test_a_session_keeps_its_name_wherever_it_goes(
    claude: Session, hub: Any, tmp_path: Path
) -> None:
    claude.say("SessionStart")
    claude.say("UserPromptSubmit", prompt="x", cwd="/somewhere/else")

    assert state(hub, claude)[0] == "busy"


def test_a_tool_is_told_of_once_a_minute(claude: Session, hub: Any) -> None:
    claude.say("UserPromptSubmit", prompt="x")
    before = row(hub, claude.agent)["version"]
    claude.say("PostToolUse")
    claude.say("PostToolUse")

    assert row(hub, claude.agent)["version"] == before


def test_what_runs_in_the_background_keeps_a_session_busy(
    claude: Session, hub: Any
) -> None:
    claude.say("UserPromptSubmit", prompt="x")
    answer = claude.say("Stop", background_tasks=[{"id": 1}])

    assert answer == {}
    assert state(hub, claude)[:2] == ("busy", "1 in the background")


def test_a_window_of_tmux_is_an_agent(run: Shell, hub: Any, me: str) -> None:
    for event in ("alert-activity", "alert-silence", "alert-bell", "pane-failed"):
        done = run("hook", "tmux", event, "{}", "--agent", me)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    history = hub.get(f"/v1/agents/{me}/history").json()["events"]

    reports = [e["data"]["report"] for e in history if "report" in e["data"]]
    assert reports[::-1] == ["busy", "idle", "help", "blocked"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_tmux_itself_tells_of_its_windows(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), HOME=str(tmp_path))
    shell.environ |= {"PATH": f"{as_command(tmp_path)}:/usr/bin:/bin", "TERM": "xterm"}
    assert shell("hooks", "install", "tmux").returncode == 0
    name = 'it\'s "me"; $(touch x)'

    with TemporaryDirectory() as short:  # for the name of a socket

        def tmux(*words: str) -> None:
            command = ["tmux", "-S", f"{short}/s", "-f", f"{tmp_path}/.tmux.conf"]
            subprocess.run([*command, *words], env=shell.environ, check=True)

        def seen(report: str) -> None:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                agents = fresh.get("/v1/agents").json()["agents"]
                if [(a["id"], a["status"]) for a in agents] == [(name, report)]:
                    return
                tmux("run-shell", "sleep 0.05")  # 3.3 may miss an end until the next
            raise AssertionError(f"{name} did not become {report}: {agents}")

        tmux("new-session", "-d")
        try:
            tmux("new-window", "-dn", "w", "read a; echo $a; read b; echo $b; exit 3")
            for option in ("monitor-activity", "remain-on-exit"):
                tmux("set", "-wt", ":w", option, "on")
            tmux("set", "-wt", ":w", "@swarm", name)
            tmux("send-keys", "-t", ":w", "one", "Enter")
            seen("busy")
            tmux("set", "-wt", ":w", "monitor-silence", "1")
            seen("idle")
            tmux("send-keys", "-t", ":w", "two", "Enter")
            seen("blocked")
        finally:
            tmux("kill-server")
    assert not (tmp_path / "x").exists()


# --- what is brought back ------------------------------------------------------------

TURN_ENDS = {
    "claude": ("Stop", "decision"),
    "codex": ("Stop", "decision"),
    "gemini": ("AfterAgent", "decision"),
    "copilot": ("agentStop", "decision"),
    "opencode": ("session.idle", "decision"),
    "goose": ("Stop", "decision"),
    "cursor": ("stop", "followup_message"),
}


@pytest.mark.parametrize("product", TURN_ENDS)
def test_a_queued_task_is_handed_over_and_done(
    alone_on: Callable[..., Session], fresh: Any, product: str
) -> None:
    session = alone_on(product)
    key = enqueue(fresh, "paint it", body={"text": "the door, in red"})
    event, form = TURN_ENDS[product]
    answer = session.say(event, last_assistant_message="noted")

    text = answer["reason" if form == "decision" else form]
    assert answer == (
        {"decision": "block", "reason": text} if form == "decision" else {form: text}
    )
    assert text.startswith(
        f"Task {key} was assigned to this session by operator through swarmtui: "
        "paint it\n\n> the door, in red\n\n"
    )
    assert (task(fresh, key)["state"], task(fresh, key)["agent"]) == (
        "leased",
        session.agent,
    )
    assert state(fresh, session)[:2] == ("busy", key)

    again = {PRODUCTS[product].again or "x": True}
    said = {"last_assistant_message": "it is red", "prompt_response": "it is red"}
    assert session.say(event, **again, **said) == {}
    done = task(fresh, key)
    assert done["state"] == "done"
    assert done["result"] in ({"text": "it is red"}, {})
    assert state(fresh, session)[0] == "idle"
    assert row(fresh, session.agent)["completed"] == 1


def test_what_copilot_said_last_is_in_the_file_that_it_names(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("copilot")
    key = enqueue(fresh, "paint it")
    session.say("agentStop", stop_hook_active=False)
    events = FIXTURES / "copilot-events-1.0.102.jsonl"
    where = {"transcriptPath": str(events), "timestamp": 1795281595320}
    session.say("agentStop", stop_hook_active=True, **where)

    assert task(fresh, key)["result"] == {"text": "It was helped."}


def test_a_helper_is_given_no_work(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("copilot")
    key = enqueue(fresh, "paint it")
    session.say("agentStop", parentAgentId="the-one-that-started-it")

    assert task(fresh, key)["state"] == "queued"
    assert fresh.get("/v1/agents").json()["agents"] == []


def test_a_session_that_said_nothing_but_its_end_is_no_agent(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    alone_on("copilot").say("sessionEnd", reason="user_exit")

    assert fresh.get("/v1/agents").json()["agents"] == []


def test_of_all_that_gemini_said_the_last_turn_is_the_result(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("gemini")
    first, last = enqueue(fresh, "paint it"), enqueue(fresh, "varnish it")
    for said, again in (("hi", False), ("hi\nred", True), ("hi\nred\nshiny", True)):
        session.say("AfterAgent", prompt_response=said, stop_hook_active=again)

    assert task(fresh, first)["result"] == {"text": "red"}
    assert task(fresh, last)["result"] == {"text": "shiny"}


@pytest.mark.parametrize("way", ["assigned", "enqueued"])
def test_a_task_for_this_session_is_handed_over(
    alone_on: Callable[..., Session], fresh: Any, way: str
) -> None:
    session = alone_on("claude")
    session.say("SessionStart")
    enqueue(fresh, "for others", needs=["what-claude-cannot"])
    if way == "assigned":  # as the dashboard does
        who = {"session_id": session.agent, "task": {"id": "T1", "title": "for you"}}
        fresh.post("/task/assign", who).raise_for_status()
    else:
        enqueue(fresh, "for you", id="T1", agent=session.agent)
    answer = session.say("Stop")

    assert answer["reason"].startswith("Task T1 was assigned")
    assert session.say("Stop", stop_hook_active=True) == {}
    assert task(fresh, "T1")["state"] == "done"
    mail = fresh.get(f"/v1/agents/{session.agent}/mailbox?peek=true").json()["mail"]
    assert mail == []


@pytest.mark.parametrize(
    "told",
    [{"CLAUDE_CODE_SESSION_ATTENDED": "0"}, {"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}],
)
def test_what_a_script_runs_only_reports_unless_it_has_a_name(
    alone_on: Callable[..., Session],
    waiting: Callable[..., Any],
    fresh: Any,
    told: dict[str, str],
) -> None:
    session = alone_on("claude", **told)
    key = enqueue(fresh, "paint it")
    session.say("SessionStart")
    assert waiting(session).wait(60) == 0
    assert session.say("Stop") == {}
    assert (state(fresh, session)[0], task(fresh, key)["state"]) == ("idle", "queued")

    session.shell.environ["SWARMTUI_AGENT"] = "worker-1"
    assert session.say("Stop")["decision"] == "block"
    assert task(fresh, key)["agent"] == "worker-1"


def test_tasks_follow_one_another_up_to_the_cap(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("claude", CLAUDE_CODE_STOP_HOOK_BLOCK_CAP="2")
    keys = [enqueue(fresh, f"task {number}") for number in range(3)]
    given = [session.say("Stop", stop_hook_active=number > 0) for number in range(3)]

    assert [bool(answer) for answer in given] == [True, True, False]
    assert [task(fresh, key)["state"] for key in keys] == ["done", "done", "queued"]
    assert session.say("Stop", stop_hook_active=False) != {}


def test_using_a_tool_begins_the_count_anew_where_the_product_does(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("claude", CLAUDE_CODE_STOP_HOOK_BLOCK_CAP="1")
    for number in range(2):
        enqueue(fresh, f"task {number}")
    first = session.say("Stop")
    session.say("PostToolUse")

    assert first != {}
    assert session.say("Stop", stop_hook_active=True) != {}


def test_a_failure_gives_the_task_back(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("claude")
    key = enqueue(fresh, "paint it")
    session.say("Stop")
    session.say("StopFailure", error="overloaded")

    assert (task(fresh, key)["state"], task(fresh, key)["reason"]) == (
        "scheduled",
        "overloaded",
    )
    assert state(fresh, session)[0] == "blocked"


def test_a_session_that_ends_gives_its_task_back_untouched(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("codex")
    key = enqueue(fresh, "paint it")
    session.say("Stop")
    session.say("SessionEnd", reason="exit")

    assert (task(fresh, key)["state"], task(fresh, key)["attempts"]) == ("queued", 0)


class Late(ThreadingHTTPServer):
    """Stands before a hub; while it is late, nobody gets the answer to a claim.

    Args:
        hub: where it is.
    """

    daemon_threads = True

    def __init__(self, hub: str) -> None:
        super().__init__(("127.0.0.1", 0), Behind)
        self.hub = hub
        self.is_late = Event()
        self.is_over = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Behind(BaseHTTPRequestHandler):
    """Passes requests on."""

    protocol_version = "HTTP/1.1"
    server: Late

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        self._pass(b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass(self, body: bytes) -> None:
        url, told = f"{self.server.hub}{self.path}", dict(self.headers)
        reply = httpx.request(self.command, url, content=body, headers=told)
        if self.server.is_late.is_set() and "claims" in self.path:
            self.server.is_over.wait()
            return
        self.send_response(reply.status_code)
        self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        self.wfile.write(reply.content)


@pytest.fixture
def late(fresh: Any) -> Iterator[Late]:
    server = Late(fresh.url)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.is_over.set()
    server.shutdown()
    server.server_close()


def test_a_task_whose_session_heard_nothing_of_it_is_soon_there_again(
    alone_on: Callable[..., Session], fresh: Any, late: Late
) -> None:
    session = alone_on("claude", SWARMTUI_URL=late.url, SWARMTUI_TOKEN=fresh.token)
    session.say("SessionStart", source="startup")
    key = enqueue(fresh, "paint it")
    late.is_late.set()
    session.code = PATIENT.replace("20", "4")
    assert session.say("Stop") == {}
    session.code = PATIENT
    lost = task(fresh, key)
    assert (lost["state"], lost["lease"]) == ("leased", 60.0)

    late.is_late.clear()
    assert key in session.say("Stop")["reason"]  # under the same key
    found = task(fresh, key)
    assert (found["fence"], found["lease"]) == (lost["fence"], 1800.0)


def test_a_session_can_say_that_it_could_not_do_it(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("claude")
    key = enqueue(fresh, "paint it", max_attempts=1)
    text = session.say("Stop")["reason"]
    command = text.rpartition(": agentkit ")[2]
    assert command == f"fail {key} 'the reason' --agent {session.agent}"
    done = session.shell("fail", key, "no paint", "--agent", session.agent)

    assert done.returncode == 0
    assert session.say("Stop", stop_hook_active=True) == {}
    assert (task(fresh, key)["state"], task(fresh, key)["reason"]) == (
        "dead",
        "no paint",
    )


def test_a_broadcast_comes_with_the_next_prompt(claude: Session, hub: Any) -> None:
    claude.say("SessionStart")
    hub.post("/v1/broadcasts", {"text": "we freeze", "where": f"id:{claude.agent}"})
    assert claude.say("Stop") == {}

    answer = claude.say("UserPromptSubmit", prompt="x")
    said = answer["hookSpecificOutput"]
    assert said["hookEventName"] == "UserPromptSubmit"
    assert said["additionalContext"] == (
        "Broadcast to all agents from operator through swarmtui: we freeze"
    )
    assert claude.say("UserPromptSubmit", prompt="y") == {}


def test_an_answer_makes_a_session_go_on(claude: Session, hub: Any) -> None:
    claude.say("SessionStart")
    done = claude.shell("ask", "red or blue?", "--agent", claude.agent)
    assert done.returncode == 0
    (request,) = hub.get(f"/v1/help?agent={claude.agent}").json()["helps"]
    hub.post(f"/v1/help/{request['id']}/answer", {"text": "red"}).raise_for_status()

    answer = claude.say("Stop")
    said = 'operator answered the question "red or blue?" through swarmtui: red'
    assert answer == {"decision": "block", "reason": said}
    assert state(hub, claude)[0] == "busy"
    assert claude.say("Stop", stop_hook_active=True) == {}


def test_another_agent_does_not_keep_a_session_awake(claude: Session, hub: Any) -> None:
    claude.say("SessionStart")
    hub.report(f"{claude.agent}-friend", "idle")
    said = {"to": claude.agent, "text": "and you?", "agent": f"{claude.agent}-friend"}
    hub.post("/v1/messages", said).raise_for_status()

    assert claude.say("Stop") == {}
    answer = claude.say("UserPromptSubmit", prompt="x")
    assert "and you?" in answer["hookSpecificOutput"]["additionalContext"]


def test_a_long_task_leaves_room_for_how_it_ends(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("claude")
    enqueue(fresh, "read", body={"text": "é" * 50_000})
    text = session.say("Stop")["reason"]

    assert len(text) <= 10_000
    assert text.endswith(f"--agent {session.agent}")


# --- waiting -------------------------------------------------------------------------


@pytest.fixture
def waiting(alone_on: Callable[..., Session]) -> Iterator[Callable[..., Any]]:
    """Start programs that wait beside a session; whatever is left of them is killed."""
    begun: list[subprocess.Popen[str]] = []

    def begin(session: Session) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "hook", session.product, "--wait"],
            cwd=session.shell.cwd,
            env=session.shell.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        said = {PRODUCTS[session.product].session[0]: session.key}
        process.stdin.write(json.dumps(said))
        process.stdin.close()
        process.stdin = None
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_session_that_waits_is_woken_for_work(
    alone_on: Callable[..., Session], waiting: Callable[..., Any], fresh: Any
) -> None:
    session = alone_on("claude")
    session.say("SessionStart")
    bell = waiting(session)
    key = enqueue(fresh, "paint it")
    out, err = bell.communicate(timeout=60)

    assert (bell.returncode, out) == (2, "")
    assert err.startswith(f"Task {key} was assigned to this session by operator")
    assert state(fresh, session)[:2] == ("busy", key)
    session.say("UserPromptSubmit", prompt=err)
    session.say("Stop", stop_hook_active=False)
    assert task(fresh, key)["state"] == "done"


def test_a_prompt_that_came_in_between_does_not_do_the_task(
    alone_on: Callable[..., Session], waiting: Callable[..., Any], fresh: Any
) -> None:
    session = alone_on("claude")
    session.say("SessionStart")
    key = enqueue(fresh, "paint it")
    bell = waiting(session)
    _, text = bell.communicate(timeout=60)
    session.say("UserPromptSubmit", prompt="hello")
    assert state(fresh, session)[:2] == ("busy", "hello")
    assert session.say("Stop", last_assistant_message="hello to you") == {}
    assert task(fresh, key)["state"] == "leased"

    session.say("UserPromptSubmit", prompt=f"<reminder>{text}</reminder>")
    assert state(fresh, session)[:2] == ("busy", key)
    session.say("Stop", last_assistant_message="it is red", stop_hook_active=True)
    assert task(fresh, key)["result"] == {"text": "it is red"}


def test_a_session_that_works_is_left_alone(
    alone_on: Callable[..., Session], waiting: Callable[..., Any], fresh: Any
) -> None:
    session = alone_on("opencode")
    session.say("chat.message", prompt="x")
    key = enqueue(fresh, "paint it")
    bell = waiting(session)
    session.say("tool.execute.after")
    with pytest.raises(subprocess.TimeoutExpired):
        bell.wait(2)
    assert task(fresh, key)["state"] == "queued"

    answer = session.say("session.idle")
    assert "paint it" in answer["reason"]
    session.say("session.deleted")
    assert bell.wait(60) == 0


def test_only_one_waits_for_a_session(
    alone_on: Callable[..., Session], waiting: Callable[..., Any]
) -> None:
    session = alone_on("claude")
    session.say("UserPromptSubmit", prompt="x")
    bells = [waiting(session) for _ in range(3)]
    until = time.monotonic() + 60
    while sum(bell.poll() is None for bell in bells) > 1:
        assert time.monotonic() < until
        time.sleep(0.05)

    assert [bell.poll() for bell in bells].count(0) == 2
    session.say("SessionEnd")
    assert [bell.wait(60) for bell in bells] == [0, 0, 0]


def test_codex_is_woken_through_its_own_queue(
    alone_on: Callable[..., Session],
    waiting: Callable[..., Any],
    fresh: Any,
    tmp_path: Path,
) -> None:
    program = tmp_path / "bin" / "codex"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > queued.new\n'
                       "mv queued.new queued\n")  # fmt: skip
    program.chmod(0o755)
    session = alone_on("codex")
    session.shell.environ["PATH"] = f"{program.parent}:{session.shell.environ['PATH']}"
    session.say("SessionStart")
    bell = waiting(session)
    key = enqueue(fresh, "paint it")
    until = time.monotonic() + 60
    while not (tmp_path / "queued").exists():
        assert time.monotonic() < until
        time.sleep(0.05)

    words = (tmp_path / "queued").read_text().split("\n")
    assert words[:4] == ["queue", "--thread", session.key, "--message"]
    assert words[4].startswith(f"Task {key} was assigned")
    session.say("SessionEnd")
    assert bell.wait(60) == 0


def test_a_prompt_tells_that_claude_was_interrupted(
    alone_on: Callable[..., Session], fresh: Any, tmp_path: Path
) -> None:
    session = alone_on("claude")
    kept = tmp_path / "kept.jsonl"
    kept.write_text(
        '{"type": "user", "message": {"content": "Task T1 was assigned"}}\n'
        '{"type": "user", "message": {"content":'
        ' [{"type": "text", "text": "[Request interrupted by user]"}]}}\n'
        '{"type": "mode", "mode": "normal"}\n'
    )
    key = enqueue(fresh, "paint it", max_attempts=1)
    session.say("SessionStart")
    assert session.say("Stop", last_assistant_message="noted")["decision"] == "block"
    session.say("UserPromptSubmit", prompt="no, hang it", transcript_path=str(kept))
    session.say("Stop", last_assistant_message="it hangs")

    given = task(fresh, key)
    assert (given["state"], given["reason"]) == ("dead", "its user interrupted it")


def test_a_prompt_tells_that_goose_was_interrupted(
    alone_on: Callable[..., Session], fresh: Any
) -> None:
    session = alone_on("goose")
    key = enqueue(fresh, "paint it", max_attempts=1)
    session.say("SessionStart")
    assert session.say("Stop", last_assistant_message="noted")["decision"] == "block"
    session.say("UserPromptSubmit", message="no, hang it")
    assert state(fresh, session) == ("busy", "no, hang it", "")
    session.say("Stop", last_assistant_message="it hangs")

    given = task(fresh, key)
    assert (given["state"], given["reason"]) == ("dead", "its user interrupted it")


OPENCODE = """
import { createInterface } from "node:readline"
const { Swarmtui } = await import(process.argv[2])
const promptAsync = async (asked) => console.log(JSON.stringify(asked))
const parts = [{ type: "text", text: "It is red." }]
const said = { info: { role: "assistant" }, parts }
const messages = async ({ query }) => ({ data: [said].slice(-query.limit) })
const client = { session: { promptAsync, messages } }
const twice = await import(process.argv[2] + "?in=project")
const asked = { client, directory: process.cwd() }
const plugins = [await Swarmtui(asked), await twice.Swarmtui(asked)]
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = JSON.parse(line)
  for (const plugin of plugins) await plugin[name](...words)
}
"""
"""What opencode does with a plugin: it hands it what happens, as lines say. It does so
twice where it is installed for the user and for the project."""


class Opencode:
    """A program that hands our plugin what happens, and prints what it is asked."""

    def __init__(self, shell: Shell, *words: str) -> None:
        self.process = subprocess.Popen(
            [
                *("node", "--no-warnings", "driver.mjs"),
                *("./.config/opencode/plugins/swarmtui.js", *words),
            ],
            cwd=shell.cwd,
            env=shell.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def happens(self, name: str, *words: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *words]) + "\n")
        self.process.stdin.flush()

    def event(self, kind: str, **properties: Any) -> None:
        self.happens("event", {"event": {"type": kind, "properties": properties}})

    def prompt(self, session: str, text: str) -> None:
        parts = [{"type": "text", "text": text}]
        self.happens("chat.message", {"sessionID": session}, {"parts": parts})

    def asked(self, session: str) -> str:
        """Return the next text that the plugin prompts a session with."""
        assert self.process.stdout is not None
        asked = json.loads(self.process.stdout.readline())
        assert asked["path"] == {"id": session}
        return str(asked["body"]["parts"][0]["text"])

    def end(self) -> str:
        """Let it end by itself; return what it printed meanwhile."""
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return out


@pytest.fixture
def opencode(
    fresh: Any, tmp_path: Path
) -> Iterator[Callable[..., tuple[Opencode, Session]]]:
    """Start such programs, each with a session."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), HOME=str(tmp_path))
    shell.environ["PATH"] = f"{as_command(tmp_path)}:{shell.environ['PATH']}"
    assert shell("hooks", "install", "opencode").returncode == 0
    (tmp_path / "driver.mjs").write_text(OPENCODE)
    begun: list[Opencode] = []

    def begin(*words: str) -> tuple[Opencode, Session]:
        begun.append(Opencode(shell, *words))
        return begun[-1], Session(shell, "opencode", "ses_0123456789")

    yield begin
    for program in begun:
        program.process.kill()
        program.process.communicate()


def test_the_plugin_of_opencode_reports_and_brings_work(
    opencode: Callable[..., tuple[Opencode, Session]], fresh: Any
) -> None:
    first = enqueue(fresh, "paint it")
    program, session = opencode()
    key = {"sessionID": session.key}
    program.event("session.created", info={"id": session.key})
    program.event("session.created", info={"id": "helper", "parentID": session.key})
    program.prompt(session.key, "hello")
    program.event("session.status", **key, status={"type": "busy"})
    program.event("permission.asked", **key, permission="bash", patterns=["rm x"])
    program.event("permission.replied", **key)
    program.event("session.idle", sessionID="helper")
    program.event("session.idle", **key)
    text = program.asked(session.key)
    assert text.startswith(f"Task {first} was assigned")

    program.prompt(session.key, text)
    program.event("session.idle", **key)
    until = time.monotonic() + 60
    while task(fresh, first)["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.05)
    second = enqueue(fresh, "hang it")  # while the session waits
    assert program.asked(session.key).startswith(f"Task {second} was assigned")
    program.event("session.deleted", info={"id": session.key})
    program.end()

    history = fresh.get(f"/v1/agents/{session.agent}/history").json()["events"]
    reports = [e["data"]["report"] for e in history if "report" in e["data"]]
    told = " ".join(reversed(reports))
    assert told == "idle busy help busy idle busy idle idle"
    assert len(fresh.get("/v1/agents").json()["agents"]) == 1
    assert task(fresh, first)["result"] == {"text": "It is red."}
    assert task(fresh, second)["state"] == "queued"


def test_an_opencode_tells_what_it_and_its_helpers_used(
    opencode: Callable[..., tuple[Opencode, Session]], fresh: Any
) -> None:
    program, session = opencode("run")
    program.event("session.created", info={"id": "helper", "parentID": session.key})
    program.prompt(session.key, "hello")
    cache = {"read": 10, "write": 0}
    tokens = {"input": 90, "output": 15, "reasoning": 5, "cache": cache}
    message = {"role": "assistant", "time": {}, "cost": 0.25, "tokens": tokens}
    for key in (session.key, "helper"):
        begun = {**message, "id": f"msg-of-{key}", "sessionID": key}
        ended = {**begun, "time": {"completed": 1795281436526}}
        for info in (begun, ended, ended):
            program.event("message.updated", sessionID=key, info=info)
    program.event("session.idle", sessionID=session.key)
    program.event("session.idle", sessionID=session.key)
    program.end()

    agent = row(fresh, session.agent)
    assert (agent["spent"], agent["tokens_in"], agent["tokens_out"]) == (0.5, 200, 40)


def test_an_opencode_whose_model_fails_takes_no_work(
    opencode: Callable[..., tuple[Opencode, Session]], fresh: Any
) -> None:
    key = enqueue(fresh, "paint it")
    program, session = opencode()
    error = {"name": "APIError", "data": {"message": "you have no credit left"}}
    program.prompt(session.key, "hello")
    program.event("session.error", sessionID=session.key, error=error)
    program.event("session.idle", sessionID=session.key)
    program.event("session.idle", sessionID=session.key)  # as the real one says it

    assert program.end() == ""
    assert state(fresh, session)[:2] == ("blocked", "hello")
    assert task(fresh, key)["state"] == "queued"


def test_an_opencode_that_is_left_says_that_its_sessions_ended(
    opencode: Callable[..., tuple[Opencode, Session]], fresh: Any
) -> None:
    program, session = opencode("run")
    program.prompt(session.key, "hello")
    program.event("session.idle", sessionID=session.key)
    program.happens("dispose")
    program.end()
    until = time.monotonic() + 60
    while state(fresh, session) != ("idle", "hello", "its session has ended"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_an_opencode_that_ends_with_its_turn_takes_no_work(
    opencode: Callable[..., tuple[Opencode, Session]], fresh: Any
) -> None:
    key = enqueue(fresh, "paint it")
    program, session = opencode("run")
    program.prompt(session.key, "hello")
    program.event("session.idle", sessionID=session.key)

    assert program.end() == ""
    assert state(fresh, session)[:2] == ("idle", "hello")
    assert task(fresh, key)["state"] == "queued"


# --- when something is wrong ---------------------------------------------------------


def test_a_hub_that_is_away_gets_to_know_it_later(start: Start, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(tmp_path))
    session = Session(shell, "claude", "a-session-12345678")
    session.say("SessionStart")
    session.say("UserPromptSubmit", prompt="mend")
    session.say("Stop")
    hub = start()
    session.say("UserPromptSubmit", prompt="paint")
    events = hub.get(f"/v1/agents/{session.agent}/history").json()["events"]

    told = [(e["data"]["report"], e["data"]["task"]) for e in events[::-1]]
    assert told == [
        ("idle", ""),
        ("busy", "mend"),
        ("idle", "mend"),
        ("busy", "paint"),
    ]


def test_a_task_that_ended_while_the_hub_was_away_is_done_later(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    session = Session(
        Shell(tmp_path, SWARMTUI_HOME=str(tmp_path)), "claude", "a-session-12345678"
    )
    key = enqueue(hub, "paint it")
    assert session.say("Stop") != {}
    hub.stop()
    assert session.say("Stop", last_assistant_message="red") == {}
    hub = start()
    session.say("UserPromptSubmit", prompt="next")

    assert (task(hub, key)["state"], task(hub, key)["result"]) == (
        "done",
        {"text": "red"},
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("claude",), ""),
        (("claude",), "not json"),
        (("claude",), "[]"),
        (("claude",), '{"session_id": "s", "hook_event_name": "Stop"'),
        (("claude", "Stop", '{"session_id": "\\ud800"}'), ""),
    ],
)
def test_what_cannot_be_read_stops_nobody(
    run: Shell, words: tuple[str, ...], said: str
) -> None:
    done = run("hook", *words, said=said)

    assert (done.returncode, done.stdout) == (0, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


@pytest.mark.parametrize(
    "words", [("clod",), (), ("claude", "--wiat"), ("claude", "a", "{}", "c")]
)
def test_words_that_make_no_sense_are_not_taken_for_a_decision(
    run: Shell, words: tuple[str, ...]
) -> None:
    done = run("hook", *words, said="{}")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("agentkit hook: there is no ")


def test_a_wrong_token_is_said_in_one_line(run: Shell, hub: Any) -> None:
    said = '{"session_id": "s", "hook_event_name": "Stop"}'
    done = run("hook", "claude", said=said, SWARMTUI_TOKEN="wrong")

    assert (done.returncode, done.stdout) == (0, "")
    assert "token" in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_is_reported_when_that_is_disabled(alone: Shell) -> None:
    said = '{"session_id": "s", "hook_event_name": "Stop"}'
    done = alone("hook", "claude", said=said, SWARMTUI_DISABLE="1")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not Path(alone.environ["SWARMTUI_HOME"]).exists()


def test_settings_of_a_project_are_heeded(
    run: Shell, hub: Any, tmp_path: Path, me: str
) -> None:
    (tmp_path / "swarmtui.toml").write_text(f'agent = "{me}-of-the-project"\n')
    Session(run, "claude", "s-1").say("SessionStart")

    assert row(hub, f"{me}-of-the-project")["status"] == "idle"


def test_an_interrupt_of_a_hook_is_silent(alone: Shell) -> None:
    process = alone.start("hook", "claude", stdin=subprocess.PIPE)
    assert process.stdin is not None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "", "")


def test_a_hook_imports_no_more_than_it_needs(run: Shell, hub: Any) -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from agentkit.cli import main\n"
        "code = main()\n"
        "sys.stderr.write(' '.join(sorted(set(sys.modules) - before)))\n"
        "sys.exit(code)"
    )
    said = '{"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": "x"}'
    loaded = run("hook", "claude", said=said, code=code).stderr.split()

    ours = {name for name in loaded if name.startswith("agentkit")}
    heavy = {"json", "re", "pathlib", "argparse", "http", "socket", "dataclasses"}
    assert "agentkit.integrations.line" in ours
    assert "agentkit.integrations.general" not in ours
    assert not heavy & set(loaded)


# --- agentkit hooks ------------------------------------------------------------------


def test_installed_used_and_taken_out_the_settings_are_as_they_were(
    run: Shell, hub: Any, tmp_path: Path, me: str
) -> None:
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_bytes(b'{"model": "opus",\r\n "hooks": {"Stop": []}}')
    before = settings.read_bytes()
    run.environ["HOME"] = str(tmp_path)
    done = run("hooks", "install", "claude")
    assert done.returncode == 0
    assert "+" in done.stdout
    assert ".backup" in done.stderr

    hooks = json.loads(settings.read_text())["hooks"]
    for event in ("SessionStart", "UserPromptSubmit"):
        _, _, words = hooks[event][0]["hooks"][0]["command"].partition("agentkit ")
        said = {"session_id": me, "hook_event_name": event, "prompt": "x"}
        assert run(*words.split(), said=json.dumps(said)).returncode == 0
    agents = hub.get(f"/v1/agents?q=id:claude-*-{me[-6:]}*").json()["agents"]
    assert [agent["status"] for agent in agents] == ["busy"]

    assert run("hooks", "uninstall", "claude").returncode == 0
    assert settings.read_bytes() == before


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_dry_run_shows_and_changes_nothing(
    alone: Shell, tmp_path: Path, product: str
) -> None:
    alone.environ["HOME"] = str(tmp_path)
    done = alone("hooks", "install", product, "--dry-run")

    assert done.returncode == 0
    assert "+++ " in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert not Path(alone.environ["SWARMTUI_HOME"]).exists()


def test_a_file_that_cannot_be_read_is_refused(alone: Shell, tmp_path: Path) -> None:
    alone.environ["HOME"] = str(tmp_path)
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_text("{ // mine\n}")
    done = alone("hooks", "install", "gemini")

    assert (done.returncode, done.stdout) == (2, "")
    assert ".gemini/settings.json cannot be read (expecting property" in done.stderr
    assert (tmp_path / ".gemini" / "settings.json").read_text() == "{ // mine\n}"


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_would_be_written_is_printed(
    alone: Shell, tmp_path: Path, product: str
) -> None:
    alone.environ["HOME"] = str(tmp_path)
    done = alone("hooks", "print", product)

    assert done.returncode == 0
    assert "agentkit hook" in done.stdout
    assert list(tmp_path.iterdir()) == []


SETTINGS = {
    ".claude/settings.json": '{"model":"opus", "hooks": {"Stop": []}}',
    ".codex/hooks.json": '{"hooks":{}}',
    ".codex/config.toml": 'model = "x"',
    ".gemini/settings.json": "{ }",
    ".cursor/hooks.json": '{"version": 1}',
    ".tmux.conf": "set -g mouse on",
}


@pytest.fixture
def settled(alone: Shell, tmp_path: Path) -> Path:
    """Return the home of somebody who has settings."""
    home = tmp_path / "user"
    for name, text in SETTINGS.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    alone.environ["HOME"] = str(home)
    return home


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_full_disk_leaves_every_file_as_it_was(
    alone: Shell, settled: Path, product: str
) -> None:
    before = tree(settled)
    full = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (100, 100)); "
    done = alone("hooks", "install", product, code=full + MAIN)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "cannot be written (" in done.stderr
    assert tree(settled) == before


@pytest.mark.parametrize("product", ["claude", "codex", "opencode"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_end_in_the_middle_leaves_settings_whole(
    alone: Shell, settled: Path, product: str, call: int
) -> None:
    before = tree(settled)
    killed = (
        "import os, signal, itertools; real = os.fsync; calls = itertools.count(1)\n"
        "def fsync(file):\n"
        f"    if next(calls) == {call}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    real(file)\n"
        "os.fsync = fsync\n"
    )
    done = alone("hooks", "install", product, code=killed + MAIN)
    assert done.returncode in (-signal.SIGKILL, 0)
    settings = {name: text for name, text in tree(settled).items() if name in before}
    assert done.returncode == 0 or settings == before

    assert alone("hooks", "install", product).returncode == 0
    assert alone("hooks", "uninstall", product).returncode == 0
    left = {name for name, text in tree(settled).items() if text is not None}
    assert left == {name for name, text in before.items() if text is not None}
    assert {name: tree(settled)[name] for name in before} == before


@pytest.mark.parametrize("product", ["claude", "codex"])
def test_installed_many_times_at_once_is_installed_once(
    alone: Shell, settled: Path, product: str
) -> None:
    before = tree(settled)
    started = [alone.start("hooks", "install", product) for _ in range(4)]
    done = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * 4, done
    told = [bool(out) for out, _ in done]
    assert told.count(True) == 1

    assert alone("hooks", "uninstall", product).returncode == 0
    assert tree(settled) == before
