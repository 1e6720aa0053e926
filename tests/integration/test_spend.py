"""What agents say that they used: over HTTP, the WebSocket and from a shell."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator
from agentkit.errors import Invalid
from tests.integration.conftest import RunningHub, Start
from tests.integration.shell import Shell

USED = {"cost": 0.02, "tokens_in": 12, "tokens_out": 3}


def bill(hub: RunningHub, agent: str) -> tuple[float, int, int]:
    row = hub.get(f"/v1/agents/{agent}").json()["agent"]
    return row["cost"], row["tokens_in"], row["tokens_out"]


def tokens(amount: int, agent: str) -> dict[str, Any]:
    """Return metrics by which an agent has read so many tokens."""
    said = {"swarm.agent": agent, "gen_ai.token.type": "input"}
    named = [{"key": k, "value": {"stringValue": v}} for k, v in said.items()]
    point = {"asInt": amount, "attributes": named}
    data = {"aggregationTemporality": 1, "dataPoints": [point]}
    metric = {"name": "gen_ai.client.token.usage", "sum": data}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


# --- over HTTP -----------------------------------------------------------------------


def test_what_is_told_again_with_its_key_counts_once(hub: RunningHub, me: str) -> None:
    hub.report(me, "busy")

    for _ in range(2):
        again = hub.post(
            f"/v1/agents/{me}/spend", USED, headers={"Idempotency-Key": me}
        )

    assert again.status_code == 200
    assert again.json()["agent"]["spent"] == 0.02
    assert bill(hub, me) == (0.02, 12, 3)


def test_what_telemetry_tells_of_the_same_is_not_added(
    hub: RunningHub, me: str
) -> None:
    hub.report(me, "busy")

    for read in (10, 5):
        hub.post("/otlp/v1/metrics", tokens(read, me)).raise_for_status()
    hub.post(f"/v1/agents/{me}/spend", USED).raise_for_status()

    assert bill(hub, me) == (0.02, 15, 3)


@pytest.mark.parametrize(
    "used", [{"cost": -1}, {"tokens_in": -1}, {"tokens_out": 1.5}, {"cost": "much"}]
)
def test_what_cannot_be_used_is_refused(
    hub: RunningHub, me: str, used: dict[str, Any]
) -> None:
    hub.report(me, "busy")

    assert hub.post(f"/v1/agents/{me}/spend", used).status_code == 422
    assert bill(hub, me) == (0, 0, 0)


def test_nobody_spends_who_is_not_there(hub: RunningHub, me: str) -> None:
    assert hub.post(f"/v1/agents/{me}/spend", USED).status_code == 404


# --- over the WebSocket --------------------------------------------------------------


async def test_a_frame_that_comes_again_counts_once(hub: RunningHub, me: str) -> None:
    for _ in range(2):
        async with hub.agent(me) as line:
            await line.say("spend", seq=1, **USED)
            await line.say("notify", seq=2, report="busy")
            while line.acked < 2 and line.welcome["accepted"] < 2:
                await line.hear("ack")

    assert bill(hub, me) == (0.02, 12, 3)


async def test_an_agent_tells_later_what_it_used_while_the_hub_was_away(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    hub = start()
    hub.stop()
    monkeypatch.setenv("SWARMTUI_URL", hub.url)
    async with Agent("a1", durable=True) as agent:
        await agent.spend(0.02, tokens_in=12, tokens_out=3)
    hub = start("--port", str(hub.port))
    async with Agent("a1", durable=True) as agent:
        await agent.spend(0.03)
        await agent.spend()
        await agent.flush()
        assert bill(hub, "a1") == (0.05, 12, 3)
    async with Coordinator() as swarm:
        assert swarm.agents["a1"].spent == 0.05


async def test_an_agent_is_told_at_once_what_cannot_be_used(
    hub: RunningHub, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    async with Agent(me) as agent:
        for used in ({"cost": -0.1}, {"cost": float("nan")}, {"tokens_in": -1}):
            with pytest.raises(Invalid, match="tell what was used since the last time"):
                await agent.spend(**used)
        await agent.spend(0.5)
        await agent.flush()

    assert bill(hub, me) == (0.5, 0, 0)


# --- from a shell --------------------------------------------------------------------

FLAGS = ("--cost", "0.02", "--tokens-in", "12", "--tokens-out", "3")


def test_a_script_tells_what_it_used(run: Shell, hub: RunningHub, me: str) -> None:
    hub.report(me, "busy")

    said = run("spend", "--agent", me, *FLAGS, "--json")

    assert (said.returncode, said.stderr) == (0, "")
    told = {"schema_version": 1, "agent": me, "delivered": True, "waiting": 0}
    assert json.loads(said.stdout) == told
    assert bill(hub, me) == (0.02, 12, 3)


def test_what_a_script_used_waits_for_the_hub(alone: Shell, start: Start) -> None:
    home = Path(alone.environ["SWARMTUI_HOME"])
    hub = start(home=home)
    hub.stop()
    alone.environ |= {"SWARMTUI_URL": hub.url, "SWARMTUI_AGENT": "a1"}
    alone("notify", "busy")
    away = alone("spend", *FLAGS)
    hub = start("--port", str(hub.port), home=home)
    back = alone("spend", "--cost", "1", "--strict")

    assert (away.returncode, back.returncode, back.stderr) == (0, 0, "")
    assert "2 reports wait on disk" in away.stderr
    assert bill(hub, "a1") == (1.02, 12, 3)


@pytest.mark.parametrize("flags", [(), ("--cost", "-1"), ("--cost", "nan")])
def test_nothing_and_less_is_refused(run: Shell, me: str, flags: tuple[str]) -> None:
    said = run("spend", "--agent", me, *flags)

    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
