"""The transport that a URL names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from agentkit.errors import Invalid
from agentkit.readers import Read, masked, switch, text
from agentkit.transports.errors import TransportError
from agentkit.transports.protocol import Transport


@dataclass(frozen=True, slots=True)
class _Kind:
    """A class of transports, and what a URL may say of it behind a ``?``."""

    module: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    """The argument of the class for each option."""
    has_url: bool = True
    needs: str = ""
    """The package that it imports, which is also the name of the extra."""


_READ: Final[Mapping[str, Read]] = {"persistent": switch}
"""How the options are read that are more than text."""

_FILES: Final = {word: word for word in ("ca_file", "cert_file", "key_file")}
_SHARED: Final = {"name": "name", "persistent": "persistent", **_FILES}

_LOCAL: Final = _Kind("local", "LocalTransport", {"name": "name"}, has_url=False)
_HUB: Final = _Kind("hub", "HubTransport", {"name": "name"})
_REDIS: Final = _Kind(
    "redis",
    "RedisTransport",
    {"prefix": "channel_prefix", **_SHARED},
    needs="redis",
)
_NATS: Final = _Kind(
    "nats", "NatsTransport", {"prefix": "prefix", **_SHARED}, needs="nats"
)

_KINDS: Final[Mapping[str, _Kind]] = {
    "local": _LOCAL,
    "http": _HUB,
    "https": _HUB,
    "ws": _HUB,
    "wss": _HUB,
    "redis": _REDIS,
    "rediss": _REDIS,
    "nats": _NATS,
    "tls": _NATS,
}

CLASSES: Final[Mapping[str, str]] = {kind.name: kind.module for kind in _KINDS.values()}
"""The module of each class of transports, within this package."""


def load(name: str) -> Any:
    """Import a class of transports."""
    return getattr(import_module(f"agentkit.transports.{CLASSES[name]}"), name)


def open_transport(url: str) -> Transport:
    """Return the transport that a URL names, not connected.

    ``local:``, a hub's ``http://`` or ``https://``, ``redis://``, ``rediss://``,
    ``nats://`` or ``tls://``. Behind a ``?`` may stand ``name`` (who publishes),
    ``prefix`` (what all subjects are under at the broker), ``persistent`` (0 or 1), and
    the files ``ca_file``, ``cert_file`` and ``key_file``.

    Raises:
        Invalid: the URL names no transport, or an option that it does not have.
        TransportError: the package that it needs is not installed.
    """
    parts = _split(url)
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        named = repr(f"{parts.scheme}:") if parts.scheme else masked(url)
        raise Invalid(f"{named} names no transport: use one of {', '.join(_KINDS)}")
    options = _options(kind, parts.scheme, parts.query)
    _require(kind, parts.scheme)
    address = (_without_query(parts),) if kind.has_url else ()
    transport: Transport = load(kind.name)(*address, **options)
    return transport


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; it is not named when it has none, for a password."""
    try:
        return urlsplit(url)
    except ValueError:
        raise Invalid(
            "the url of a transport has a host in brackets that is no address: write "
            "it as in redis://[::1]:6379"
        ) from None


def _require(kind: _Kind, scheme: str) -> None:
    """Go on only with what is installed.

    Raises:
        TransportError: the package is not.
    """
    if kind.needs and find_spec(kind.needs) is None:
        raise TransportError(
            f"a transport of {scheme}: needs the package {kind.needs}, which is not "
            f"installed: install swarmtui[{kind.needs}]"
        )


def _without_query(parts: SplitResult) -> str:
    """Return a URL without its options; unlike `geturl`, with // and no host too."""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{fragment}"


def _options(kind: _Kind, scheme: str, query: str) -> dict[str, Any]:
    """Return the arguments of the class that a query says."""
    found = {}
    for word, raw in parse_qsl(query, keep_blank_values=True):
        if word not in kind.options:
            said = "of that name" if "@" in query else repr(word)  # of a password?
            raise Invalid(
                f"a transport of {scheme}: has no option {said}: use "
                f"{', '.join(kind.options)}, and %3F for a ? in a password"
            )
        read: Read = _READ.get(word, text)
        try:
            found[kind.options[word]] = read(raw)
        except ValueError as error:
            remedy = "1 or 0" if word in _READ else "printable text"
            raise Invalid(f"the option {word} {error}: write {remedy}") from None
    return found
