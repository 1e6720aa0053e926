"""Tables of settings, and the layers that fill them."""

# ruff: noqa: RUF009 - a table's defaults are fields, made by `setting`

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from agentkit import places
from agentkit.errors import Invalid
from agentkit.readers import (
    Read,
    file,
    hidden,
    masked,
    one_of,
    switch,
    text,
    web_address,
    words,
)
from agentkit.rows import Guarantee

T = TypeVar("T")
Shown: TypeAlias = Callable[[Any], str]
Layer: TypeAlias = Literal["flag", "environment", "project", "user", "default"]

SECTIONS = ("hub", "dashboard")
"""The sections that other packages have in the files."""

DEFAULT_URL = "http://127.0.0.1:8765"

FAME_STORAGE = "FAME_STORAGE_PROFILE"
ENCRYPTED = "encrypted-sqlite"
PROFILES = {"memory": False, "sqlite": True, ENCRYPTED: True}
"""Naylence's words for where an agent keeps things, and whether that is durable."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a table knows of one setting beside its default."""

    about: str
    read: Read
    env: tuple[str, ...]
    """Other names in the environment, for when ours is absent."""
    personal: bool
    """It may not stand in a project file, which may be somebody else's."""
    shown: Shown = repr
    """What a person is shown of a value that cannot be read."""

    @property
    def is_secret(self) -> bool:
        """Whether it is shown to nobody."""
        return self.shown is hidden


def setting(
    default: Any,
    about: str,
    *,
    read: Read = text,
    env: tuple[str, ...] = (),
    personal: bool = False,
    shown: Shown = repr,
) -> Any:
    """Declare a setting: a field of a table; see `Setting`."""
    entry = Setting(about, read, env, personal, shown)
    return field(default=default, metadata={"setting": entry})


def _durable(raw: Any) -> bool:
    """Read yes or no, or one of Naylence's storage profiles."""
    return PROFILES[raw] if raw in PROFILES else switch(raw)


@dataclass(frozen=True)
class KitSettings:
    """What an agent, or whoever calls the hub, can set."""

    SECTION: ClassVar[str] = ""

    url: str = setting(
        "",
        f"The hub's address; else the hub found on this machine, else {DEFAULT_URL}.",
        read=web_address,
        env=("IFNOTIFY_URL",),
        personal=True,
        shown=masked,
    )
    agent: str = setting("", "Who the agent is.", env=("SESSION_ID",))
    capabilities: tuple[str, ...] = setting(
        (),
        "What the agent can do, with commas between.",
        read=words,
        env=("CAPABILITIES",),
    )
    token: str = setting("", "The token shown to the hub.", personal=True, shown=hidden)
    token_file: Path | None = setting(
        None, "A file with the token.", read=file, personal=True
    )
    ca_file: Path | None = setting(
        None, "Certificates to trust, in PEM.", read=file, personal=True
    )
    client_cert: Path | None = setting(
        None, "Our certificate, in PEM.", read=file, personal=True
    )
    client_key: Path | None = setting(None, "Its key.", read=file, personal=True)
    disable: bool = setting(False, "Report nothing and succeed.", read=switch)
    durable: bool = setting(
        False,
        "Keep an agent's outbox and inbox on disk.",
        read=_durable,
        env=(FAME_STORAGE,),
    )
    guarantee: Guarantee = setting(
        "at-least-once",
        "Whether mail that an agent was handling when it crashed is handled again.",
        read=one_of("at-least-once", "at-most-once"),
        env=("FAME_DELIVERY_PROFILE",),
    )
    storage_directory: Path | None = setting(
        None,
        "The folder of the durable agents' files; else by XDG.",
        read=file,
        env=("FAME_STORAGE_DB_DIRECTORY",),
        personal=True,
    )
    storage_master_key: str = setting(
        "",
        "Seals what durable agents keep on disk, and reports that wait there.",
        env=("FAME_STORAGE_MASTER_KEY",),
        personal=True,
        shown=hidden,
    )
    storage_master_key_file: Path | None = setting(
        None, "A file with that key.", read=file, personal=True
    )
    storage_master_key_previous: str = setting(
        "",
        "The key before that one: what it sealed is sealed anew.",
        personal=True,
        shown=hidden,
    )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value came from: the layer, and the flag, variable or file."""

    layer: Layer
    where: str = ""

    def __str__(self) -> str:
        return f"{self.layer} {self.where}".rstrip()

    @property
    def place(self) -> str:
        """Where a person would correct it."""
        kind = {"flag": "the flag", "environment": "the variable"}
        return f"{kind.get(self.layer, 'the file')} {self.where}"


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A filled table and the source of each of its values."""

    values: T
    sources: Mapping[str, Source]


