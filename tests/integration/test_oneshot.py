"""`agentkit.notify` in Python, and many at once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit import notify
from agentkit.errors import HubRefused, Invalid
from agentkit.settings import KitSettings

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def busy_with(hub: Any, agent: str) -> list[str]:
    events = hub.get(f"/v1/agents/{agent}/history?limit=1000").json()["events"]
    return [e["data"]["task"] for e in reversed(events) if e["subject"] == "agent.busy"]


def test_a_report_says_that_it_was_delivered(start: Start) -> None:
    hub = start("--store", "memory")

    sent = notify("busy", "T1", agent="a/1 ü", cost=1.5)

    assert (sent.agent, sent.delivered, sent.waiting) == ("a/1 ü", True, 0)
    assert busy_with(hub, "a%2F1%20%C3%BC") == ["T1"]


def test_a_report_waits_for_the_hub_and_says_why() -> None:
    sent = notify("busy", "T1", agent="a1")

    assert (sent.delivered, sent.waiting) == (False, 1)
    assert "no hub answers at http://127.0.0.1:8765" in sent.reason


def test_what_the_hub_refuses_is_raised_and_not_kept(start: Start, home: Path) -> None:
    hub = start("--store", "memory")
    wrong = KitSettings(url=hub.url, token="wrong")

    with pytest.raises(Invalid, match="at most 16,384"):
        notify("blocked", agent="a1", message="x" * 20_000)
    with pytest.raises(HubRefused, match="token"):
        notify("idle", agent="a1", settings=wrong)
    assert not list(home.rglob("reports/*/*.json"))


def test_reports_for_one_hub_do_not_go_to_another(start: Start) -> None:
    elsewhere = KitSettings(url="http://127.0.0.1:1")
    notify("busy", "T-elsewhere", agent="a1", settings=elsewhere)
    hub = start("--store", "memory")

    assert notify("busy", "T1", agent="a1").delivered
    assert busy_with(hub, "a1") == ["T1"]
    assert notify("busy", "T2", agent="a1", settings=elsewhere).waiting == 2


async def test_many_processes_that_drain_at_once_have_each_report_once(
    start: Start, home: Path
) -> None:
    for number in range(30):
        notify("busy", f"T{number}", agent="a1")
    hub = start()
    code = "import sys; from agentkit.cli import main; sys.exit(main())"
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, "notify", "idle", "--agent", f"b{number}"),
            env=environ,
            cwd=home,
            stderr=subprocess.DEVNULL,
        )
        for number in range(6)
    ]
    codes = [await process.wait() for process in processes]
    notify("idle", agent="a1")

    assert codes == [0] * 6
    assert busy_with(hub, "a1") == [f"T{n}" for n in range(30)]
