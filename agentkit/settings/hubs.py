"""Which hub to talk to, and how: the one set, else the one that runs here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentkit.errors import HubUnreachable, Invalid
from agentkit.readers import split_address, web_address
from agentkit.settings.files import paths
from agentkit.settings.tables import DEFAULT_URL, KitSettings, load


@dataclass(frozen=True, slots=True)
class Discovered:
    """The hub that runs on this machine, as it announced itself."""

    url: str
    token: str = field(repr=False)
    pid: int = 0
    version: str = ""
    started: str = ""
    certificate: str = ""
    """What it shows over TLS, in PEM."""


def discover(environ: Mapping[str, str] | None = None) -> Discovered | None:
    """Return the hub announced on this machine; it may have died since.

    Raises:
        HubUnreachable: the announcement cannot be read.
    """
    path = paths(environ).hub_file
    try:
        found = json.loads(path.read_text())
        return Discovered(
            url=web_address(found["url"]),
            token=str(found["token"]),
            pid=int(found.get("pid", 0)),
            version=str(found.get("version", "")),
            started=str(found.get("started", "")),
            certificate=str(found.get("certificate", "")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        known = isinstance(error, OSError) and error.strerror
        raise HubUnreachable(
            f"{path}, where the hub announces itself, cannot be read "
            f"({known.lower() if known else 'it is damaged'}): delete it and start the "
            "hub again"
        ) from None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A hub to talk to, and how."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    certificate: str = field(default="", repr=False)
    """The one certificate to trust, in PEM, whatever name it has."""


def endpoint(
    kit: KitSettings | None = None, environ: Mapping[str, str] | None = None
) -> Endpoint:
    """Say which hub to talk to: the one set, else the one found, else the default.

    The token that a hub on this machine announced is shown to that hub alone, and the
    certificate that it announced is trusted unless a setting names others.

    Raises:
        Invalid: a setting or the token's file cannot be read.
        HubUnreachable: the hub's announcement cannot be read.
    """
    kit = load(KitSettings, environ=environ).values if kit is None else kit
    found = discover(environ)
    url = kit.url or (found.url if found else DEFAULT_URL)
    token = kit.token or _token_of(kit.token_file)
    certificate = ""
    if found and same_hub(url, found.url):
        token = token or found.token
        certificate = "" if kit.ca_file else found.certificate
    return Endpoint(
        url, token, kit.ca_file, kit.client_cert, kit.client_key, certificate
    )


def same_hub(one: str, other: str) -> bool:
    """Say whether two addresses lead to the same port; localhost is 127.0.0.1."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int]:
    parts = split_address(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else str(parts.hostname)
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _token_of(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the token's file {path} cannot be read ({error}): check token_file"
        ) from None
