"""Who may do what: tokens, roles, and the rules on Host and Origin.

A role is bound to the token by the hub and never claimed by the client. The operator's
token is random and kept in a file; those of the viewer and of each agent are derived
from the hub's secret, so that ten thousand agents need no table.
"""

import base64
import hashlib
import hmac
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self

from agentkit.errors import NotAllowed
from server.asgi import Head, RequestError

Role = Literal["operator", "viewer", "agent"]

OPERATOR_PREFIX: Final = "operator."
AGENT_PREFIX: Final = "agent."
VIEWER_PREFIX: Final = "viewer."
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as the token tells."""

    role: Role
    name: str
    """What the log says this was done by."""
    token: str = ""
    """Of an agent only: which agent it is good for shows when one is named."""

    @property
    def scope(self) -> str:
        """Within which its idempotency keys are one's own."""
        if not self.token:
            return self.name
        return f"agent.{hashlib.sha256(self.token.encode()).hexdigest()[:16]}"


OPERATOR: Final = Principal("operator", "operator")
VIEWER: Final = Principal("viewer", "viewer")
WEBHOOK: Final = Principal("operator", "webhook")
"""Whoever uses the webhook endpoints without a token."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The operator's token, and the secret that the other tokens are derived from."""

    secret: bytes
    operator: str

    @classmethod
    def load(cls, folder: Path, token_file: Path | None = None) -> Self:
        """Read the keys kept in `folder`, or make them.

        Raises:
            OSError: a file cannot be read or written.
            ValueError: a file holds no key; the text names it.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = _keep(folder / "secret", secrets.token_urlsafe(32))
        token = _keep(
            token_file or folder / "token", OPERATOR_PREFIX + secrets.token_urlsafe(32)
        )
        return cls(secret.encode(), token)

    def agent_token(self, agent: str) -> str:
        """Return the token that is good for one agent only."""
        return AGENT_PREFIX + self._derive(f"agent:{agent}")

    @property
    def viewer_token(self) -> str:
        """Return the token of who may watch and change nothing."""
        return VIEWER_PREFIX + self._derive("viewer")

    def identify(self, token: str) -> Principal | None:
        """Return whose token this is; None when it is nobody's."""
        if _same(token, self.operator):
            return OPERATOR
        if token.startswith(AGENT_PREFIX):
            return Principal("agent", "agent", token)
        return VIEWER if _same(token, self.viewer_token) else None

    def speaks_for(self, principal: Principal, agent: str) -> bool:
        """Say whether a principal may act as an agent."""
        if principal.role == "agent":
            return _same(principal.token, self.agent_token(agent))
        return principal.role == "operator"

    def _derive(self, purpose: str) -> str:
        digest = hmac.digest(self.secret, purpose.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Gate:
    """Decides at the door: is it us who is meant, may this page ask, who asks."""

    __slots__ = ("_anyone", "_hosts", "_keys", "_origins")

    def __init__(
        self,
        keys: Keys,
        *,
        hosts: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        anyone: bool = False,
    ) -> None:
        """Guard with `keys`; `anyone` lets everybody in as the operator."""
        self._keys = keys
        self._hosts = LOOPBACK | {socket.gethostname().lower(), *hosts}
        self._origins = frozenset(origins)
        self._anyone = anyone

    def admit(self, head: Head) -> None:
        """Refuse requests that were not meant for us, or that a web page makes.

        Raises:
            RequestError: 400, 421 or 403.
        """
        if head.hosts != 1:
            raise RequestError(400, f"{head.hosts} Host headers were sent: send one")
        name = _host_name(head.get(b"host"))
        if name not in self._hosts and not _is_address(name):
            raise RequestError(
                421,
                f"this hub does not answer to the name {name!r}: use its address, or "
                "add the name to allowed_hosts",
            )
        origin = head.get(b"origin")
        if origin and origin not in self._origins:
            raise RequestError(
                403,
                f"the page {origin!r} may not talk to this hub: add it to "
                "allowed_origins if it should",
            )

    def who(self, head: Head) -> Principal:
        """Return who asks.

        Raises:
            RequestError: 401, there is no token or it is nobody's.
        """
        if self._anyone:
            return OPERATOR
        scheme, _, token = head.get(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RequestError(
                401, "no token was sent: send Authorization: Bearer TOKEN"
            )
        principal = self._keys.identify(token.strip())
        if principal is None:
            raise RequestError(
                401, "the token is not this hub's: hub.json holds the right one"
            )
        return principal

    def require(self, principal: Principal, agent: str) -> None:
        """Refuse whoever may not act as an agent.

        Raises:
            NotAllowed: the token is another agent's, or a viewer's.
        """
        if not self._keys.speaks_for(principal, agent):
            raise NotAllowed(
                f"the token is not agent {agent!r}'s: use that agent's token"
            )


def allow(principal: Principal, *roles: Role) -> None:
    """Refuse whoever has none of the roles.

    Raises:
        NotAllowed: names the role and what it takes.
    """
    if principal.role not in roles:
        raise NotAllowed(
            f"the token is a {principal.role}'s, and this takes "
            f"{' or '.join(roles)}: use another token"
        )


def _keep(path: Path, fresh: str) -> str:
    """Return what a private file holds; write `fresh`, whole or not at all, if none."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        try:
            draft.write_text(fresh + "\n")
            with suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink()
    kept = path.read_text(errors="replace").strip()
    if not kept.isascii() or not kept.isprintable() or len(kept.split()) != 1:
        raise ValueError(
            f"{path} does not hold one word of ASCII: write one into it, or remove it "
            "and a new one is made"
        )
    return kept


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    """Say whether this is an IP address: no page can make a name of its own be one."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
