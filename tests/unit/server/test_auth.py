"""Tokens, roles, names and pages."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.errors import NotAllowed
from agentkit.rows import Token
from server.asgi import Head, RequestError
from server.auth import OPERATOR, VIEWER, Gate, Keys, Principal, allow, make_token
from server.core.tables import Tables, Turn
from server.hub import Pushed
from server.keyring import REVOKED, UNKNOWN, Keyring, digest_of
from server.visits import Visits

KEYS = Keys(b"secret", "operator-token")
HOST = (b"host", b"127.0.0.1:8765")
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def row(key: str, secret: str = "", **fields: Any) -> Token:
    """Return a token's row; without a secret, that of a derived one."""
    digest = digest_of(secret) if secret else ""
    role = "agent" if fields.get("agent") else "viewer"
    return Token(id=key, role=role, created=NOW, digest=digest, **fields)  # type: ignore[arg-type]


def pushed(*rows: Token) -> Pushed:
    tables = Tables(tokens={token.id: token for token in rows})
    return Pushed(Turn((), tables), {})


def keyring(*rows: Token) -> Keyring:
    """Return what the hub lets in once it has committed these rows."""
    ring = Keyring(KEYS, Visits(), lambda: NOW)
    ring.push(pushed(*rows))
    return ring


def refusal(ring: Keyring, token: str) -> str:
    """Return what a token is refused with; empty when it is let in."""
    try:
        ring.identify(token)
    except RequestError as refused:
        return str(refused) if refused.status == 401 else repr(refused)
    return ""


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
    assert one.derive("agent:a1") != other.derive("agent:a1")


def test_renewing_replaces_the_operators_token_alone(tmp_path: Path) -> None:
    old = Keys.load(tmp_path)

    new = old.renewed()

    assert new.operator != old.operator
    assert new == Keys.load(tmp_path)
    assert new.derive("viewer") == old.derive("viewer")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "token"}


@given(st.text(min_size=1), st.integers(0, 3), st.text(min_size=1), st.integers(0, 3))
def test_derived_tokens_differ_by_agent_and_generation(
    one: str, generation: int, other: str, another: int
) -> None:
    tokens = {
        KEYS.derive(f"agent:{one}", generation),
        KEYS.derive(f"agent:{other}", another),
        KEYS.derive("viewer", generation),
    }

    assert len(tokens) == (2 if (one, generation) == (other, another) else 3)


# --- whose a token is ---


def test_a_role_is_bound_to_its_token() -> None:
    ring = keyring()

    assert ring.identify("operator-token") == OPERATOR
    assert ring.identify(KEYS.derive("viewer")) == VIEWER


@given(st.text(min_size=1))
def test_a_derived_token_says_which_agent_it_is_good_for(agent: str) -> None:
    principal = keyring().identify(KEYS.derive(f"agent:{agent}"))

    assert (principal.role, principal.agent) == ("agent", agent)


GUESSES = [
    "", "operator", "operator-token2", "viewer", "viewer.", "viewer.x", "é", "agent",
    "agent.", "agent.guess", "agent..", "agent.YTE.guess",
]  # fmt: skip


@pytest.mark.parametrize("token", GUESSES)
def test_a_guessed_token_is_nobodys(token: str) -> None:
    assert refusal(keyring(), token) == UNKNOWN


@given(st.text())
def test_no_text_is_anybodys_token(token: str) -> None:
    assert refusal(keyring(), token) == UNKNOWN


@given(st.binary(min_size=1, max_size=3), st.integers(min_value=0))
def test_a_changed_token_is_nobodys(noise: bytes, place: int) -> None:
    token = KEYS.derive("agent:a1").encode()
    place %= len(token)
    changed = token[:place] + noise + token[place + len(noise) :]

    if changed != token:
        assert refusal(keyring(), changed.decode("latin-1")) == UNKNOWN


def test_a_token_with_a_row_is_let_in_until_it_expires_or_is_revoked() -> None:
    lasting, short, gone = (make_token("agent") for _ in range(3))
    ring = keyring(
        row("k1", lasting, agent="a1", name="web"),
        row("k2", short, agent="a1", expires=NOW),
        row("k3", gone, agent="a1", revoked=NOW),
    )

    assert ring.identify(lasting) == Principal("agent", "web", "k1", "a1")
    assert "expired at" in refusal(ring, short)
    assert refusal(ring, gone) == REVOKED
    assert refusal(ring, make_token("agent")) == UNKNOWN


