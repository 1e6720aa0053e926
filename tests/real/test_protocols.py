"""What real programs say over MCP, and in OpenTelemetry."""

import json
from typing import Any

import pytest

from tests.real.bench import Bench
from tests.real.dialects import Call
from tests.real.tmux import until

pytestmark = pytest.mark.timeout(400)

TITLE = "paint the door"

NAMES = {
    "claude": "mcp__swarm__{}",
    "codex": "mcp__swarm/{}",
    "gemini": "mcp_swarm_{}",
    "copilot": "swarm-{}",
    "opencode": "swarm_{}",
    "goose": "swarm__{}",
}
"""What the model finds our tools called."""

ALONE = {
    "claude": ("-p", "--allowedTools", "mcp__swarm__claim,mcp__swarm__complete", "--"),
    "codex": ("exec", "--skip-git-repo-check"),
    "gemini": ("-m", "gemini-2.5-pro", "-p"),
    "copilot": ("--allow-tool", "swarm", "-p"),
    "opencode": ("run",),
    "goose": ("run", "-t"),
}
"""How a prompt is done without anybody in front of it."""

AT_ONCE = {"ENABLE_TOOL_SEARCH": "false", "GOOSE_MODE": "auto"}
"""So that tools are there, and used without a question."""

ADD = {
    "claude": ("mcp", "add", "swarm", "-e", "SWARMTUI_AGENT=builder-1", "--"),
    "codex": (
        *("mcp", "add", "swarm", "--env", "SWARMTUI_AGENT=builder-1"),
        *("--env", "SWARMTUI_HOME={home}", "--"),  # it passes little else on
    ),
    "gemini": ("mcp", "add", "-e", "SWARMTUI_AGENT=builder-1", "--trust", "swarm"),
    "copilot": ("mcp", "add", "swarm", "--env", "SWARMTUI_AGENT=builder-1", "--"),
}
"""How our server is added, but for its command."""

ADD_ADDRESS = {
    "codex": (
        *("mcp", "add", "swarm", "--url", "{url}/mcp?agent=builder-1"),
        *("--bearer-token-env-var", "SWARMTUI_TOKEN"),
    ),
    "gemini": (
        *("mcp", "add", "-t", "http", "-H", "Authorization: Bearer {token}"),
        *("--trust", "swarm", "{url}/mcp?agent=builder-1"),
    ),
    "copilot": (
        *("mcp", "add", "--transport", "http", "swarm", "{url}/mcp?agent=builder-1"),
        *("--header", "Authorization: Bearer {token}"),
    ),
}
"""How the hub itself is added."""

COMMAND = {
    "opencode": {"type": "local", "command": ["agentkit", "mcp"]},
    "goose": {"type": "stdio", "cmd": "agentkit", "args": ["mcp"]},
}
"""How it stands in a file, where nothing adds it."""


def address(bench: Bench) -> dict[str, Any]:
    """Return how it stands in a file without a command."""
    where = f"{bench.hub.url}/mcp?agent=builder-1"
    headers = {"Authorization": f"Bearer {bench.hub.token}"}
    if bench.program.word == "opencode":
        return {"type": "remote", "url": where, "headers": headers}
    return {"type": "streamable_http", "uri": where, "headers": headers}


def write(bench: Bench, server: dict[str, Any]) -> None:
    """Write our server into the settings."""
    if bench.program.word == "opencode":
        path = bench.home / ".config/opencode/opencode.json"
        settings = {**json.loads(path.read_text()), "mcp": {"swarm": server}}
    else:
        path = bench.home / ".config/goose/config.yaml"  # JSON is YAML as well
        path.parent.mkdir(parents=True)
        server = {**server, "enabled": True, "name": "swarm", "timeout": 60}
        settings = {"extensions": {"swarm": server}}
    path.write_text(json.dumps(settings))


def add(bench: Bench, words: tuple[str, ...], *command: str) -> None:
    """Add our server as its page says."""
    hub = bench.hub
    known = {"home": hub.home, "url": hub.url, "token": hub.token}
    bench.headless(*(word.format(**known) for word in words), *command)


