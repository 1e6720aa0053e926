"""``swarmtui rekey``: a whole store sealed anew from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import RunningHub, Start

MARKER = "a word that nobody else says"
ONE = "the first key, long enough for everybody"
OTHER = "the second key, just as long as that"


def rekey(home: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swarmtui", "rekey", *args],
        env={**os.environ, "SWARMTUI_HOME": str(home), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def key(now: str, before: str = "") -> dict[str, str]:
    return {
        "SWARMTUI_STORAGE_MASTER_KEY": now,
        "SWARMTUI_STORAGE_MASTER_KEY_PREVIOUS": before,
    }


def store_of(hub: RunningHub) -> bytes:
    return (hub.home / "hub.db").read_bytes()


def stopped(start: Start) -> RunningHub:
    """Return a hub that has stopped, with what an agent said in its store."""
    hub = start()
    hub.report("a1", "busy", task="T1", message=MARKER)
    hub.stop()
    return hub


def test_a_plain_store_is_sealed_with_its_key_and_works(start: Start) -> None:
    hub = stopped(start)
    plain = store_of(hub)

    ended = rekey(hub.home, **key(ONE))
    sealed = store_of(hub)
    again = rekey(hub.home, "--json", **key(ONE))

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{hub.home / 'hub.db'}\n"
    assert "sealed" in ended.stderr
    assert MARKER.encode() in plain
    assert MARKER.encode() not in sealed
    assert json.loads(again.stdout)["rekey"]["texts"] == 0


def test_a_key_is_changed_and_the_one_before_is_needed_no_more(start: Start) -> None:
    hub = stopped(start)
    rekey(hub.home, **key(ONE))

    refused = rekey(hub.home, **key(OTHER))
    changed = rekey(hub.home, **key(OTHER, ONE))
    forgotten = rekey(hub.home, **key(ONE))
    unsealed = rekey(hub.home, "--plain", **key(OTHER))

    assert refused.returncode != 0
    assert "storage_master_key" in refused.stderr
    assert changed.returncode == 0, changed.stderr
    assert forgotten.returncode != 0
    assert unsealed.returncode == 0, unsealed.stderr
    assert MARKER.encode() in store_of(hub)


def test_a_hub_goes_on_with_a_store_that_was_sealed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = stopped(start)
    rekey(hub.home, **key(ONE))
    monkeypatch.setenv("SWARMTUI_STORAGE_MASTER_KEY", ONE)

    again = start(home=hub.home)

    row = again.get("/v1/agents/a1").json()["agent"]
    history = again.get("/v1/agents/a1/history").json()["events"]
    assert row["message"] == MARKER
    assert MARKER in [event["data"].get("message") for event in history]


def test_a_store_that_a_hub_has_is_left_alone(start: Start) -> None:
    hub = start()

    refused = rekey(hub.home, **key(ONE))

    assert refused.returncode != 0
    assert "is in use" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_a_key_nothing_is_done(start: Start) -> None:
    hub = stopped(start)
    before = store_of(hub)

    refused = rekey(hub.home)

    assert refused.returncode != 0
    assert "there is no key" in refused.stderr
    assert store_of(hub) == before


def test_large_results_are_sealed_anew_too(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = MARKER.encode() * 20_000
    hub = start()
    hub.http.put("/v1/results/r1/x", content=data).raise_for_status()
    hub.stop()

    def on_disk() -> bytes:
        (path,) = (p for p in (hub.home / "results").rglob("*") if p.is_file())
        return path.read_bytes()

    plain = on_disk()
    for keys in (key(ONE), key(OTHER, ONE)):
        assert rekey(hub.home, **keys).returncode == 0
        assert MARKER.encode() not in on_disk()
    monkeypatch.setenv("SWARMTUI_STORAGE_MASTER_KEY", OTHER)
    again = start(home=hub.home)
    found = again.get("/v1/results/r1/x").content
    again.stop()
    unsealed = rekey(hub.home, "--plain", **key(OTHER))

    assert plain == data == found
    assert unsealed.returncode == 0, unsealed.stderr
    assert on_disk() == data