def test_only_the_latest_generation_of_a_derived_token_is_let_in() -> None:
    ring = keyring(
        row("agent:a1", agent="a1", generation=2), row("viewer", generation=1)
    )

    codes = [refusal(ring, KEYS.derive("agent:a1", old)) for old in range(4)]
    assert codes == [REVOKED, REVOKED, "", UNKNOWN]
    assert refusal(ring, KEYS.derive("viewer")) == REVOKED
    assert refusal(ring, ring.derived("viewer")) == ""
    assert refusal(ring, KEYS.derive("agent:a2")) == ""


def test_a_revocation_ends_the_visits_of_that_token_alone() -> None:
    visits = Visits()
    ended: list[str] = []
    ring = Keyring(KEYS, visits, lambda: NOW)
    one, other = (Principal("viewer", "x", key) for key in ("k1", "k2"))
    with visits.during(one, ended.append), visits.during(other, ended.append):
        ring.push(pushed(row("k1", "secret", revoked=NOW)))

    ring.push(pushed(row("k2", "secret", revoked=NOW)))

    assert ended == [REVOKED]


# --- what a role may do ---


def test_an_agents_token_is_good_for_that_agent_only() -> None:
    gate = Gate(keyring().identify)
    principal = Principal("agent", "a1", "agent:a1", "a1")

    gate.require(principal, "a1")
    gate.require(OPERATOR, "a1")
    for stranger, agent in ((principal, "a2"), (principal, ""), (VIEWER, "a1")):
        with pytest.raises(NotAllowed):
            gate.require(stranger, agent)


def test_a_viewer_may_not_act_even_for_an_agent_without_a_name() -> None:
    with pytest.raises(NotAllowed):
        Gate(keyring().identify).require(VIEWER, "")


def test_a_role_that_is_missing_is_named() -> None:
    allow(OPERATOR, "operator")

    with pytest.raises(NotAllowed, match=r"viewer's.*operator"):
        allow(VIEWER, "operator")


# --- the gate ---


def test_a_bearer_token_tells_who_asks() -> None:
    gate = Gate(keyring().identify)

    assert gate.who(bearer("operator-token")) == OPERATOR
    assert (
        gate.who(head(HOST, (b"authorization", b"bearer  operator-token"))) == OPERATOR
    )


@pytest.mark.parametrize(
    "value", [b"", b"operator-token", b"Basic operator-token", b"Bearer", b"Bearer x"]
)
def test_anything_else_is_unauthorized(value: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        Gate(keyring().identify).who(head(HOST, (b"authorization", value)))

    assert refusal.value.status == 401


def test_a_gate_without_tokens_takes_everybody_for_the_operator() -> None:
    assert Gate(keyring().identify, anyone=True).who(head(HOST)) == OPERATOR


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:1", b"127.0.0.1", b"[::1]:80", b"192.168.1.7:80"]
)
def test_our_names_and_any_address_are_admitted(host: bytes) -> None:
    assert status(Gate(keyring().identify), (b"host", host)) == 0


@pytest.mark.parametrize(
    "host", [b"evil.com", b"127.0.0.1.evil.com", b"localhost@evil.com", b"", b"[evil]"]
)
def test_other_names_are_misdirected(host: bytes) -> None:
    assert status(Gate(keyring().identify), (b"host", host)) == 421


def test_exactly_one_host_is_needed() -> None:
    assert status(Gate(keyring().identify)) == 400
    assert status(Gate(keyring().identify), HOST, HOST) == 400


@pytest.mark.parametrize("origin", [b"http://localhost:8765", b"null", b"https://x"])
def test_every_page_is_refused(origin: bytes) -> None:
    assert status(Gate(keyring().identify), HOST, (b"origin", origin)) == 403


def test_names_and_pages_are_allowed_by_name() -> None:
    gate = Gate(keyring().identify, hosts=("hub.example",), origins=("https://x",))

    assert status(gate, (b"host", b"hub.example:1"), (b"origin", b"https://x")) == 0