def does_a_task(bench: Bench) -> None:
    """See a task claimed and done with our tools."""
    name, word = NAMES[bench.program.word], bench.program.word
    bench.environ |= {"SWARMTUI_AGENT": "builder-1", **AT_ONCE}
    task = {"id": "T1", "title": TITLE, "agent": "builder-1"}
    bench.hub.report("builder-1", "idle")
    bench.hub.post("/v1/tasks", task).raise_for_status()
    done = {"task": "T1", "result": {"colour": "red"}}
    calls = Call(name.format("claim"), {}), Call(name.format("complete"), done)
    bench.model.when("do what is next", *calls, "It is red.")
    said = bench.headless(*ALONE[word], "do what is next")

    assert "It is red." in said
    row = bench.task("T1")
    assert (row["state"], row["result"]) == ("done", {"colour": "red"})


@pytest.mark.parametrize("word", NAMES)
def test_a_task_is_claimed_and_done_over_mcp(bench: Bench) -> None:
    word = bench.program.word
    if word in ADD:
        add(bench, ADD[word], "agentkit", "mcp")
    else:
        write(bench, COMMAND[word])

    does_a_task(bench)


@pytest.mark.parametrize("word", [*ADD_ADDRESS, *COMMAND])
def test_no_process_of_ours_is_needed_for_that(bench: Bench) -> None:
    word = bench.program.word
    bench.environ["SWARMTUI_TOKEN"] = bench.hub.token
    if word in ADD_ADDRESS:
        add(bench, ADD_ADDRESS[word])
    else:
        write(bench, address(bench))

    does_a_task(bench)


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


OTEL = """
[otel]
log_user_prompt = false

[otel.exporter.otlp-http]
endpoint = "{url}/otlp/v1/logs"
protocol = "json"
headers = {{ "Authorization" = "Bearer {token}" }}
"""
"""What has Codex export what it used."""


@pytest.mark.parametrize("word", ["codex"])
def test_what_a_session_used_is_counted_as_its_settings_say(bench: Bench) -> None:
    settings = bench.home / ".codex" / "config.toml"
    with settings.open("a") as file:
        file.write(OTEL.format(url=bench.hub.url, token=bench.hub.token))
    bench.agentkit("hooks", "install", "codex")
    bench.headless(*ALONE["codex"], "--dangerously-bypass-hook-trust", "hello")
    until(lambda: bench.agent and bench.agent["tokens_in"], "it is counted")

    assert (bench.agent["tokens_in"], bench.agent["tokens_out"]) == (100, 20)


@pytest.mark.parametrize("word", ["gemini"])
def test_what_gemini_used_is_counted_by_its_session(bench: Bench) -> None:
    path = bench.home / ".gemini/settings.json"
    exported = {"otlpProtocol": "http", "otlpEndpoint": f"{bench.hub.url}/otlp"}
    telemetry = {"enabled": True, "target": "local", "logPrompts": False, **exported}
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "telemetry": telemetry})
    )
    header = f"Authorization=Bearer {bench.hub.token}"
    bench.environ["OTEL_EXPORTER_OTLP_HEADERS"] = header
    bench.agentkit("hooks", "install", "gemini")
    bench.headless(*ALONE["gemini"], "hello")
    until(lambda: bench.agent["tokens_in"], "it is counted")

    assert (bench.agent["tokens_in"], bench.agent["tokens_out"]) == (100, 20)


@pytest.mark.parametrize("word", ["copilot"])
def test_what_copilot_used_is_counted_by_its_token(bench: Bench) -> None:
    *_, token = bench.swarmtui("token", "derive", "agent:builder-1").split()
    bench.environ |= {
        "SWARMTUI_AGENT": "builder-1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{bench.hub.url}/otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {token}",
    }
    bench.agentkit("hooks", "install", "copilot")
    bench.headless(*ALONE["copilot"], "hello")
    until(lambda: bench.agent["tokens_in"], "it is counted")

    assert (bench.agent["tokens_in"], bench.agent["tokens_out"]) == (100, 20)


@pytest.mark.parametrize("word", ["opencode"])
def test_what_its_plugin_counts_is_counted(bench: Bench) -> None:
    bench.agentkit("hooks", "install", "opencode")
    bench.headless("run", "hello")
    until(lambda: bench.agent and bench.agent["tokens_in"], "it is counted")

    assert (bench.agent["tokens_in"], bench.agent["tokens_out"]) == (100, 20)
