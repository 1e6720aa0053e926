"""Tokens, roles, names and pages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import NotAllowed
from server.asgi import Head, RequestError
from server.auth import OPERATOR, VIEWER, Gate, Keys, Principal, allow

KEYS = Keys(b"secret", "operator-token")
HOST = (b"host", b"127.0.0.1:8765")


def head(*headers: tuple[bytes, bytes]) -> Head:
    return Head({"headers": list(headers)})


def bearer(token: str) -> Head:
    return head(HOST, (b"authorization", f"Bearer {token}".encode()))


def status(gate: Gate, *headers: tuple[bytes, bytes]) -> int:
    """Return the status that headers are refused with; 0 when they are not."""
    try:
        gate.admit(head(*headers))
    except RequestError as refusal:
        return refusal.status
    return 0


# --- keys ---


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    made, read = Keys.load(folder), Keys.load(folder)

    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert made == read
    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes == {0o600}


@pytest.mark.parametrize("name", ["secret", "token"])
@pytest.mark.parametrize(
    "kept", [b"", b"\n", b"\xff\xfe", "é".encode(), b"a b", b"a\0"]
)
def test_a_file_without_a_key_is_not_taken_for_one(
    tmp_path: Path, name: str, kept: bytes
) -> None:
    (tmp_path / name).write_bytes(kept)

    with pytest.raises(ValueError, match=f"{tmp_path / name} does not hold one word"):
        Keys.load(tmp_path)


def test_two_hubs_have_different_keys(tmp_path: Path) -> None:
    one, other = Keys.load(tmp_path / "1"), Keys.load(tmp_path / "2")

    assert one.operator != other.operator
    assert one.agent_token("a1") != other.agent_token("a1")


def test_a_role_is_bound_to_its_token() -> None:
    assert KEYS.identify("operator-token") == OPERATOR
    assert KEYS.identify(KEYS.viewer_token) == VIEWER
    agent = KEYS.identify(KEYS.agent_token("a1"))
    assert agent is not None
    assert agent.role == "agent"


@pytest.mark.parametrize("token", ["", "operator", "operator-token2", "viewer.x", "é"])
def test_a_guessed_token_is_nobodys(token: str) -> None:
    assert KEYS.identify(token) is None


@given(st.text(), st.text())
def test_an_agents_token_is_good_for_that_agent_only(mine: str, other: str) -> None:
    principal = KEYS.identify(KEYS.agent_token(mine))

    assert principal is not None
    assert KEYS.speaks_for(principal, mine)
    assert KEYS.speaks_for(principal, other) == (mine == other)


def test_an_operator_speaks_for_agents_and_a_viewer_does_not() -> None:
    assert KEYS.speaks_for(OPERATOR, "a1")
    assert not KEYS.speaks_for(VIEWER, "a1")


def test_a_role_that_is_missing_is_named() -> None:
    allow(OPERATOR, "operator")

    with pytest.raises(NotAllowed, match=r"viewer's.*operator"):
        allow(VIEWER, "operator")


def test_idempotency_keys_of_two_agents_are_apart() -> None:
    scopes = {Principal("agent", "agent", f"agent.{name}").scope for name in "ab"}

    assert len(scopes | {OPERATOR.scope, VIEWER.scope}) == 4
    assert not any("agent.a" in scope for scope in scopes)


# --- the gate ---


def test_a_bearer_token_tells_who_asks() -> None:
    gate = Gate(KEYS)

    assert gate.who(bearer("operator-token")) == OPERATOR
    assert (
        gate.who(head(HOST, (b"authorization", b"bearer  operator-token"))) == OPERATOR
    )


@pytest.mark.parametrize(
    "value", [b"", b"operator-token", b"Basic operator-token", b"Bearer", b"Bearer x"]
)
def test_anything_else_is_unauthorized(value: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        Gate(KEYS).who(head(HOST, (b"authorization", value)))

    assert refusal.value.status == 401


def test_a_gate_without_tokens_takes_everybody_for_the_operator() -> None:
    assert Gate(KEYS, anyone=True).who(head(HOST)) == OPERATOR


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:80", b"192.168.1.7:80"]
)
def test_our_names_and_any_address_are_admitted(host: bytes) -> None:
    assert status(Gate(KEYS), (b"host", host)) == 0


@pytest.mark.parametrize(
    "host", [b"evil.com", b"127.0.0.1.evil.com", b"localhost@evil.com", b"", b"[evil]"]
)
def test_other_names_are_misdirected(host: bytes) -> None:
    assert status(Gate(KEYS), (b"host", host)) == 421


def test_exactly_one_host_is_needed() -> None:
    assert status(Gate(KEYS)) == 400
    assert status(Gate(KEYS), HOST, HOST) == 400


@pytest.mark.parametrize("origin", [b"http://localhost:8765", b"null", b"https://x"])
def test_every_page_is_refused(origin: bytes) -> None:
    assert status(Gate(KEYS), HOST, (b"origin", origin)) == 403


def test_names_and_pages_are_allowed_by_name() -> None:
    gate = Gate(KEYS, hosts=("hub.example",), origins=("https://x",))

    assert status(gate, (b"host", b"hub.example:1"), (b"origin", b"https://x")) == 0
