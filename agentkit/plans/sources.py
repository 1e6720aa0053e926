"""YAML files, read as JSON values that know where they stand.

Only plain YAML is understood: no tags that make objects, no dates, nothing that JSON
has no word for. What refers to itself, or grows beyond bounds by aliases, is refused.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple

import yaml
from yaml.constructor import SafeConstructor

from agentkit.plans.parts import FAULTS, Path

LARGEST: Final = 256 * 1024
"""How many bytes a file may have."""

NODES: Final = 50_000
"""How many values a file may have, aliases written out."""

DEEPEST: Final = 40

_TAG: Final = "tag:yaml.org,2002:"
_TEXTS: Final = frozenset({"str", "timestamp", "value"})


class Spot(NamedTuple):
    """Where a value stands in its file, from 1."""

    line: int
    column: int


class Flaw(Exception):
    """A file cannot be read, or a place in it.

    Attributes:
        spot: where.
        path: what stands there; empty for the file as a whole.
    """

    def __init__(self, text: str, spot: Spot, path: Path = ()) -> None:
        super().__init__(text)
        self.spot = spot
        self.path = path


@dataclass(slots=True)
class Source:
    """A file that was read."""

    file: FilePath
    value: Any = None
    lines: list[str] = field(default_factory=list)
    values: dict[Path, Spot] = field(default_factory=dict)
    """Where each value begins."""
    keys: dict[Path, Spot] = field(default_factory=dict)
    """Where the key of each value begins."""
    flaws: list[Flaw] = field(default_factory=list)
    """What is wrong with it as YAML."""
    nodes: int = 0

    def spot(self, path: Path, *, column: int = 0, at_key: bool = False) -> Spot:
        """Return where a value is: its key, when it has more than one line.

        Args:
            path: the value; when there is none, the nearest around it is meant.
            column: where in its text, from 1.
            at_key: its key is meant.
        """
        while path and path not in self.values:
            path, column = path[:-1], 0
        key, spot = self.keys.get(path), self.values.get(path, Spot(1, 1))
        if key and (at_key or (spot.line != key.line and not column)):
            return key
        return self._inside(spot, column) if column else spot

    def _inside(self, spot: Spot, column: int) -> Spot:
        line = self.lines[spot.line - 1] if spot.line <= len(self.lines) else ""
        begins = line[spot.column - 1 : spot.column]
        if begins in ("|", ">"):
            return spot
        return Spot(spot.line, spot.column + column - 1 + (begins in ("'", '"')))


def read_source(file: FilePath) -> Source:
    """Read a YAML file; what is wrong with it is among its `flaws`."""
    source = Source(file)
    try:
        text = _text(file)
        source.lines = text.splitlines()
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            source.flaws.append(Flaw("it is empty; write a plan", Spot(1, 1)))
        else:
            source.value = _Walk(source).value(root, (), ())
    except Flaw as flaw:
        source.flaws.append(flaw)
    except yaml.YAMLError as error:
        source.flaws.append(_flaw(error))
    except RecursionError:
        source.flaws.append(Flaw("it is nested too deep; flatten it", Spot(1, 1)))
    return source


def _text(file: FilePath) -> str:
    """Return what is in a file.

    Raises:
        Flaw: it is not there, is a folder, is too large or is no text.
    """
    start = Spot(1, 1)
    try:
        if file.is_dir():
            raise Flaw("it is a folder; name a file in it", start)
        if not file.exists():
            raise Flaw("there is no such file; correct the path", start)
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        told = os.strerror(error.errno or 0).lower()
        raise Flaw(f"{told}; correct the path, or its permissions", start) from None
    if len(data) > LARGEST:
        raise Flaw(f"it has more than {LARGEST:,} bytes; split it", start)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Flaw("it is not UTF-8; save it so", Spot(line, 1)) from None


def _flaw(error: yaml.YAMLError) -> Flaw:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)
    told = getattr(error, "problem", None) or getattr(error, "reason", None) or "odd"
    remedy = "indent with blanks" if r"'\t'" in told else "correct it"
    return Flaw(f"it is not YAML: {told}; {remedy}", spot)


def _spot(node: yaml.Node) -> Spot:
    return Spot(node.start_mark.line + 1, node.start_mark.column + 1)


def _kind(node: yaml.Node) -> str:
    return str(node.tag).removeprefix(_TAG)


class _Walk:
    """Turns the nodes of a file into values, and notes where they are."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def value(self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]) -> Any:
        """Return what a node says.

        Raises:
            Flaw: it is inside itself, or there is too much of it.
        """
        self.source.nodes += 1
        if self.source.nodes > NODES:
            raise Flaw(
                f"it has more than {NODES:,} values; split it", _spot(node), path
            )
        if node in around:
            raise Flaw("it is inside itself; write it out", _spot(node), path)
        if len(around) > DEEPEST:
            raise Flaw("it is nested too deep; make it flatter", _spot(node), path)
        self.source.values.setdefault(path, _spot(node))
        if isinstance(node, yaml.MappingNode):
            return self._object(node, path, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            self._check_kind(node, path, "seq")
            return [
                self.value(one, (*path, n), (*around, node))
                for n, one in enumerate(node.value)
            ]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  # there is no fourth kind
        return self._scalar(node, path)

    def _object(
        self, node: yaml.MappingNode, path: Path, around: tuple[yaml.Node, ...]
    ) -> dict[str, Any]:
        self._check_kind(node, path, "map")
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, below in node.value:
            if _kind(key) == "merge":
                for one in self._merged(below, path, around):
                    merged = {**one, **merged}
                continue
            name = self._key(key, path, made)
            if name is not None:
                self.source.keys[*path, name] = _spot(key)
                self.source.values.pop((*path, name), None)
                made[name] = self.value(below, (*path, name), around)
        return {**merged, **made}

    def _merged(
        self, node: yaml.Node, path: Path, around: tuple[yaml.Node, ...]
    ) -> Iterator[dict[str, Any]]:
        """Yield the objects that ``<<`` brings in."""
        several = isinstance(node, yaml.SequenceNode)
        for one in node.value if several else [node]:
            found = self.value(one, path, around)
            if isinstance(found, dict):
                yield found
            else:
                self._note("<< takes objects; give it one", node, path)

    def _key(self, key: yaml.Node, path: Path, made: dict[str, Any]) -> str | None:
        if not isinstance(key, yaml.ScalarNode) or _kind(key) not in _TEXTS:
            told = f"the key {key.value!r}" if isinstance(key.value, str) else "a key"
            self._note(f"{told} is no text; put it in quotes", key, path)
            return None
        name = str(key.value)
        if name in made:
            self._note(f"the key {name!r} is here twice; keep one", key, (*path, name))
        return name

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, kind = node.value, _kind(node)
        if kind in _TEXTS:
            return text
        work = _SCALARS.get(kind)
        if work is None:
            self._note(f"the tag {node.tag} is not known; leave it out", node, path)
            return text
        try:
            found = work(SafeConstructor(), node)
        except (ValueError, LookupError):
            self._note(f"{text[:40]!r} is no {kind}; correct it", node, path)
            return text
        if isinstance(found, float) and not isfinite(found):
            self._note(f"{text} is no number of JSON; write another", node, path)
            return 0
        return found

    def _check_kind(self, node: yaml.Node, path: Path, kind: str) -> None:
        if _kind(node) != kind:
            self._note(f"the tag {node.tag} is not known; leave it out", node, path)

    def _note(self, text: str, node: yaml.Node, path: Path) -> None:
        if len(self.source.flaws) >= FAULTS:
            raise Flaw("more is wrong; correct what is told first", _spot(node), path)
        self.source.flaws.append(Flaw(text, _spot(node), path))


_SCALARS: Final = {
    "null": SafeConstructor.construct_yaml_null,
    "bool": SafeConstructor.construct_yaml_bool,
    "int": SafeConstructor.construct_yaml_int,
    "float": SafeConstructor.construct_yaml_float,
}