def entries(table: type) -> dict[str, Setting]:
    """Return the settings of a table by name, in order."""
    return {
        item.name: item.metadata["setting"]
        for item in fields(table)
        if "setting" in item.metadata
    }


def load(
    table: type[T],
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Loaded[T]:
    """Fill a table; a flag that is None was not given.

    Raises:
        Invalid: a value or a file cannot be read, or a file has an unknown key.
    """
    environ = os.environ if environ is None else environ
    project = places.project_file(str(Path.cwd()) if cwd is None else cwd)
    files: list[tuple[Layer, str]] = [
        ("project", project),
        ("user", places.config_file(environ)),
    ]
    layers = [
        _from_flags(flags or {}),
        _from_environment(table, environ),
        *(_from_file(table, layer, path) for layer, path in files if path),
    ]
    found: dict[str, tuple[Any, Source]] = {}
    for name, entry in entries(table).items():
        for layer in layers:
            if name in layer:
                raw, source = layer[name]
                found[name] = (_read(name, entry, raw, source), source)
                break
    return Loaded(
        table(**{name: value for name, (value, _) in found.items()}),
        {
            name: found[name][1] if name in found else _DEFAULT
            for name in entries(table)
        },
    )


_DEFAULT = Source("default")
_Values: TypeAlias = dict[str, tuple[Any, Source]]


def _from_flags(flags: Mapping[str, Any]) -> _Values:
    return {
        name: (raw, Source("flag", f"--{name.replace('_', '-')}"))
        for name, raw in flags.items()
        if raw is not None
    }


def _from_environment(table: type, environ: Mapping[str, str]) -> _Values:
    found: _Values = {}
    for name, entry in entries(table).items():
        for variable in (f"SWARMTUI_{name.upper()}", *entry.env):
            if environ.get(variable):
                found[name] = (environ[variable], Source("environment", variable))
                break
    return found


def _from_file(table: type, layer: Layer, path: str) -> _Values:
    document = _document(path)
    section = getattr(table, "SECTION", "")
    _check(document, (*entries(KitSettings), *SECTIONS), path)
    values = document.get(section, {}) if section else document
    known = entries(table)
    if section:
        if not isinstance(values, dict):
            raise Invalid(f"{section} in {path} is not a section: write [{section}]")
        _check(values, tuple(known), path, section)
    mine = {name: raw for name, raw in values.items() if name in known}
    for name in mine:
        if layer == "project" and known[name].personal:
            raise Invalid(
                f"{path} sets {name}, which a project may not decide for you: put it "
                f"in your own settings, or set SWARMTUI_{name.upper()}"
            )
    return {name: (raw, Source(layer, path)) for name, raw in mine.items()}


def _document(path: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Invalid(
            f"the settings file {path} cannot be read ({error.strerror}): "
            "check its permissions"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the settings file {path} is not TOML: {error}; correct it there"
        ) from None


def _check(
    values: Mapping[str, Any], known: tuple[str, ...], path: str, section: str = ""
) -> None:
    for key in values:
        if key in known:
            continue
        near = get_close_matches(key, known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
        where = f"[{section}] of {path}" if section else path
        raise Invalid(f"there is no setting {key!r}, found in {where}; {remedy}")


def _read(name: str, entry: Setting, raw: Any, source: Source) -> Any:
    try:
        return entry.read(raw)
    except ValueError as error:
        raise Invalid(
            f"{name} cannot be {entry.shown(raw)}: it {error}; correct {source.place}"
        ) from None
