"""A hook never breaks or delays an agent, whatever is wrong around it."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agentkit.integrations.events import PRODUCTS, Event
from agentkit.integrations.session import Session
from tests.integration.bad_hubs import (
    BAD,
    dripping_handshake,
    full_house,
    hub_that_is,
    silent,
)
from tests.integration.shell import MAIN, Shell

BOUND = 1.5
"""Seconds that a hook may take from its first line to its last, with a bad hub."""

TRIES = 4
"""How often it may try: a machine that does other things delays it as well."""

AT_ONCE = 4
"""How many hooks wait for a bad hub at once."""

TIMED = """
import sys, time
def waited():
    try:
        with open("/proc/self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0
begun = time.monotonic() - waited()
{before}
from agentkit.cli import main
code = main()
sys.stderr.write(f"{{time.monotonic() - waited() - begun:.3f}}")
sys.exit(code)
"""
"""Runs a hook, and says how long it took, but for waiting for a processor."""

KEY = "5e551011-0000-bounds"

NAMES = ("session", "conversation", "window")
"""What products call their sessions, to begin with."""


class Told:
    """What became of one hook."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        words, _, seconds = f"\n{done.stderr}".rpartition("\n")
        self.code = done.returncode
        self.said = done.stdout
        self.complaint = words.strip("\n")
        self.seconds = float(seconds)

    def is_harmless(self) -> bool:
        """Say whether the product goes on as if there were no hook."""
        lines = self.complaint.count("\n") + bool(self.complaint)
        return (self.code, self.said) == (0, "") and lines <= 1


class Hooks:
    """Hooks of one session after the other, each with a home of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._environ = environ
        self._count = 0
        self.home = folder

    def known(self, product: str, task: str = "") -> Shell:
        """Return where a session has reported before, and may have a task."""
        self._count += 1
        self.home = self._folder / f"home-{self._count}"
        environ = {"SWARMTUI_HOME": str(self.home), **self._environ}
        session = Session.load(product, KEY, environ)
        session.agent, session.state = "a1", "blocked"
        session.save()
        if task:
            session.hold(task, 7, begun=True)
        return Shell(self._folder, **environ)

    def waiting(self) -> int:
        """Return how many reports wait on disk."""
        return len(list(self.home.rglob("reports/*/*.json")))

    def hastily(self, *words: str, said: Any, before: str = "", task: str = "") -> Told:
        """Run a hook; again when it took too long, for it may not have been its own."""
        for _ in range(TRIES):
            text = said if isinstance(said, str) else json.dumps(said)
            shell = self.known(words[0], task)
            code = TIMED.format(before=before)
            told = Told(shell("hook", *words, said=text, code=code))
            if told.seconds < BOUND:
                return told
        raise AssertionError(f"it took {told.seconds} seconds: {told.complaint}")


def at(url: str) -> dict[str, str]:
    return {"SWARMTUI_URL": url, "SWARMTUI_TOKEN": "t"}


def payload(product: str, name: str, means: Event) -> dict[str, Any]:
    """Return what a product says when that is what happened."""
    places = PRODUCTS[product].session
    said: dict[str, Any] = {next(p for p in places if p.startswith(NAMES)): KEY}
    if means.only and means.only[1][0] is not None:
        inner, (place, *rest) = said, means.only[0].split(".")[::-1]
        for part in rest[::-1]:
            inner = inner.setdefault(part, {})
        inner[place] = means.only[1][0]
    return {**said, PRODUCTS[product].event: name, "prompt": "x", "tool_name": "Bash"}


# --- a hub that is none --------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
def test_no_event_of_a_product_waits_long_for_a_hub_that_hangs(
    tmp_path: Path, product: str
) -> None:
    def tell(address: str, name: str, means: Event) -> None:
        hooks = Hooks(tmp_path / f"{name}-{id(means)}", **at(f"http://{address}"))
        flags = ("--agent", KEY) if product == "tmux" else ()
        said = payload(product, name, means)
        told = hooks.hastily(product, name, *flags, said=said)

        assert told.is_harmless(), (name, told.complaint)
        assert told.complaint == ""
        assert hooks.waiting() == 1, name

    with hub_that_is(silent) as address, ThreadPoolExecutor(AT_ONCE) as pool:
        events = PRODUCTS[product].events.items()
        cases = [(address, name, means) for name, every in events for means in every]
        all(pool.map(tell, *zip(*cases, strict=True)))


@pytest.mark.parametrize("kind", BAD)
def test_no_hub_that_is_none_delays_or_breaks_an_agent(
    tmp_path: Path, kind: str
) -> None:
    def tell(address: str, event: str, task: str) -> None:
        hooks = Hooks(tmp_path / f"{event}-{task}", **at(f"http://{address}"))
        said = {"session_id": KEY, "hook_event_name": event, "prompt": "x"}
        told = hooks.hastily("claude", said=said, task=task)

        assert told.is_harmless(), told.complaint
        assert "Traceback" not in told.complaint

    with hub_that_is(BAD[kind]) as address, ThreadPoolExecutor(AT_ONCE) as pool:
        events = ("UserPromptSubmit", "Stop", "Stop")
        all(pool.map(tell, [address] * 3, events, ["", "T1", ""]))


GENERAL = {
    "a handshake that hangs": (silent, "https://{}", ""),
    "a handshake that drips": (dripping_handshake, "https://{}", ""),
    "a head that drips": (BAD["dripping head"], "http://localhost:{port}", ""),
    "an answer that pours": (BAD["pouring"], "http://localhost:{port}", ""),
    "a name that is looked up for ever": (
        silent,
        "http://hub.example:{port}",
        "import socket; socket.getaddrinfo = lambda *_, **__: time.sleep(60)",
    ),
    "a name that is none": (
        silent,
        "http://hub.example:{port}",
        (
            "import socket\n"
            "def fail(*_, **__): raise socket.gaierror(-2, 'not known')\n"
            "socket.getaddrinfo = fail"
        ),
    ),
}
"""What needs the general way: how it behaves, where, and what is done to the system."""


@pytest.mark.parametrize("kind", GENERAL)
def test_nor_does_one_behind_tls_or_a_name(tmp_path: Path, kind: str) -> None:
    behave, url, before = GENERAL[kind]
    with hub_that_is(behave) as address:
        where = url.format(address, port=address.rpartition(":")[2])
        hooks = Hooks(tmp_path, **at(where))
        said = {"session_id": KEY, "hook_event_name": "Stop"}
        told = hooks.hastily("claude", said=said, before=before, task="T1")

    assert told.is_harmless(), told.complaint
    assert hooks.waiting() == 2  # what became of the task, and that it is idle


@pytest.mark.parametrize("url", ["http://{}", "http://localhost:{port}"])
def test_nor_does_one_that_takes_nobody(tmp_path: Path, url: str) -> None:
    with full_house() as address:
        hooks = Hooks(tmp_path, **at(url.format(address, port=address[10:])))
        said = {"session_id": KEY, "hook_event_name": "Stop"}
        told = hooks.hastily("claude", said=said)

    assert told.is_harmless(), told.complaint
    assert hooks.waiting() == 1


def test_nor_do_many_addresses_of_which_none_answers(tmp_path: Path) -> None:
    with full_house() as address:
        port = address.rpartition(":")[2]
        before = (
            "import socket\n"
            f"one = (2, 1, 6, '', ('127.0.0.1', {port}))\n"
            "socket.getaddrinfo = lambda *_, **__: [one] * 20"
        )
        hooks = Hooks(tmp_path, **at(f"http://hub.example:{port}"))
        said = {"session_id": KEY, "hook_event_name": "Stop"}
        told = hooks.hastily("claude", said=said, before=before)

    assert told.is_harmless(), told.complaint
    assert hooks.waiting() == 1


def test_all_of_it_together_is_bounded_as_well(tmp_path: Path) -> None:
    """A hub that hangs, reports that wait, a pipe that stays open, others at once."""
    with hub_that_is(silent) as address, ExitStack() as stack:
        hooks = Hooks(tmp_path, **at(f"http://{address}"))
        shell = hooks.known("claude", "T1")
        spool = next(iter_spool(hooks, shell))
        for number in range(50):
            letter = {"agent": "a1", "key": f"k{number}", "body": {"report": "idle"}}
            (spool / f"{number:020}-k{number}.json").write_text(json.dumps(letter))
        said = json.dumps({"session_id": KEY, "hook_event_name": "Stop"})
        started = [begun(shell, TIMED.format(before="")) for _ in range(6)]
        for process in started:
            stack.callback(process.kill)
            assert process.stdin is not None
            process.stdin.write(said)
            process.stdin.flush()  # and it is never closed
        codes = [process.wait(60) for process in started]
        texts = [process.communicate()[1] for process in started]

    assert codes == [0] * 6
    assert all(float(text) < 10 for text in texts), texts  # six at once on any machine


def iter_spool(hooks: Hooks, shell: Shell) -> Iterator[Path]:
    """Yield the folder in which reports wait, once it is there."""
    shell("hook", "claude", said=json.dumps({"session_id": KEY, "type": "StopFailure"}))
    yield from hooks.home.rglob("reports/*")


def begun(shell: Shell, code: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, "hook", "claude"],
        cwd=shell.cwd,
        env=shell.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_is_asked(
    hub: Any, tmp_path: Path, me: str, name: str, host: str
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(hub.home), SWARMTUI_AGENT=me)
    shell.environ |= {name: "http://127.0.0.1:9", "SWARMTUI_TOKEN": hub.token}
    shell.environ["SWARMTUI_URL"] = hub.url.replace("127.0.0.1", host)
    said = {"session_id": KEY + me, "hook_event_name": "SessionStart"}
    done = shell("hook", "claude", said=json.dumps(said))

    assert (done.returncode, done.stderr) == (0, "")
    assert hub.get(f"/v1/agents/{me}").json()["agent"]["status"] == "idle"


# --- what it is told -----------------------------------------------------------------

PROMPT = {"session_id": KEY, "hook_event_name": "UserPromptSubmit", "prompt": "x"}


@pytest.mark.parametrize("way", ["closed", "kept open", "a terminal", "endless"])
def test_what_tells_it_nothing_does_not_hold_it(tmp_path: Path, way: str) -> None:
    shell = Hooks(tmp_path).known("claude")
    with told_by(way) as descriptor:
        done = subprocess.run(
            [sys.executable, "-c", TIMED.format(before=""), "hook", "claude"],
            cwd=tmp_path,
            env=shell.environ,
            **({"stdin": descriptor} if descriptor >= 0 else {"preexec_fn": _close}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    told = Told(done)

    assert told.is_harmless(), told.complaint
    assert told.seconds < 10  # it ends by itself


def _close() -> None:
    os.close(0)


@contextmanager
def told_by(way: str) -> Iterator[int]:
    """Yield what a hook has as its standard input."""
    if way == "closed":
        yield -1
        return
    if way == "a terminal":
        ours, theirs = pty.openpty()
    else:
        theirs, ours = os.pipe()
    if way == "endless":
        Thread(target=_babble, args=(ours,), daemon=True).start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        if way != "endless":
            os.close(ours)


def _babble(target: int) -> None:
    try:
        while True:
            os.write(target, b"x" * 65536)
    except OSError:
        os.close(target)


def test_a_pipe_that_stays_open_is_heard_all_the_same(
    hub: Any, tmp_path: Path, me: str
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(hub.home), SWARMTUI_AGENT=me)
    process = begun(shell, TIMED.format(before=""))
    assert process.stdin is not None
    process.stdin.write(json.dumps({**PROMPT, "session_id": KEY + me}))
    process.stdin.flush()
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()

    assert hub.get(f"/v1/agents/{me}").json()["agent"]["status"] == "busy"


LONG = "x" * 50_000_000
STRANGE: Mapping[str, str | bytes] = {
    "fifty megabytes": json.dumps({**PROMPT, "tool_response": LONG}),
    "letters cut in two": json.dumps({**PROMPT, "prompt": "\ud83d cut \udc00"}),
    "keys for a terminal": json.dumps({**PROMPT, "prompt": "\x1b[2J\x00\x07 red"}),
    "not of this encoding": b'{"session_id": "' + KEY.encode() + b'", "prompt": "\xff",'
    b' "hook_event_name": "UserPromptSubmit"}',
    "a mark in front": b"\xef\xbb\xbf" + json.dumps(PROMPT).encode(),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_whatever_it_is_told_is_reported(
    hub: Any, tmp_path: Path, me: str, kind: str
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(hub.home), SWARMTUI_AGENT=me)
    said = STRANGE[kind]
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(before=""), "hook", "claude"],
        cwd=tmp_path,
        env=shell.environ,
        input=said.encode() if isinstance(said, str) else said,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (0, b"", 0)
    assert hub.get(f"/v1/agents/{me}").json()["agent"]["status"] == "busy"


def test_last_words_with_letters_cut_in_two_are_a_result(
    fresh: Any, tmp_path: Path
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    fresh.post("/v1/tasks", {"id": "T1", "title": "paint"}).raise_for_status()
    stop: dict[str, Any] = {"session_id": KEY, "hook_event_name": "Stop"}
    shell("hook", "claude", said=json.dumps(stop))
    stop |= {"last_assistant_message": "red \ud83d", "stop_hook_active": True}
    done = shell("hook", "claude", said=json.dumps(stop))

    assert (done.returncode, done.stderr) == (0, "")
    task = fresh.get("/v1/tasks/T1").json()["task"]
    assert (task["state"], task["result"]) == ("done", {"text": "red ?"})


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_nobody_has_to_listen(
    fresh: Any, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    fresh.post("/v1/tasks", {"id": "T1", "title": "paint"}).raise_for_status()
    code = f"import os; [os.close(n) for n in {closed}]; {MAIN}"
    said = {"session_id": KEY, "hook_event_name": "Stop"}
    words = ("hook", "claude", "Stop", json.dumps(said))
    done = shell(*words, code=code, said="")

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] != "silent"


# --- a disk that takes nothing -------------------------------------------------------

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"


@pytest.fixture
def homeless(fresh: Any, tmp_path: Path) -> Callable[[str], Shell]:
    """Return a shell that knows the hub, and whose home is of no use."""
    (tmp_path / "file").write_text("")
    homes = {"file": tmp_path / "file", "nowhere": Path("/proc/none"), "full": tmp_path}

    def shell(kind: str) -> Shell:
        return Shell(
            tmp_path,
            SWARMTUI_HOME=str(homes[kind]),
            SWARMTUI_URL=fresh.url,
            SWARMTUI_TOKEN=fresh.token,
            SWARMTUI_AGENT="a1",
        )

    return shell


@pytest.mark.parametrize("kind", ["nowhere", "full"])
def test_a_disk_that_takes_nothing_costs_no_report_and_no_task(
    fresh: Any, homeless: Callable[[str], Shell], kind: str
) -> None:
    fresh.post("/v1/tasks", {"id": "T1", "title": "paint"}).raise_for_status()
    shell = homeless(kind)
    told = []
    for event in ("UserPromptSubmit", "PermissionRequest", "Stop"):
        said = json.dumps({"session_id": KEY, "hook_event_name": event, "prompt": "x"})
        code = TIMED.format(before=FULL if kind == "full" else "")
        told.append(Told(shell("hook", "claude", said=said, code=code)))
    history = fresh.get("/v1/agents/a1/history").json()["events"]

    assert all(one.is_harmless() for one in told), [one.complaint for one in told]
    reports = [e["data"]["report"] for e in history if "report" in e["data"]]
    assert reports[::-1] == ["busy", "help", "idle"]
    assert fresh.get("/v1/tasks/T1").json()["task"]["state"] == "queued"


@pytest.mark.parametrize("kind", ["file", "nowhere", "full"])
def test_with_neither_disk_nor_hub_one_line_says_so(
    homeless: Callable[[str], Shell], kind: str
) -> None:
    shell = homeless(kind)
    shell.environ["SWARMTUI_URL"] = "http://127.0.0.1:9"
    said = json.dumps({"session_id": KEY, "hook_event_name": "Stop"})
    code = TIMED.format(before=FULL if kind == "full" else "")
    told = Told(shell("hook", "claude", said=said, code=code))

    assert told.is_harmless(), told.complaint
    assert told.complaint.startswith("agentkit hook: ")


def test_without_a_home_it_reports(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, **at(fresh.url))
    shell.environ |= {"SWARMTUI_TOKEN": fresh.token, "SWARMTUI_AGENT": "a1"}
    shell.environ |= {"XDG_STATE_HOME": str(tmp_path / "state")}
    del shell.environ["HOME"]
    said = json.dumps({"session_id": KEY, "hook_event_name": "Stop"})
    done = shell("hook", "claude", said=said)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] == "idle"


def test_a_folder_that_was_deleted_is_nothing(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    code = f"import os; os.mkdir('x'); os.chdir('x'); os.rmdir('../x'); {MAIN}"
    said = json.dumps({"session_id": KEY, "hook_event_name": "Stop"})
    done = shell("hook", "claude", said=said, code=code)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] == "idle"


def test_an_end_that_comes_first_is_told(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    said = json.dumps({"session_id": KEY, "hook_event_name": "SessionEnd"})
    done = shell("hook", "claude", said=said)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    message = fresh.get("/v1/agents/a1").json()["agent"]["message"]
    assert message == "its session has ended"


# --- many at once --------------------------------------------------------------------


def test_twenty_at_once_are_one_after_the_other(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    shell("hook", "claude", said=json.dumps({**PROMPT, "prompt": "first"}))
    tool = {"session_id": KEY, "hook_event_name": "PostToolUse"}
    ask = {"session_id": KEY, "hook_event_name": "PermissionRequest", "tool_name": "B"}
    started = [begun(shell, MAIN) for _ in range(20)]
    for number, process in enumerate(started):
        assert process.stdin is not None
        process.stdin.write(json.dumps(ask if number == 7 else tool))
        process.stdin.close()
        process.stdin = None
    done = [process.communicate(timeout=120) for process in started]

    assert [process.returncode for process in started] == [0] * 20
    assert set(done) == {("", "")}
    history = fresh.get("/v1/agents/a1/history").json()["events"]
    reports = [e["data"]["report"] for e in history if "report" in e["data"]][::-1]
    assert reports in (["busy", "help"], ["busy", "help", "busy"])
    (saved,) = (Path(fresh.home) / "sessions").glob("*bounds.json")
    assert json.loads(saved.read_text())["state"] == reports[-1]


def test_a_tool_that_is_told_of_late_does_not_wake_an_idle_session(
    fresh: Any, tmp_path: Path
) -> None:
    """Claude Code runs those hooks in the background: the turn may end before."""
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    tool = json.dumps({"session_id": KEY, "hook_event_name": "PostToolUse"})
    stop = json.dumps({"session_id": KEY, "hook_event_name": "Stop"})
    shell("hook", "claude", said=stop)
    late = f"from agentkit.integrations import hook; hook.BEGAN -= 10; {MAIN}"
    shell("hook", "claude", said=tool, code=late)
    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] == "idle"

    shell("hook", "claude", said=tool)
    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] == "busy"


def test_a_clock_that_was_ahead_silences_nobody(fresh: Any, tmp_path: Path) -> None:
    shell = Shell(tmp_path, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT="a1")
    session = Session.load("claude", KEY, {"SWARMTUI_HOME": str(fresh.home)})
    session.state, session.told = "busy", time.time() + 1e6
    session.save()
    tool = json.dumps({"session_id": KEY, "hook_event_name": "PostToolUse"})
    shell("hook", "claude", said=tool)

    assert fresh.get("/v1/agents/a1").json()["agent"]["status"] == "busy"
