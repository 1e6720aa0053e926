"""Telemetry in OTLP over HTTP: what is exported, and what an agent has cost then."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.auth import Keys
from server.otlp.edge import LARGEST
from tests.integration.conftest import RunningHub, launch

CAPTURED = Path(__file__).parents[1] / "fixtures" / "agents"


def lines(name: str) -> dict[str, Any]:
    """Return what a product exported, by the path that it went to."""
    said = map(json.loads, (CAPTURED / name).read_text().splitlines())
    return {line["path"]: line["body"] for line in said}


LINES = lines("claude-otlp-2.1.329.jsonl")
CODEX = lines("codex-otlp-0.169.0.jsonl")


def captured(path: str, agent: str) -> Any:
    """Return what was captured, as if it were of an agent."""
    return json.loads(json.dumps(LINES[path]).replace('"a1"', json.dumps(agent)))


METRICS, LOGS = "/otlp/v1/metrics", "/otlp/v1/logs"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    running = launch(tmp_path_factory.mktemp("hub"))
    yield running
    running.stop()


@pytest.fixture
def a1(hub: RunningHub, request: pytest.FixtureRequest) -> str:
    """An agent of the test's own, which is busy."""
    key: str = request.node.name.replace("/", "-")
    hub.report(key, "busy")
    return key


def attributes(**said: str) -> list[dict[str, Any]]:
    names = {name.replace("__", "."): value for name, value in said.items()}
    return [{"key": key, "value": {"stringValue": text}} for key, text in names.items()]


def dollars(amount: float, total: bool = False, **said: str) -> dict[str, Any]:
    """Return metrics that tell of a cost, with attributes of their resource."""
    start = time.time_ns()
    point = {"asDouble": amount, "startTimeUnixNano": str(start)}
    data = {"aggregationTemporality": 2 if total else 1, "dataPoints": [point]}
    metric = {"name": "claude_code.cost.usage", "sum": data}
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes(**said)},
                "scopeMetrics": [{"metrics": [metric]}],
            }
        ]
    }


def agent(hub: RunningHub, key: str) -> dict[str, Any]:
    found: dict[str, Any] = hub.get(f"/v1/agents/{key}").json()["agent"]
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def figure(hub: RunningHub, name: str) -> float:
    text = hub.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith(f"swarmtui_{name}")]
    return float(lines[0].split()[1])


def test_what_claude_code_exports_is_what_its_agent_cost(
    hub: RunningHub, a1: str
) -> None:

    answers = [
        hub.post(f"/otlp{path}", captured(path, a1))
        for path in ("/v1/logs", "/v1/metrics")
    ]

    row = agent(hub, a1)
    assert [(each.status_code, each.json()) for each in answers] == [(200, {})] * 2
    assert (row["cost"], row["spent"]) == (0.00014, 0.00014)
    assert (row["tokens_in"], row["tokens_out"]) == (10, 5)
    assert row["status"] == "busy"
    assert hub.get("/status").json()["agents"][a1]["cost_spent"] == 0.00014


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics"])
def test_each_way_to_tell_it_will_do(hub: RunningHub, a1: str, path: str) -> None:

    hub.post(f"/otlp{path}", captured(path, a1))

    assert (agent(hub, a1)["cost"], agent(hub, a1)["tokens_in"]) == (0.00014, 10)


def test_what_codex_exports_is_found_by_its_session(hub: RunningHub) -> None:
    hub.report("codex-shop-159e87@box", "busy")
    answer = hub.post(LOGS, CODEX["/v1/logs"])

    row = agent(hub, "codex-shop-159e87@box")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (row["tokens_in"], row["tokens_out"], row["cost"]) == (100, 20, 0.0)


def test_the_metrics_of_codex_are_of_whose_token_they_come_with(
    hub: RunningHub, a1: str
) -> None:
    own = {"authorization": f"Bearer {Keys.load(hub.home).derive(f'agent:{a1}')}"}
    nameless = hub.post(METRICS, CODEX["/v1/metrics"])
    hub.post(METRICS, CODEX["/v1/metrics"], headers=own)
    hub.post(LOGS, CODEX["/v1/logs"], headers=own)

    assert nameless.json()["partialSuccess"]["rejectedDataPoints"] == "2"
    row = agent(hub, a1)
    assert (row["tokens_in"], row["tokens_out"]) == (100, 20), "the same, told twice"


def test_an_export_that_is_sent_again_counts_once(hub: RunningHub, a1: str) -> None:
    body = dollars(1.5, swarm__agent=a1)

    for _ in range(3):
        assert hub.post(METRICS, body).json() == {}
    hub.post(METRICS, dollars(1.0, swarm__agent=a1))

    assert agent(hub, a1)["cost"] == 2.5


def test_an_export_that_is_sent_again_to_the_next_hub_counts_once(
    tmp_path: Path,
) -> None:
    body = dollars(1.5, swarm__agent="a1")
    for _ in range(2):
        running = launch(tmp_path / "hub")
        running.report("a1", "busy")
        running.post(METRICS, body)
        cost = agent(running, "a1")["cost"]
        running.stop()

    assert cost == 1.5


def test_totals_count_by_their_rise(hub: RunningHub, a1: str) -> None:
    body = dollars(1.0, total=True, swarm__agent=a1)
    point = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]
    for amount in (1.0, 1.5, 4.0):
        point["dataPoints"][0]["asDouble"] = amount
        hub.post(METRICS, body)

    assert agent(hub, a1)["cost"] == 4.0


