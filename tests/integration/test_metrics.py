"""The figures of a hub, as Prometheus reads them."""

import re
from pathlib import Path

from agentkit.settings import Endpoint
from agentkit.transports import Event
from agentkit.transports.hub import HubTransport
from tests.integration.conftest import RunningHub, Start
from tests.integration.test_letters import told as told_of_letter

OPERATION = Path(__file__).parents[2] / "docs" / "operation.md"


async def ignore(_event: Event) -> None: ...


def figures(hub: RunningHub) -> dict[str, float]:
    """Return every sample by name and labels."""
    lines = hub.get("/metrics").text.splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def claim(hub: RunningHub) -> dict[str, int]:
    reply = hub.post("/v1/claims", {"agent": "worker"})
    task: dict[str, int] = reply.json()["tasks"][0]
    return task


def test_the_queue_is_told_by_state_with_claims_and_dead_ones(
    fresh: RunningHub,
) -> None:
    for task in ("T1", "T2", "T3"):
        fresh.post("/v1/tasks", {"id": task, "needs": [], "max_attempts": 1})
    first, second = claim(fresh), claim(fresh)
    own = {"agent": "worker", "fence": first["fence"]}
    fresh.post(f"/v1/tasks/{first['id']}/complete", own).raise_for_status()
    own = {"agent": "worker", "fence": second["fence"], "reason": "no"}
    fresh.post(f"/v1/tasks/{second['id']}/fail", own).raise_for_status()

    told = figures(fresh)

    assert told['swarmtui_tasks{state="queued"}'] == 1
    assert told['swarmtui_tasks{state="done"}'] == 1
    assert told['swarmtui_tasks{state="dead"}'] == 1
    assert told['swarmtui_tasks{state="leased"}'] == 0
    assert told["swarmtui_claims_total"] == 2
    assert told["swarmtui_tasks_done_total"] == 1
    assert told["swarmtui_tasks_dead_total"] == 1
    assert told["swarmtui_leases_expired_total"] == 0
    assert told["swarmtui_dead_letters"] == 0


async def test_the_bus_and_every_link_tell_theirs(fresh: RunningHub) -> None:
    async with (
        HubTransport(Endpoint(fresh.url, fresh.token), name="hears") as hears,
        HubTransport(Endpoint(fresh.url, fresh.token), name="says") as says,
    ):
        await hears.subscribe("job.*", ignore)
        for _ in range(3):
            await says.publish(Event("job.made"))
        await says.publish(Event("other.made"))
        await says.tell(told_of_letter("L1", "works"))
        told = figures(fresh)

    assert told["swarmtui_bus_messages_total"] == 4
    assert told["swarmtui_bus_delivered_total"] == 3
    assert told["swarmtui_bus_connections"] == 2
    # Each transport subscribes to what is requeued.
    assert told["swarmtui_bus_patterns"] == 3
    assert told['swarmtui_link_connected{link="bus"}'] == 1
    assert told['swarmtui_link_dropped_total{link="bus"}'] == 0
    assert told['swarmtui_link_received_total{link="bus"}'] >= 10
    assert told['swarmtui_link_in_bytes_total{link="bus"}'] > 0
    assert 0 < told['swarmtui_link_latency_seconds{link="bus",quantile="0.5"}'] < 10
    assert told["swarmtui_letters"] == told["swarmtui_letters_dead_total"] == 1


def test_requests_are_a_link(fresh: RunningHub) -> None:
    before = figures(fresh)
    fresh.report("a1", "idle")

    told = figures(fresh)

    received = 'swarmtui_link_received_total{link="http"}'
    # The report, and the figures of before.
    assert told[received] - before[received] == 2
    assert told['swarmtui_link_queue{link="http"}'] == 1
    assert told['swarmtui_link_latency_seconds{link="http",quantile="0.99"}'] > 0


def test_the_store_tells_its_size_and_the_time_of_its_commits(start: Start) -> None:
    hub = start()
    hub.report("a1", "busy")

    told = figures(hub)

    files = [hub.home / "hub.db", hub.home / "hub.db-wal"]
    assert told["swarmtui_store_bytes"] == sum(file.stat().st_size for file in files)
    assert 0 < told["swarmtui_commit_seconds"] <= told["swarmtui_commits_seconds_total"]
    assert told["swarmtui_turns_total"] >= 2


def test_every_figure_says_what_it_is_and_docs_list_it(fresh: RunningHub) -> None:
    text = fresh.get("/metrics").text

    told = dict(re.findall(r"^# HELP (swarmtui_\w+) (.+)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (swarmtui_\w+) (\w+)$", text, re.MULTILINE))
    assert told.keys() == kinds.keys()
    assert all(about.endswith(".") for about in told.values())
    assert set(kinds.values()) <= {"counter", "gauge"}
    assert not [name for name in told if f"`{name}`" not in OPERATION.read_text()]
