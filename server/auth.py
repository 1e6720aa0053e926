"""Who may do what: tokens, roles, and the rules on Host and Origin.

A role is bound to the token by the hub and never claimed by the client. The operator's
token is random and kept in a file; those of the viewer and of each agent are derived
from the hub's secret, so that ten thousand agents need no table. Further tokens are
rows of the hub, which know the digest of each; see `server.keyring`.
"""

import base64
import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from agentkit.errors import NotAllowed
from agentkit.rows import Role
from server.asgi import Head, RequestError

OPERATOR_ID: Final = "operator"
VIEWER_ID: Final = "viewer"
AGENT_ID: Final = "agent:"
"""What the tokens are called that have no row of their own; the agent's id follows."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as the token tells."""

    role: Role
    name: str
    """What the log says this was done by."""
    token: str
    """The id of the token: idempotency keys and rates are its own."""
    agent: str = ""
    """Of the role agent only: whom it may act as."""
    expires: datetime | None = None


OPERATOR: Final = Principal("operator", "operator", OPERATOR_ID)
VIEWER: Final = Principal("viewer", "viewer", VIEWER_ID)
WEBHOOK: Final = Principal("operator", "webhook", "webhook")
"""Whoever uses the webhook endpoints without a token."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The operator's token, and the secret that the other tokens are derived from."""

    secret: bytes
    operator: str
    file: Path | None = None
    """Where the operator's token is kept."""

    @classmethod
    def load(cls, folder: Path, token_file: Path | None = None) -> Self:
        """Read the keys kept in `folder`, or make them.

        Raises:
            OSError: a file cannot be read or written.
            ValueError: a file holds no key; the text names it.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = _keep(folder / "secret", secrets.token_urlsafe(32))
        file = token_file or folder / "token"
        return cls(secret.encode(), _keep(file, make_token("operator")), file)

    def renewed(self) -> Self:
        """Return the keys with another operator's token, which replaces the file's.

        Raises:
            OSError: the file cannot be replaced; the old token stays.
        """
        fresh = make_token("operator")
        if self.file is not None:
            _replace(self.file, fresh)
        return replace(self, operator=fresh)

    def derive(self, token: str, generation: int = 0) -> str:
        """Return a token that needs no row: of the viewer, or of one agent.

        Args:
            token: its id, ``viewer`` or ``agent:ID``.
            generation: how often it was revoked.
        """
        purpose = f"{generation}:{token}" if generation else token
        digest = hmac.digest(self.secret, purpose.encode(), hashlib.sha256)
        if token == VIEWER_ID:
            return f"viewer.{_text64(digest)}"
        agent = token.removeprefix(AGENT_ID)
        return f"agent.{_text64(agent.encode())}.{_text64(digest)}"


def make_token(role: Role) -> str:
    """Return a fresh token; its first word tells people what it is for."""
    return f"{role}.{secrets.token_urlsafe(32)}"


def derived_id(token: str) -> str:
    """Return the id of the derived token that this one says it is; else empty."""
    role, _, rest = token.partition(".")
    if role == "viewer":
        return VIEWER_ID
    name, dot, _ = rest.partition(".")
    if role != "agent" or not dot:
        return ""
    try:
        agent = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except ValueError:
        return ""
    return AGENT_ID + agent


def same(one: str, other: str) -> bool:
    """Compare secrets in a time that tells nothing about where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


Identify = Callable[[str], Principal]
"""Says whose a token is; raises a `RequestError` 401 when it lets nobody in."""


class Gate:
    """Decides at the door: is it us who is meant, may this page ask, who asks."""

    __slots__ = ("_anyone", "_hosts", "_identify", "_origins")

    def __init__(
        self,
        identify: Identify,
        *,
        hosts: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        anyone: bool = False,
    ) -> None:
        """Let in whom `identify` knows; `anyone` lets everybody in as the operator."""
        self._identify = identify
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

    def who(self, head: Head, also: bytes = b"") -> Principal:
        """Return who asks.

        Args:
            head: the headers of the request.
            also: one that the token may stand in by itself.

        Raises:
            RequestError: 401, there is no token or it lets nobody in.
        """
        if self._anyone:
            return OPERATOR
        if also and (alone := head.get(also).strip()):
            return self._identify(alone)
        scheme, _, token = head.get(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RequestError(
                401, "no token was sent: send Authorization: Bearer TOKEN"
            )
        return self._identify(token.strip())

    def require(self, principal: Principal, agent: str) -> None:
        """Refuse whoever may not act as an agent.

        Raises:
            NotAllowed: the token is another agent's, or a viewer's.
        """
        own = principal.role == "agent" and principal.agent == agent
        if not own and principal.role != "operator":
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
        draft = _draft(path, fresh)
        try:
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


def _replace(path: Path, fresh: str) -> None:
    """Put `fresh` into a private file, whole or not at all."""
    draft = _draft(path, fresh)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise


def _draft(path: Path, text: str) -> Path:
    """Return a new private file beside `path` that holds a line."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        draft.touch(mode=0o600)
        draft.write_text(text + "\n")
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _text64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


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
