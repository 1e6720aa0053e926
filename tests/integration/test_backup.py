"""The store as one file: copied under load, restored, examined."""

import asyncio
import json
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentkit import Agent
from agentkit.settings import Endpoint
from tests.integration.conftest import RunningHub, Start

KEY = {"SWARMTUI_STORAGE_MASTER_KEY": "one that is long enough for everybody"}


def swarmtui(home: Path, *args: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmtui", *map(str, args)],
        env={**os.environ, "SWARMTUI_HOME": str(home), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def done(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def fill(hub: RunningHub, agents: int = 3) -> None:
    for number in range(agents):
        hub.report(f"a{number}", "busy", task=f"T{number}", message="x" * 1000)


def beside(store: Path) -> set[str]:
    return {path.name for path in store.parent.iterdir()} - {
        store.name,
        f"{store.name}-wal",
        f"{store.name}-shm",
        f"{store.name}.lock",
    }


# --- under load ---


async def report_for_ever(
    hub: RunningHub, agent: str, acknowledged: dict[str, int]
) -> None:
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with httpx.AsyncClient(base_url=hub.url, headers=headers) as client:
        while True:
            number = acknowledged.get(agent, 0) + 1
            said = {"report": "busy", "task": f"T{number}", "spool": "s", "seq": number}
            reply = await client.post(f"/v1/agents/{agent}/status", json=said)
            reply.raise_for_status()
            acknowledged[agent] = number


@pytest.mark.parametrize("env", [{}, KEY], ids=["plain", "sealed"])
async def test_what_was_acknowledged_before_a_backup_is_in_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    hub, acknowledged = start(home=tmp_path / "one"), dict[str, int]()
    agents = ("a", "b", "c", "d")
    async with asyncio.TaskGroup() as group:
        load = [
            group.create_task(report_for_ever(hub, agent, acknowledged))
            for agent in agents
        ]
        while len(acknowledged) < 4 or min(acknowledged.values()) < 20:
            await asyncio.sleep(0.01)
        before = dict(acknowledged)
        ended = await asyncio.to_thread(swarmtui, hub.home, "backup", tmp_path / "copy")
        after = dict(acknowledged)
        for task in load:
            task.cancel()
    done(ended)

    done(swarmtui(tmp_path / "two", "restore", tmp_path / "copy"))
    again = start(home=tmp_path / "two")

    assert min(after[agent] - before[agent] for agent in agents) > 0, "nobody waited"
    for agent in agents:
        row = again.get(f"/v1/agents/{agent}").json()["agent"]
        assert before[agent] <= int(row["task"].removeprefix("T"))
    assert again.get("/v1/integrity").json()["ok"]


# --- the file ---


def test_a_backup_is_private_whole_and_nothing_is_left_beside_the_store(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    fill(hub)

    said = json.loads(done(swarmtui(hub.home, "backup", tmp_path / "copy", "--json")))

    copy = tmp_path / "copy"
    assert said["backup"] == {
        "file": str(copy),
        "bytes": copy.stat().st_size,
        "source": hub.url,
    }
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "copy.part").exists()
    assert not [name for name in beside(hub.home / "hub.db") if "part" in name]
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("SELECT count(*) FROM agents").fetchone() == (3,)


def test_a_backup_does_not_replace_a_file_unless_it_is_told_to(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    (tmp_path / "copy").write_text("precious")

    refused = swarmtui(hub.home, "backup", tmp_path / "copy")

    assert refused.returncode == 5
    assert "--force" in refused.stderr
    assert (tmp_path / "copy").read_text() == "precious"
    done(swarmtui(hub.home, "backup", tmp_path / "copy", "--force"))
    assert (tmp_path / "copy").read_bytes().startswith(b"SQLite format 3")


def test_a_store_that_no_hub_has_is_copied_as_it_lies(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    fill(hub)
    hub.process.kill()
    hub.process.wait()

    said = json.loads(done(swarmtui(hub.home, "backup", tmp_path / "copy", "--json")))

    assert said["backup"]["source"] == str(hub.home / "hub.db")
    with closing(sqlite3.connect(tmp_path / "copy")) as opened:
        assert opened.execute("SELECT count(*) FROM agents").fetchone() == (3,)


def test_a_hub_that_is_named_is_the_one_that_is_copied(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    hub.stop()

    ended = swarmtui(
        hub.home, "backup", tmp_path / "copy", "--url", "http://127.0.0.1:1"
    )

    assert ended.returncode == 1
    assert "no hub answers at http://127.0.0.1:1" in ended.stderr
    assert not list(tmp_path.glob("copy*"))


def test_a_folder_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    hub = start()
    target = tmp_path / "nowhere" / "copy"

    at_work = swarmtui(hub.home, "backup", target)
    hub.stop()
    at_rest = swarmtui(hub.home, "backup", target)

    for ended in (at_work, at_rest):
        assert ended.returncode == 1
        assert f"there is no folder {target.parent}: make it" in ended.stderr


def test_a_copy_that_finds_no_room_is_told_and_the_hub_goes_on(start: Start) -> None:
    hub = start()
    for number in range(20):
        hub.post("/v1/broadcasts", {"text": f"{number}" * 8000}).raise_for_status()
    limits = (100_000, resource.RLIM_INFINITY)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, limits)

    reply = hub.get("/v1/backup")

    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert reply.status_code == 503
    assert "hub.db" in reply.json()["detail"]
    assert not [name for name in beside(hub.home / "hub.db") if "part" in name]
    assert hub.get("/readyz").status_code == 200


def test_a_hub_in_memory_has_nothing_to_copy(fresh: RunningHub, tmp_path: Path) -> None:
    ended = swarmtui(fresh.home, "backup", tmp_path / "copy")

    assert ended.returncode == 5
    assert "in memory" in ended.stderr
    assert not list(tmp_path.glob("copy*"))


def test_who_may_only_look_may_not_copy(start: Start) -> None:
    hub = start()
    viewer = hub.post("/v1/tokens/viewer/derive", {}).json()["token"]
    headers = {"Authorization": f"Bearer {viewer}"}

    for path in ("/v1/backup", "/v1/integrity"):
        assert hub.get(path, headers=headers).status_code == 403


def test_a_client_that_goes_away_leaves_nothing_open(start: Start) -> None:
    hub = start()
    for number in range(40):
        hub.post("/v1/broadcasts", {"text": f"{number}" * 8000})
    with suppress(httpx.HTTPError), hub.http.stream("GET", "/v1/backup") as reply:
        next(reply.iter_raw(1))
    hub.get("/healthz").raise_for_status()

    done(swarmtui(hub.home, "backup", hub.home / "copy"))

    files = Path(f"/proc/{hub.process.pid}/fd").iterdir()
    assert not [path for path in files if "hub.db.part" in str(path.readlink())]


def test_what_a_killed_hub_left_of_a_copy_is_removed_at_the_next_start(
    start: Start,
) -> None:
    hub = start()
    hub.stop()
    (hub.home / "hub.db.part-7").write_text("half a copy")

    start()

    assert not (hub.home / "hub.db.part-7").exists()


# --- restoring ---


def test_a_restored_store_takes_the_place_of_the_old_which_is_kept(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    fill(hub, 2)
    recognised = hub.get("/healthz").json()["store"]
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    fill(hub, 5)
    hub.stop()

    ended = swarmtui(hub.home, "restore", tmp_path / "copy", "--yes", "--json")

    said = json.loads(done(ended))
    assert said["holds"]["agents"] == 2
    assert "2 agents" in ended.stderr
    kept = Path(said["restored"]["kept"])
    assert kept.parent == hub.home
    assert kept.name.startswith("hub.db.before-")
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("SELECT count(*) FROM agents").fetchone() == (5,)
    assert (hub.home / "hub.db").stat().st_mode & 0o777 == 0o600
    restored = start()
    assert len(restored.get("/v1/agents").json()["agents"]) == 2
    assert restored.get("/healthz").json()["store"] not in ("", recognised)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_restores_belongs_to_whom_the_folder_belongs(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    service = tmp_path / "service"
    service.mkdir()
    os.chown(service, 4711, 4712)

    done(swarmtui(service, "restore", tmp_path / "copy"))

    owners = {(path.stat().st_uid, path.stat().st_gid) for path in service.iterdir()}
    assert owners == {(4711, 4712)}


def test_a_store_that_is_there_is_not_replaced_without_a_yes(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    hub.stop()
    store = (hub.home / "hub.db").read_bytes()

    ended = swarmtui(hub.home, "restore", tmp_path / "copy")

    assert ended.returncode == 5
    assert "--yes" in ended.stderr
    assert (hub.home / "hub.db").read_bytes() == store
    assert not [name for name in beside(hub.home / "hub.db") if "part" in name]


def test_a_store_that_a_hub_has_is_not_replaced(start: Start, tmp_path: Path) -> None:
    hub = start()
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))

    ended = swarmtui(hub.home, "restore", tmp_path / "copy", "--yes")

    assert ended.returncode == 1
    assert f"process id {hub.process.pid}" in ended.stderr
    assert hub.get("/readyz").status_code == 200


def not_a_database(copy: Path) -> None:
    copy.write_bytes(b"x" * 10_000)


def of_another_program(copy: Path) -> None:
    copy.unlink()
    with closing(sqlite3.connect(copy)) as other:
        other.execute("CREATE TABLE mine (id)")


def of_the_future(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as future:
        future.execute("PRAGMA user_version = 99")


def torn(copy: Path) -> None:
    with copy.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8 * 4096)


def with_a_gap(copy: Path) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as log:
        log.execute("DELETE FROM events WHERE cursor = 2")


def missing(copy: Path) -> None:
    copy.unlink()


@pytest.mark.parametrize(
    ("harm", "tells"),
    [
        (not_a_database, "is damaged, or is not a database"),
        (of_another_program, "another program"),
        (of_the_future, "version 99"),
        (torn, "damaged"),
        (with_a_gap, "the log has"),
        (missing, "name a file that swarmtui backup made"),
    ],
)
def test_what_cannot_be_restored_is_told_and_nothing_changes(
    start: Start, tmp_path: Path, harm: Any, tells: str
) -> None:
    hub = start()
    fill(hub)
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    hub.stop()
    store = (hub.home / "hub.db").read_bytes()
    harm(tmp_path / "copy")

    ended = swarmtui(hub.home, "restore", tmp_path / "copy", "--yes")

    assert ended.returncode == 1
    assert tells in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert (hub.home / "hub.db").read_bytes() == store
    assert not [name for name in beside(hub.home / "hub.db") if "part" in name]


def test_a_damaged_store_is_kept_with_its_log_when_another_takes_its_place(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    fill(hub)
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    hub.stop()
    not_a_database(hub.home / "hub.db")
    (hub.home / "hub.db-wal").write_text("what was written last")

    said = json.loads(
        done(swarmtui(hub.home, "restore", tmp_path / "copy", "--yes", "--json"))
    )

    kept = said["restored"]["kept"]
    assert Path(kept).read_bytes() == b"x" * 10_000
    assert Path(f"{kept}-wal").read_text() == "what was written last"
    assert len(start().get("/v1/agents").json()["agents"]) == 3


async def test_an_agent_goes_on_with_a_hub_that_was_set_back(
    start: Start, tmp_path: Path
) -> None:
    hub = start()
    async with Agent("a1", hub=Endpoint(hub.url, hub.token)) as agent:
        await agent.busy("T1")
        await agent.flush(timeout=10)
        done(await asyncio.to_thread(swarmtui, hub.home, "backup", tmp_path / "copy"))
        for task in ("T2", "T3"):
            await agent.busy(task)
        await agent.flush(timeout=10)
        hub.stop()
        done(swarmtui(hub.home, "restore", tmp_path / "copy", "--yes"))
        again = start("--port", str(hub.port))
        await agent.busy("T4")
        await agent.flush(timeout=30)

        row = again.get("/v1/agents/a1").json()["agent"]

    assert row["task"] == "T4"
    seen = again.get("/v1/events", params={"subject": "agent.busy"}).json()["events"]
    assert [event["data"]["task"] for event in seen] == ["T1", "T4"]


# --- soundness ---


def test_a_sound_store_is_told_so_while_the_hub_works(start: Start) -> None:
    hub = start()
    fill(hub)

    health = hub.get("/v1/integrity").json()

    assert health["ok"] is True
    assert health["problems"] == []
    assert health["version"] >= 2
    assert health["size"] > 4096
    assert health["sqlite"] == sqlite3.sqlite_version


def test_a_damaged_store_is_told_with_what_is_wrong(start: Start) -> None:
    hub = start()
    fill(hub)
    hub.stop()
    with_a_gap(hub.home / "hub.db")

    health = start().get("/v1/integrity").json()

    assert health["ok"] is False
    assert "the log has" in health["problems"][0]


# --- large results ---


def write(hub: RunningHub, name: str, data: bytes) -> None:
    address = f"/v1/results/r1/{name}"
    hub.http.put(address, content=data, timeout=60).raise_for_status()


def results_of(home: Path) -> list[Path]:
    return [path for path in (home / "results").rglob("*") if path.is_file()]


@pytest.mark.parametrize("at_rest", [False, True], ids=["at work", "at rest"])
@pytest.mark.parametrize("env", [{}, KEY], ids=["plain", "sealed"])
def test_large_results_are_in_a_backup_and_come_back(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    at_rest: bool,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    one, two = tmp_path / "one", tmp_path / "two"
    hub, data = start(home=one), os.urandom(3_000_000)
    write(hub, "x", data)
    if at_rest:
        hub.stop()

    done(swarmtui(one, "backup", tmp_path / "copy"))
    restored = swarmtui(two, "restore", tmp_path / "copy")
    checked = swarmtui(two, "doctor")
    again = start(home=two)

    done(restored)
    assert "1 large result" in restored.stderr
    assert "store" in checked.stdout
    assert "damaged" not in checked.stdout
    assert again.get("/v1/results/r1/x").content == data
    assert again.get("/v1/integrity").json()["ok"]
    assert (two / "hub.db").stat().st_size < 1_000_000
    assert results_of(two)[0].stat().st_mode & 0o777 == 0o600


def test_what_was_there_keeps_its_results_and_can_be_restored(
    start: Start, tmp_path: Path
) -> None:
    hub = start(home=tmp_path / "one")
    write(hub, "x", b"first" * 100_000)
    done(swarmtui(hub.home, "backup", tmp_path / "copy"))
    write(hub, "x", b"second" * 100_000)
    hub.stop()

    done(swarmtui(hub.home, "restore", tmp_path / "copy", "--yes"))
    first = start(home=hub.home)
    before = first.get("/v1/results/r1/x").content
    kept_files = len(results_of(hub.home))
    first.stop()
    (kept,) = (p for p in hub.home.glob("hub.db.before-*") if p.is_file())
    done(swarmtui(tmp_path / "two", "restore", kept))
    second = start(home=tmp_path / "two")

    assert before == b"first" * 100_000
    assert kept_files == 1
    assert second.get("/v1/results/r1/x").content == b"second" * 100_000


def test_what_a_backup_cannot_have_is_told(start: Start, tmp_path: Path) -> None:
    hub = start(home=tmp_path / "one")
    write(hub, "x", b"x" * 100_000)
    write(hub, "y", b"y" * 100_000)
    results_of(hub.home)[0].unlink()

    backup = swarmtui(hub.home, "backup", tmp_path / "copy")
    restored = swarmtui(tmp_path / "two", "restore", tmp_path / "copy")
    at_work = swarmtui(hub.home, "doctor")
    at_rest = swarmtui(tmp_path / "two", "doctor")

    for ended in (backup, restored):
        done(ended)
        assert "1 large result without a file" in ended.stderr
    for told in (at_work, at_rest):
        assert told.returncode == 1
        assert "of a result is missing" in told.stdout
