"""What A2A agents tell is read alike, whichever version they speak."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.a2a.words import REPORTS, STATES, Told, read, status_update
from agentkit.errors import Invalid

CAPTURED = Path(__file__).parents[2] / "fixtures" / "agents" / "a2a-push-1.3.0.jsonl"

STAMP = "2026-11-20T21:01:45Z"

SAYS = {"role": "agent", "messageId": "m", "parts": [{"kind": "text", "text": "hm"}]}


def status(state: str) -> dict[str, Any]:
    return {"state": state, "timestamp": STAMP, "message": SAYS}


ALIKE = (
    {"task": {"id": "t", "contextId": "c", "status": status("TASK_STATE_WORKING")}},
    {"statusUpdate": {"taskId": "t", "status": status("TASK_STATE_WORKING")}},
    {"id": "t", "contextId": "c", "kind": "task", "status": status("working")},
    {"id": "t", "status": status("working")},
    {"taskId": "t", "kind": "status-update", "status": status("working")},
    {"taskId": "t", "status": status("working"), "final": False},
)
"""One status, in every way that it is told."""


def test_what_an_agent_of_the_sdk_pushed_is_read() -> None:
    bodies = [json.loads(line)["body"] for line in CAPTURED.read_text().splitlines()]

    told = [read(body) for body in bodies]

    assert [one.state for one in told] == ["submitted", "working", None, "completed"]
    assert [one.text for one in told] == ["", "working on it", "", "done"]
    assert len({one.task for one in told}) == 1
    assert told[2].artifacts[0]["name"] == "out"


@pytest.mark.parametrize("body", ALIKE)
def test_every_way_to_tell_a_status_is_read_alike(body: dict[str, Any]) -> None:
    told = read(body)

    assert (told.task, told.state, told.text) == ("t", "working", "hm")
    assert told.fingerprint == read(ALIKE[0]).fingerprint


@pytest.mark.parametrize("state", STATES)
def test_a_status_is_the_same_when_it_is_told_on(state: Any) -> None:
    told = Told(task="t", context="c", state=state, text="a", stamp=STAMP, message="m")

    again = read(status_update(told))

    assert again == told
    assert again.fingerprint == told.fingerprint


def test_every_state_has_a_report() -> None:
    assert set(REPORTS) == set(STATES)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "artifact-update", "taskId": "t", "artifact": {"name": "a"}},
        {"artifactUpdate": {"taskId": "t", "artifact": {"name": "a"}}},
        {"message": {"messageId": "m", "parts": [{"text": "hi"}]}},
        {"kind": "message", "messageId": "m", "parts": [{"kind": "text"}]},
        {"parts": []},
    ],
)
def test_what_tells_no_status_has_none(body: dict[str, Any]) -> None:
    assert read(body).state is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"task": 1, "message": "hi"},
        {"task": {"id": "t"}, "message": {}},
        {"task": {"id": "t"}},
        {"task": {"status": {"state": "working"}}},
        {"id": "t", "status": {"state": "sleeping"}},
        {"id": "t", "status": {"state": "working", "timestamp": "noon"}},
        {"statusUpdate": {"taskId": "", "status": {"state": "working"}}},
    ],
)
def test_garbage_is_refused_with_a_remedy(body: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r": (send|add|write) "):
        read(body)


KEYS = (
    "task", "statusUpdate", "artifactUpdate", "message", "kind", "status", "state",
    "id", "taskId", "timestamp", "parts", "text", "artifact", "artifacts", "contextId",
)  # fmt: skip

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inside,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=4), ANYTHING) | ANYTHING)
def test_whatever_comes_is_read_or_refused(body: Any) -> None:
    if not isinstance(body, dict):
        body = {"task": body, "kind": "task", "status": body}
    try:
        told = read(body)
    except Invalid:
        return
    assert told.state in (None, *STATES)
    assert isinstance(told.text, str)


def test_a_text_is_cut_to_what_can_be_shown() -> None:
    parts = [{"text": "a" * 10_000}]

    told = read({"message": {"parts": parts}})

    assert len(told.text) == 4000
    assert told.text.endswith("…")
