"""What counts in an export of OTLP."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.otlp.reading import Export, read_logs, read_metrics

CAPTURED = Path(__file__).parents[3] / "fixtures" / "agents"
READ = {"/v1/metrics": read_metrics, "/v1/logs": read_logs}


def attribute(name: str, value: object) -> dict[str, Any]:
    kind = "stringValue" if isinstance(value, str) else "doubleValue"
    return {"key": name, "value": {kind: value}}


def metric(name: str, *points: dict[str, Any], shape: str = "sum") -> dict[str, Any]:
    data = {"dataPoints": list(points), "aggregationTemporality": 1}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{
        "name": name, shape: data,
    }]}]}]}  # fmt: skip


def point(value: object, **said: object) -> dict[str, Any]:
    names = {name.replace("__", "."): value for name, value in said.items()}
    told = [attribute(name, value) for name, value in names.items()]
    return {"asDouble": value, "attributes": told}


def log(name: str, **said: object) -> dict[str, Any]:
    names = {name.replace("__", "."): value for name, value in said.items()}
    record = {
        "body": {"stringValue": name},
        "attributes": [attribute(name, value) for name, value in names.items()],
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def sums(export: Export) -> Counter[str]:
    found: Counter[str] = Counter()
    for use in export.uses:
        found[use.counted] += use.amount  # type: ignore[assignment]
    return found


def captured(name: str) -> dict[str, Export]:
    lines = (CAPTURED / name).read_text().splitlines()
    said = map(json.loads, lines)
    return {line["path"]: READ[line["path"]](line["body"]) for line in said}


@pytest.mark.parametrize("path", READ)
def test_what_claude_code_sends_is_what_it_used(path: str) -> None:
    export = captured("claude-otlp-2.1.329.jsonl")[path]

    assert sums(export) == pytest.approx(
        {"cost": 0.00014, "tokens_in": 10, "tokens_out": 5}
    )
    assert {use.agent for use in export.uses} == {"a1"}
    assert {use.session[-8:] for use in export.uses} == {"f4f8c9fe"}
    assert {use.service for use in export.uses} == {"claude-code"}
    assert export.other > 0
    assert export.bad == 0


@pytest.mark.parametrize("path", READ)
def test_what_gemini_sends_is_what_it_used(path: str) -> None:
    export = captured("gemini-otlp-0.61.0.jsonl")[path]

    by_source = {use.source for use in export.uses}
    assert by_source == ({"metric", "gen_ai"} if "metrics" in path else {"log"})
    assert sums(export) == {
        "tokens_in": 100 * len(by_source),
        "tokens_out": 20 * len(by_source),
    }
    assert {use.session[-8:] for use in export.uses} == {"5e389bd4"}
    assert export.bad == 0


def test_what_copilot_sends_is_what_it_used() -> None:
    export = captured("copilot-otlp-1.0.102.jsonl")["/v1/metrics"]

    assert sums(export) == {"tokens_in": 100, "tokens_out": 20}
    assert {use.source for use in export.uses} == {"inference"}
    assert {(use.agent, use.session) for use in export.uses} == {("builder-1", "")}
    assert all(use.series for use in export.uses)
    assert export.bad == 0


def test_what_was_read_from_a_cache_was_read() -> None:
    kinds = {"input": 1, "cacheRead": 20, "cacheCreation": 300, "output": 4000}
    points = [point(value, type=kind) for kind, value in kinds.items()]

    export = read_metrics(metric("claude_code.token.usage", *points))

    assert sums(export) == {"tokens_in": 321, "tokens_out": 4000}


def test_gemini_counts_its_cache_within_its_input() -> None:
    kinds = {"input": 100, "cache": 80, "tool": 5, "output": 7, "thought": 3}
    points = [point(value, type=kind) for kind, value in kinds.items()]

    export = read_metrics(metric("gemini_cli.token.usage", *points))

    assert sums(export) == {"tokens_in": 105, "tokens_out": 10}
    assert export.other == 1


def test_codex_counts_parts_within_its_input_and_output() -> None:
    kinds = {
        "total": 115, "input": 100, "cached_input": 80,
        "output": 15, "reasoning_output": 9,
    }  # fmt: skip
    points = [
        {**point(0, token_type=kind), "sum": value} for kind, value in kinds.items()
    ]
    for each in points:
        del each["asDouble"]

    shape = "histogram"
    export = read_metrics(metric("codex.turn.token_usage", *points, shape=shape))

    assert sums(export) == {"tokens_in": 100, "tokens_out": 15}


@pytest.mark.parametrize("shape", ["histogram", "exponentialHistogram"])
def test_the_semantic_conventions_are_understood(shape: str) -> None:
    points = [
        {
            "sum": value,
            "count": "2",
            "attributes": [attribute("gen_ai.token.type", kind)],
        }
        for kind, value in {"input": 30.0, "output": 4}.items()
    ]

    export = read_metrics(metric("gen_ai.client.token.usage", *points, shape=shape))

    assert sums(export) == {"tokens_in": 30, "tokens_out": 4}
    assert {use.source for use in export.uses} == {"gen_ai"}


def test_a_record_of_gemini_or_codex_counts_like_its_metrics() -> None:
    gemini = log(
        "API response from gemini-pro",
        event__name="gemini_cli.api_response",
        input_token_count=100,
        cached_content_token_count=80,
        output_token_count=7,
        thoughts_token_count=3,
    )
    codex = log(
        "",
        event__name="codex.sse_event",
        event__kind="response.completed",
        conversation__id="c1",
        input_token_count="100",
        cached_token_count="80",
        output_token_count="15",
    )

    assert sums(read_logs(gemini)) == {"tokens_in": 100, "tokens_out": 10}
    assert sums(read_logs(codex)) == {"tokens_in": 100, "tokens_out": 15}
    assert read_logs(codex).uses[0].session == "c1"


def test_only_what_was_completed_counts() -> None:
    said = {"event__name": "codex.sse_event", "event__kind": "response.created"}

    export = read_logs(log("", **said, input_token_count=100))

    assert (export.uses, export.other) == ([], 1)


def test_whole_numbers_may_be_texts() -> None:
    body = metric("claude_code.cost.usage", {"asInt": "3"})

    assert sums(read_metrics(body)) == {"cost": 3}


@pytest.mark.parametrize(
    "value", ["NaN", -1, "much", None, True, float("inf"), 1e300, {"a": 1}]
)
def test_what_is_no_amount_is_told_of(value: object) -> None:
    export = read_metrics(metric("claude_code.cost.usage", {"asDouble": value}))

    assert (export.uses, export.bad) == ([], 1)


def test_totals_belong_to_their_series() -> None:
    def first(**said: object) -> Any:
        body = metric("claude_code.cost.usage", point(1.0, **said))
        data = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["sum"]
        data["aggregationTemporality"] = 2
        return read_metrics(body).uses[0].series

    assert first(model="x") == first(model="x") != first(model="y")


@pytest.mark.parametrize("read", READ.values())
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resourceMetrics": None, "resourceLogs": 3},
        {"resourceMetrics": [None, {}], "resourceLogs": [[]]},
        {"resourceMetrics": [{"resource": [], "scopeMetrics": [{"metrics": [1, {}]}]}]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {"attributes": {}}]}]}]},
    ],
)
def test_what_is_not_as_it_should_be_is_passed_over(read: Any, body: Any) -> None:
    assert read(body).uses == []


WORDS = [
    *("resource", "attributes", "scopeMetrics", "metrics", "name", "sum"),
    *("dataPoints", "key", "value", "asInt", "scopeLogs", "logRecords", "body"),
    "stringValue",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_whatever_comes_nothing_breaks(value: Any) -> None:
    read_metrics({"resourceMetrics": [value]})
    read_logs({"resourceLogs": [value]})
