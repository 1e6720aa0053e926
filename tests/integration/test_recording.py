"""Recordings of a real hub, made and looked at by the commands."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.codec import encode
from agentkit.recording import Recording
from swarmtui.recorder import Recorder
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from tests.integration.conftest import RunningHub, Start
from tests.integration.shell import Done, Shell

MAIN = "import sys; from swarmtui.cli import main; main()"
TABLES = ("agents", "helps", "tasks", "broadcasts")


@pytest.fixture
def tui(fresh: RunningHub, tmp_path: Path) -> Shell:
    """A shell at a hub of its own."""
    return Shell(tmp_path, SWARMTUI_HOME=str(fresh.home))


def run(tui: Shell, *words: str, **environ: str) -> Done:
    return tui(*words, code=MAIN, **environ)


def begin(tui: Shell, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        cwd=tui.cwd,
        env=tui.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a recording, in the order in which they are in it."""
    with Recording.open(path) as recording:
        found = map(recording.frame, range(len(recording)))
        turns = [frame for frame in found if frame["type"] == "turn"]
    return [event for frame in turns for event in frame["events"]]


def rows_at_the_end(path: Path) -> dict[str, Any]:
    """Return the rows that a replay ends with."""
    with closing(Reel(path)) as reel:
        replay = Replay(reel, paused=True)
        replay.seek(reel.length)
        assert replay.damaged == 0
        return told(replay)


def told(swarm: Any) -> dict[str, Any]:
    rows = {
        table: {key: encode(row) for key, row in getattr(swarm, table).items()}
        for table in TABLES
    }
    return rows | {"cursor": swarm.cursor, "counts": dict(swarm.task_counts)}


@asynccontextmanager
async def recording(path: Path) -> AsyncIterator[Recorder]:
    """Record the hub of this machine, wherever it comes back."""
    enough = asyncio.Event()
    recorder = Recorder(None, path)
    task = asyncio.create_task(recorder.record(enough))
    async with asyncio.timeout(20):
        while recorder.link.state != "live" and not task.done():
            await asyncio.sleep(0.02)
    yield recorder
    enough.set()
    await asyncio.wait_for(task, 20)


async def has_heard_more(recorder: Recorder, than: int) -> None:
    """Wait until a recorder is connected, and was told of later events."""
    async with asyncio.timeout(20):
        while recorder.cursor <= than or recorder.link.state != "live":
            await asyncio.sleep(0.02)


