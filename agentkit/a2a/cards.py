"""The card of an A2A agent: who it is, what it can do, where and how it is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urljoin

from agentkit.a2a.errors import PeerError

Version: TypeAlias = Literal["1.0", "0.3"]

PLACES: Final = ("/.well-known/agent-card.json", "/.well-known/agent.json")
"""Where a card lies below an agent's address: of 0.3 and later, and before."""

JSONRPC: Final = "JSONRPC"

SPOKEN: Final[Mapping[Version, str]] = {"1.0": "1.", "0.3": "0.3"}
"""The versions that we speak, the newest first, and how what they call so begins."""

MOST: Final = 64
"""Capabilities that the hub takes of one agent."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing that an agent can do."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """An agent, as it describes itself."""

    name: str
    description: str
    version: str
    """Of the agent."""
    url: str
    """Where it takes JSON-RPC."""
    protocol: Version
    """The newest that it speaks and we do."""
    protocols: tuple[str, ...]
    """All that it says it speaks."""
    pushes: bool
    """Whether it tells by itself how a task goes."""
    skills: tuple[Skill, ...]

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do, in the words of the hub: the tags of its skills."""
        tags = [tag for skill in self.skills for tag in skill.tags or (skill.id,)]
        return tuple(dict.fromkeys(tag for tag in tags if tag))[:MOST]


@dataclass(frozen=True, slots=True)
class _Door:
    """A way to ask an agent."""

    url: str
    binding: str
    version: str


def read_card(found: Mapping[str, Any], place: str) -> Card:
    """Read a card, as version 1.0 or 0.3 writes it.

    Args:
        found: what lies at its place.
        place: the address of that.

    Raises:
        PeerError: it is no card, or the agent speaks nothing that we do.
    """
    name = _word(found, "name")
    doors = list(_doors(found))
    if not name or not doors:
        raise PeerError(
            f"what lies at {place} is no A2A agent card: give the address of the "
            "agent, or of its card"
        )
    door, protocol = _chosen(doors, name)
    powers = found.get("capabilities")
    return Card(
        name=name,
        description=_word(found, "description"),
        version=_word(found, "version"),
        url=urljoin(place, door.url),
        protocol=protocol,
        protocols=tuple(dict.fromkeys(one.version for one in doors)),
        pushes=isinstance(powers, Mapping) and powers.get("pushNotifications") is True,
        skills=tuple(_skill(row) for row in _rows(found.get("skills"))),
    )


def _doors(found: Mapping[str, Any]) -> Iterable[_Door]:
    """Yield every way to ask an agent, those it prefers first."""
    for row in _rows(found.get("supportedInterfaces")):
        yield _Door(
            _word(row, "url"),
            _word(row, "protocolBinding").upper(),
            _word(row, "protocolVersion"),
        )
    version = _word(found, "protocolVersion") or "0.3"
    if _word(found, "url"):
        binding = _word(found, "preferredTransport").upper() or JSONRPC
        yield _Door(_word(found, "url"), binding, version)
    for row in _rows(found.get("additionalInterfaces")):
        yield _Door(_word(row, "url"), _word(row, "transport").upper(), version)


def _chosen(doors: list[_Door], name: str) -> tuple[_Door, Version]:
    """Return the way that we take: JSON-RPC, of the newest version."""
    ours = [door for door in doors if door.binding == JSONRPC and door.url]
    for version, begins in SPOKEN.items():
        for door in ours:
            if door.version.startswith(begins):
                return door, version
    spoken = ", ".join(sorted({f"{one.binding} {one.version}" for one in doors}))
    raise PeerError(
        f"{name} speaks {spoken}, and this speaks JSONRPC 1.0 and 0.3: have it offer "
        "one of them"
    )


def _skill(row: Mapping[str, Any]) -> Skill:
    tags = row.get("tags")
    words = tags if isinstance(tags, list) else []
    return Skill(
        _word(row, "id"),
        _word(row, "name"),
        _word(row, "description"),
        tuple(tag for tag in words if isinstance(tag, str)),
    )


def _rows(value: object) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [row for row in found if isinstance(row, Mapping)]


def _word(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""
