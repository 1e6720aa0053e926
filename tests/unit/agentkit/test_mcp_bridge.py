"""The bridge tells frames from what is none, and says what it carries."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import HubRefused
from agentkit.mcp_bridge import Bridge, encoded, headers_of, wait_of
from agentkit.settings import Endpoint
from server.mcp.protocol import decoded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=6,
)
PARAMS = VALUES | st.fixed_dictionaries(
    {}, optional={"name": VALUES, "arguments": VALUES, "_meta": VALUES}
)


def said_to(line: bytes) -> list[dict[str, Any]]:
    """Return what is answered to a line that no hub needs to see."""

    def nowhere() -> Endpoint:
        raise AssertionError(line)

    said: list[bytes] = []
    Bridge(nowhere, "me", said.append, lambda _: None).run([line])
    assert all(text.endswith(b"\n") and text.count(b"\n") == 1 for text in said)
    return [json.loads(text) for text in said]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"hello", -32700), (b"\xff\xfe", -32700), (b"[" * 100_000, -32700),
        (b"[]", -32600), (b"7", -32600), (b'{"id":null,"method":"ping"}', -32600),
        (b'{"id":true,"method":"ping"}', -32600), (b'{"id":1,"method":7}', -32600),
        (b'{"id":1,"method":"ping","params":[1]}', -32600),
        (b'{"id":1,"method":"ping","params":{"_meta":[1]}}', -32600),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_answered_in_the_words_of_the_protocol(
    line: bytes, code: int
) -> None:
    (answer,) = said_to(line)

    assert answer["id"] is None
    assert answer["error"]["code"] == code


@pytest.mark.parametrize(
    "line",
    [
        b"", b"  \n", b'{"method":"notifications/initialized"}',
        b'{"id":1,"result":{}}',
        b'{"method":"notifications/cancelled","params":{"requestId":[1]}}',
    ],
)  # fmt: skip
def test_what_needs_no_answer_gets_none(line: bytes) -> None:
    assert said_to(line) == []


@given(
    st.fixed_dictionaries(
        {"id": st.integers(), "method": st.text()}, optional={"params": PARAMS}
    )
)
def test_every_frame_is_answered_once_when_the_hub_refuses(
    frame: dict[str, Any],
) -> None:
    def refused() -> Endpoint:
        raise HubRefused("the token is not this hub's: hub.json holds the right one")

    said: list[bytes] = []
    told: list[str] = []
    bridge = Bridge(refused, "me", said.append, told.append)

    bridge.run([json.dumps(frame).encode()])

    if frame["method"] != "notifications/cancelled":
        (answer,) = map(json.loads, said)
        assert answer["id"] in (frame["id"], None)


@given(st.text())
def test_a_header_stands_for_any_text(text: str) -> None:
    header = encoded(text)

    assert header.isascii()
    assert header.isprintable()
    assert decoded(header) == text.encode("utf-8", "replace").decode()


def test_headers_repeat_what_a_modern_frame_is_about() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    frame = {"method": "tools/call", "params": {"name": "claim", "_meta": meta}}

    headers = headers_of(frame)

    assert headers["MCP-Protocol-Version"] == "2026-07-28"
    assert headers["Mcp-Method"] == "tools/call"
    assert headers["Mcp-Name"] == "claim"


@pytest.mark.parametrize(
    ("params", "seconds"),
    [
        ({"name": "wait_for_task"}, 50.0),
        ({"name": "wait_for_task", "arguments": {"wait": 3}}, 3.0),
        ({"name": "wait_for_task", "arguments": {"wait": 1e9}}, 0.0),
        ({"name": "wait_for_task", "arguments": 7}, 50.0),
        ({"name": "help", "arguments": {"wait": 3}}, 3.0), ({"name": "help"}, 0.0),
        ({"name": []}, 0.0), ({}, 0.0),
    ],
)  # fmt: skip
def test_the_bridge_knows_how_long_a_call_waits(
    params: dict[str, Any], seconds: float
) -> None:
    assert wait_of({"method": "tools/call", "params": params}) == seconds


def test_the_bridge_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, agentkit.mcp_bridge, agentkit.commands.mcp; "
        "heavy = {'httpx', 'pydantic', 'websockets', 'server', 'mcp'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
