"""What real programs say over MCP, and in OpenTelemetry."""

import pytest

from tests.real.bench import Bench
from tests.real.dialects import Call
from tests.real.tmux import until

pytestmark = pytest.mark.timeout(400)

TITLE = "paint the door"

NAMES = {
    "claude": "mcp__swarm__{}",
}
"""What the model finds our tools called."""

ALONE = {
    "claude": ("-p", "--allowedTools", "mcp__swarm__claim,mcp__swarm__complete", "--"),
}
"""How a prompt is done without anybody in front of it."""

SAYS_WHO = ("-e", "SWARMTUI_AGENT=builder-1")

ADD = {
    "claude": ("mcp", "add", "swarm", *SAYS_WHO, "--"),
}
"""How our server is added, but for its command."""


@pytest.mark.parametrize("word", NAMES)
def test_a_task_is_claimed_and_done_over_mcp(bench: Bench) -> None:
    name, word = NAMES[bench.program.word], bench.program.word
    bench.environ |= {"SWARMTUI_AGENT": "builder-1", "ENABLE_TOOL_SEARCH": "false"}
    task = {"id": "T1", "title": TITLE, "agent": "builder-1"}
    bench.hub.report("builder-1", "idle")
    bench.hub.post("/v1/tasks", task).raise_for_status()
    done = {"task": "T1", "result": {"colour": "red"}}
    calls = Call(name.format("claim"), {}), Call(name.format("complete"), done)
    bench.model.when("do what is next", *calls, "It is red.")
    bench.headless(*ADD[word], "agentkit", "mcp")
    said = bench.headless(*ALONE[word], "do what is next")

    assert "It is red." in said
    row = bench.task("T1")
    assert (row["state"], row["result"]) == ("done", {"colour": "red"})


@pytest.mark.parametrize("word", ["claude"])
def test_what_a_session_used_is_counted(bench: Bench) -> None:
    bench.environ |= {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{bench.hub.url}/otlp",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {bench.hub.token}",
    }
    bench.agentkit("hooks", "install", "claude")
    bench.headless("-p", "hello")
    until(lambda: bench.agent["cost"] or bench.agent["tokens_in"], "it is counted")

    agent = bench.agent
    assert agent["spent"] > 0
    assert (agent["tokens_in"], agent["tokens_out"]) == (100, 20)