def test_a_session_is_found_by_what_its_hooks_call_it(hub: RunningHub) -> None:
    session = "25ac5053-4dfa-4e18-9ea6-46f2f4f8c9fe"
    hub.report("claude-shop-f8c9fe@box", "busy")

    hub.post(METRICS, dollars(2.0, session__id=session))

    assert agent(hub, "claude-shop-f8c9fe@box")["cost"] == 2.0


def test_what_comes_before_the_first_report_is_counted_with_it(
    hub: RunningHub,
) -> None:
    named = hub.post(METRICS, dollars(2.0, swarm__agent="newcomer"))
    session = hub.post(METRICS, dollars(3.0, session__id="0123456789abcdef"))

    hub.report("newcomer", "busy")
    hub.report("codex-shop-abcdef@box", "busy")

    assert (named.json(), session.json()) == ({}, {})
    until(lambda: agent(hub, "newcomer")["cost"] == 2.0)
    until(lambda: agent(hub, "codex-shop-abcdef@box")["cost"] == 3.0)


def test_what_is_of_nobody_is_told_of(hub: RunningHub) -> None:
    before = figure(hub, "telemetry_dropped_total")

    answer = hub.post(METRICS, dollars(2.0))

    partial = answer.json()["partialSuccess"]
    assert answer.status_code == 200
    assert partial["rejectedDataPoints"] == "1"
    assert "swarm.agent=NAME" in partial["errorMessage"]
    assert figure(hub, "telemetry_dropped_total") == before + 1


def test_what_is_not_known_is_accepted_and_counted(hub: RunningHub, a1: str) -> None:
    body = dollars(2.0, swarm__agent=a1)
    metric = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]
    metric["name"] = "claude_code.commit.count"

    before = figure(hub, "telemetry_other_total")

    assert hub.post(METRICS, body).json() == {}
    assert hub.post(LOGS, {}).json() == {}
    assert figure(hub, "telemetry_other_total") == before + 1


def test_an_agents_token_is_good_for_itself_alone(hub: RunningHub, a1: str) -> None:
    hub.report("a2", "busy")
    own = {"authorization": f"Bearer {Keys.load(hub.home).derive(f'agent:{a1}')}"}

    nameless = hub.post(METRICS, dollars(1.0), headers=own)
    session = hub.post(METRICS, dollars(2.0, session__id="s"), headers=own)
    named = hub.post(METRICS, dollars(4.0, swarm__agent=a1), headers=own)
    other = hub.post(METRICS, dollars(8.0, swarm__agent="a2"), headers=own)

    codes = [each.status_code for each in (nameless, session, named, other)]
    assert codes == [200, 200, 200, 403]
    assert (agent(hub, a1)["cost"], agent(hub, "a2")["cost"]) == (7.0, 0.0)


def send(hub: RunningHub, body: bytes, path: str = METRICS, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    said = {"content-type": "application/json", **names}
    return hub.http.post(path, content=body, headers=said)


def test_an_export_may_be_packed(hub: RunningHub, a1: str) -> None:
    body = gzip.compress(json.dumps(dollars(1.0, swarm__agent=a1)).encode())

    answer = send(hub, body, content_encoding="gzip")

    assert answer.json() == {}
    assert agent(hub, a1)["cost"] == 1.0


def test_what_is_packed_may_not_be_larger_than_the_rest(hub: RunningHub) -> None:
    bomb = gzip.compress(b" " * (LARGEST + 1))

    answer = send(hub, bomb, content_encoding="gzip")

    assert len(bomb) < 100_000
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "headers", "code", "said"),
    [
        (b"\x0a", {"content_type": "application/x-protobuf"}, 415, "http/json"),
        (b"{}", {"content_encoding": "zstd"}, 415, "use gzip"),
        (b"{}", {"content_encoding": "gzip"}, 400, "not gzip"),
        (
            gzip.compress(b"{}", mtime=0)[:-4],
            {"content_encoding": "gzip"},
            400,
            "too early",
        ),
        (b"{", {}, 400, "not JSON"),
        (b"[" * 5000, {}, 400, "not JSON"),
        (b"[]", {}, 400, "not an object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_helps(
    hub: RunningHub, body: bytes, headers: dict[str, str], code: int, said: str
) -> None:
    answer = send(hub, body, **headers)

    assert answer.status_code == code
    assert said in answer.json()["detail"]


def test_traces_are_let_be(hub: RunningHub) -> None:
    answer = send(
        hub, b"\x0a\x00", "/otlp/v1/traces", content_type="application/x-protobuf"
    )

    assert (answer.status_code, answer.json()) == (200, {})


def test_whoever_spends_its_budget_gets_no_new_work(tmp_path: Path) -> None:
    hub = launch(tmp_path / "hub", "--budget", "2")
    for each in ("a1", "a2"):
        hub.report(each, "idle")

    hub.post(METRICS, dollars(2.5, swarm__agent="a1"))
    hub.post("/v1/tasks", {"title": "cut"}).raise_for_status()
    none = hub.post("/v1/claims", {"agent": "a1"}).json()["tasks"]
    one = hub.post("/v1/claims", {"agent": "a2"}).json()["tasks"]
    events = hub.get("/v1/events?subject=agent.overspent").json()["events"]
    hub.stop()

    assert (none, len(one)) == ([], 1)
    assert [each["data"]["spent"] for each in events] == [2.5]
