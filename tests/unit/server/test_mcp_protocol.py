"""Frames are read or refused with a sentence, whatever comes in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.asgi import Head
from server.auth import OPERATOR, VIEWER
from server.mcp import protocol
from server.mcp.protocol import ProtocolError, is_modern, negotiated, read_frame
from server.mcp.sessions import is_session, make_session
from server.mcp.tools import TABLE

META = {protocol.VERSION_KEY: "2026-07-28", protocol.CAPABILITIES_KEY: {}}
HEADERS = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=8,
)


def frame(method: str = "tools/list", **fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, **fields}).encode()


def head(**headers: str) -> Head:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Head({"headers": pairs})


def code_of(body: bytes, headers: dict[str, str]) -> int:
    with pytest.raises(ProtocolError) as refusal:
        is_modern(read_frame(body), head(**headers))
    return refusal.value.number


@given(st.binary(max_size=40) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_whatever_comes_is_a_frame_or_refused(body: bytes) -> None:
    refused: list[ProtocolError] = []
    try:
        assert isinstance(read_frame(body).method, str)
    except ProtocolError as refusal:
        refused.append(refusal)

    assert {one.status for one in refused} <= {400}
    assert {one.number for one in refused} <= {-32700, -32600}


@given(
    st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0")},
        optional={"id": VALUES, "method": st.text() | VALUES, "params": VALUES},
    )
)
def test_a_refusal_has_the_id_if_there_is_one(said: dict[str, Any]) -> None:
    try:
        read_frame(json.dumps(said).encode())
    except ProtocolError as refusal:
        found = json.loads(refusal.body)
        key = said.get("id")
        plain = isinstance(key, str | int) and not isinstance(key, bool)
        assert found["id"] in ((key, None) if plain else (None,))


def test_a_frame_without_an_envelope_is_of_the_old_era() -> None:
    assert not is_modern(read_frame(frame()), head())


@pytest.mark.parametrize("version", protocol.HANDSHAKE)
def test_a_version_with_a_handshake_is_agreed_to(version: str) -> None:
    assert negotiated(version) == version
    assert not is_modern(read_frame(frame()), head(mcp_protocol_version=version))


@pytest.mark.parametrize("asked", ["2026-07-28", "1999-01-01", None, 7, []])
def test_any_other_gets_the_newest_with_a_handshake(asked: object) -> None:
    assert negotiated(asked) == "2025-11-25"


def test_an_envelope_makes_it_modern() -> None:
    body = frame(params={"_meta": META})

    assert is_modern(read_frame(body), head(**HEADERS))


@pytest.mark.parametrize(
    ("meta", "headers", "code"),
    [
        ({}, HEADERS, protocol.INVALID_PARAMS),
        ({protocol.VERSION_KEY: "2026-07-28"}, HEADERS, protocol.INVALID_PARAMS),
        (META, {}, protocol.HEADER_MISMATCH),
        (META, {**HEADERS, "mcp-method": "ping"}, protocol.HEADER_MISMATCH),
        (
            {**META, protocol.VERSION_KEY: "2027-01-01"},
            {**HEADERS, "mcp-protocol-version": "2027-01-01"},
            protocol.UNSUPPORTED_VERSION,
        ),
        ({**META, protocol.VERSION_KEY: 7}, HEADERS, protocol.HEADER_MISMATCH),
    ],
)
def test_an_envelope_that_contradicts_its_headers_is_refused(
    meta: dict[str, Any], headers: dict[str, str], code: int
) -> None:
    assert code_of(frame(params={"_meta": meta}), headers) == code


def test_a_version_that_nobody_speaks_names_those_that_are_spoken() -> None:
    with pytest.raises(ProtocolError) as refusal:
        is_modern(read_frame(frame()), head(mcp_protocol_version="1999-01-01"))

    assert refusal.value.data is not None
    assert "2026-07-28" in refusal.value.data["supported"]


@pytest.mark.parametrize(
    ("header", "name"),
    [("claim", True), ("=?base64?Y2xhaW0=?=", True), ("notify", False), ("", False)],
)
def test_the_name_of_a_tool_stands_in_its_header_plain_or_as_base64(
    header: str, name: bool
) -> None:
    body = frame("tools/call", params={"_meta": META, "name": "claim"})
    headers = {**HEADERS, "mcp-method": "tools/call", "mcp-name": header}

    if name:
        assert is_modern(read_frame(body), head(**headers))
    else:
        assert code_of(body, headers) == protocol.HEADER_MISMATCH


# --- sessions and tools ---


def test_a_session_is_good_for_one_token_of_one_hub() -> None:
    session = make_session(b"secret", OPERATOR)

    assert is_session(b"secret", OPERATOR, session)
    assert not is_session(b"secret", VIEWER, session)
    assert not is_session(b"another", OPERATOR, session)


@given(st.text())
def test_a_guess_is_no_session(guess: str) -> None:
    assert not is_session(b"secret", OPERATOR, guess)


@pytest.mark.parametrize("tool", TABLE, ids=lambda tool: tool.name)
def test_a_tool_tells_what_it_takes(tool: Any) -> None:
    known, unknown = tool.shown(with_agent=False), tool.shown(with_agent=True)

    assert "agent" not in known["inputSchema"]["properties"]
    assert unknown["inputSchema"]["required"][0] == "agent"
    assert all(
        field.get("description")
        for field in unknown["inputSchema"]["properties"].values()
    )
    assert "$ref" not in json.dumps(unknown)


@pytest.mark.parametrize(
    ("name", "said", "seconds"),
    [
        ("wait_for_task", {}, 50.0), ("wait_for_task", {"wait": 3}, 3.0),
        ("wait_for_task", {"wait": 51}, 0.0), ("wait_for_task", {"wait": "x"}, 0.0),
        ("help", {}, 0.0), ("help", {"wait": 3}, 3.0), ("claim", {"wait": 3}, 0.0),
    ],
)  # fmt: skip
def test_a_tool_waits_as_long_as_it_is_told(
    name: str, said: dict[str, Any], seconds: float
) -> None:
    (tool,) = (tool for tool in TABLE if tool.name == name)

    assert tool.waits(said) == seconds