async def test_a_hub_that_is_killed_is_recorded_to_the_end(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    path = tmp_path / "a.rec.gz"
    hub = start()
    async with Agent("a1") as agent, recording(path) as recorder:
        known = 0
        for number in range(45):
            if number in (15, 30):
                await agent.flush(10)
                await has_heard_more(recorder, known)
                known = recorder.cursor
                hub.process.kill()
                hub = start()
                hub.report("a2", "busy", task=f"away-{number}")
            await agent.busy(f"T{number}")
        await agent.flush(10)
        async with Coordinator() as swarm:
            async with asyncio.timeout(20):
                while recorder.cursor < swarm.cursor or recorder.link.state != "live":
                    await asyncio.sleep(0.02)
            ended = told(swarm)

    cursors = [event["cursor"] for event in last_events(path)]
    assert cursors == list(range(cursors[0], ended["cursor"] + 1))
    replayed = rows_at_the_end(path)
    for row in (*replayed["agents"].values(), *ended["agents"].values()):
        del row["linked"], row["heard"], row["version"]  # the agent leaves meanwhile
    assert replayed["agents"] == ended["agents"]
    assert replayed["tasks"] == ended["tasks"]
    with closing(Reel(path)) as reel:
        assert len(reel.gaps) == 2
        assert reel.recording.kinds.count("welcome") == 3


def test_it_says_what_it_did_and_what_is_in_the_file(
    tui: Shell, fresh: RunningHub
) -> None:
    fresh.report("a1", "help", message="which one?")

    done = run(tui, "record", "a.rec", "--for", "0.5", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["agents"] == 1
    info = json.loads(run(tui, "replay", "a.rec", "--info", "--json").stdout)
    assert info["agents"] == info["help_requests"] == 1
    assert info["hub"] == fresh.url
    assert info["size"] == json.loads(done.stdout)["bytes"]
    assert info["complete"]


def test_ctrl_c_ends_it_with_a_complete_file(tui: Shell, fresh: RunningHub) -> None:
    going = start_recording(tui, "a.rec.gz")
    fresh.report("a1", "busy", task="T1")
    wait_for_progress(going, events=1)

    going.send_signal(signal.SIGINT)
    _out, words = going.communicate(timeout=20)

    assert going.returncode == 0, words
    assert "Traceback" not in words
    with Recording.open(tui.cwd / "a.rec.gz") as recorded:
        assert recorded.cut == ""
    lines = run(tui, "replay", "a.rec.gz").stdout.splitlines()
    assert [json.loads(line)["subject"] for line in lines] == ["agent.busy"]
    assert json.loads(lines[0])["t"] >= 0


def start_recording(tui: Shell, name: str, *words: str) -> subprocess.Popen[str]:
    """Record, and return when it has begun."""
    going = begin(tui, "record", name, "--jsonl", *words)
    wait_for_progress(going, events=0)
    return going


def wait_for_progress(going: subprocess.Popen[str], *, events: int) -> None:
    assert going.stdout is not None
    for line in going.stdout:
        if json.loads(line)["events"] >= events:
            return
    raise AssertionError(going.communicate())


def test_a_killed_recorder_leaves_what_it_had(tui: Shell, fresh: RunningHub) -> None:
    going = start_recording(tui, "a.rec.gz")
    fresh.report("a1", "busy", task="T1")
    wait_for_progress(going, events=1)

    going.kill()
    going.communicate(timeout=20)

    shown = run(tui, "replay", "a.rec.gz")
    assert "agent.busy" in shown.stdout
    assert "its end is missing; what comes before it is all there" in shown.stderr


def test_no_token_is_in_it(tui: Shell, fresh: RunningHub) -> None:
    made = fresh.post("/v1/tokens", {"role": "viewer", "name": "for a friend"})
    run(tui, "record", "a.rec", "--for", "0.3")

    recorded = (tui.cwd / "a.rec").read_text()
    assert fresh.url in recorded
    assert fresh.token not in recorded
    assert made.json()["token"] not in recorded


def test_only_its_owner_can_read_it(tui: Shell) -> None:
    run(tui, "record", "a.rec", "--for", "0.2")

    assert stat.S_IMODE((tui.cwd / "a.rec").stat().st_mode) == 0o600


def test_a_file_is_replaced_only_when_told_to(tui: Shell) -> None:
    (tui.cwd / "a.rec").write_text("mine")

    refused = run(tui, "record", "a.rec", "--for", "0.2")
    assert refused.returncode == 5
    assert "a.rec is there already: name another file" in refused.stderr
    assert (tui.cwd / "a.rec").read_text() == "mine"

    assert run(tui, "record", "a.rec", "--for", "0.2", "--force").returncode == 0
    assert (tui.cwd / "a.rec").read_text() != "mine"


def test_it_ends_when_the_file_is_large_enough(tui: Shell, fresh: RunningHub) -> None:
    for number in range(40):
        fresh.report(f"a{number}", "busy", task="T", message="x" * 1000)

    done = run(tui, "record", "a.rec", "--max-size", "0.03", "--json")

    assert json.loads(done.stdout)["bytes"] > 30_000


def test_a_full_disk_is_one_sentence(tui: Shell, fresh: RunningHub) -> None:
    for number in range(40):
        fresh.report(f"a{number}", "busy", task="T", message="x" * 1000)
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"

    done = tui("record", "a.rec", "--for", "20", code=full + MAIN)

    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith(
        "swarmtui: a.rec cannot be written: file too large; what was"
    )
    shown = run(tui, "replay", "a.rec", "--info", "--json")
    assert shown.returncode == 0
    assert not json.loads(shown.stdout)["complete"]


def test_without_a_hub_there_is_no_file(tmp_path: Path) -> None:
    tui = Shell(
        tmp_path, SWARMTUI_HOME=str(tmp_path), SWARMTUI_URL="http://127.0.0.1:9"
    )

    done = run(tui, "record", "a.rec")

    assert done.returncode == 1
    assert "no hub answers at http://127.0.0.1:9" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("nothing", 2, "is not a recording: make one with swarmtui record"),
        ('{"swarmtui":"recording","version":9}', 2, "is a recording of version 9"),
    ],
)
def test_what_is_not_a_recording_is_refused(
    tmp_path: Path, text: str, code: int, said: str
) -> None:
    (tmp_path / "a.rec").write_text(text)

    done = run(Shell(tmp_path), "replay", "a.rec")

    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.rec",), "'nothing.rec' does not exist"),
        (("a.rec", "--at", "1:x"), "'1:x' is no time: write 90, 1:30 or 1:01:30"),
        (("a.rec", "--json"), "--json is for --info"),
        (("a.rec", "--speed", "100"), "100.0 is not in the range 0.25<=x<=64"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "a.rec").write_text("")

    done = run(Shell(tmp_path), "replay", *words)

    assert done.returncode == 2
    assert said in done.stderr


def test_printing_begins_where_it_is_told(tui: Shell) -> None:
    demo = Path(__file__).parents[1] / "snapshot" / "demo.rec.gz"

    every = run(tui, "replay", str(demo)).stdout.splitlines()
    late = run(tui, "replay", str(demo), "--at", "0:30", "--jsonl").stdout.splitlines()

    assert 0 < len(late) < len(every)
    assert late == every[-len(late) :]
    assert min(json.loads(line)["t"] for line in late) >= 30
