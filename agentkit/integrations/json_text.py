"""Changes to a file of JSON that leave every byte of what is not ours as it was.

A file is read twice: by `json`, which says whether it is one, and by a reader of our
own, which says where each part of it stands.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Edit: TypeAlias = tuple[int, int, str]
"""What stands from here to there becomes this."""

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_PART: Final = json.JSONDecoder().raw_decode
_INDENT: Final = re.compile(r"^([ \t]+)\S", re.MULTILINE)


@dataclass(slots=True)
class Node:
    """A value, and where it stands."""

    start: int
    end: int = 0
    begins: int = 0
    """Where it begins with its name, if it is a member of an object."""
    value: Any = None
    members: dict[str, "Node"] = field(default_factory=dict)
    """By name; of those with the same the last, which is the one that counts."""
    parts: list["Node"] = field(default_factory=list)
    """What is in it, in order."""


def read(text: str) -> Node:
    """Return what a text of JSON says, and where.

    Raises:
        ValueError: it is not an object of JSON.
    """
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a mark for the order of bytes")
    try:
        if not isinstance(json.loads(text), dict):
            raise ValueError("it is not an object")  # noqa: TRY004 - the text's fault
        return _Reader(text).value(_BLANK.match(text).end())  # type: ignore[union-attr]
    except RecursionError:
        raise ValueError("it goes too deep") from None


def merged(text: str, wanted: Mapping[str, Any]) -> str:
    """Return a text with members and items added behind those that it has.

    Where both have an object it is gone into; where both have an array the items are
    added; what else is there already stays.

    Raises:
        ValueError: it is not an object of JSON, or has something else where we need an
            object or an array.
    """
    return _edited(text, _additions(_Style(text), read(text), wanted, ""))


def without(text: str, ours: Callable[[Any], bool], before: str = "{}") -> str:
    """Return a text without what is ours, and without what is then empty.

    Args:
        text: an object of JSON.
        ours: says it of an object.
        before: what was there before us: objects and arrays that were in it stay, even
            with nothing in them.

    Raises:
        ValueError: it is not an object of JSON.
    """
    return _edited(text, _removals(read(text), ours, read(before)))


class _Reader:
    """Finds where the values of a text stand that is known to be JSON."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, start: int) -> Node:
        match self._text[start]:
            case "{":
                return self._object(start)
            case "[":
                return self._array(start)
        value, end = _PART(self._text, start)
        return Node(start, end, start, value)

    def _object(self, start: int) -> Node:
        node = Node(start, begins=start, value={})
        for place in self._places(node, "}"):
            name, end = _PART(self._text, place)
            part = self.value(self._blank(self._blank(end) + 1))
            part.begins = place
            node.members[name] = part
            node.parts.append(part)
            node.value[name] = part.value
            node.end = part.end
        return node

    def _array(self, start: int) -> Node:
        node = Node(start, begins=start, value=[])
        for place in self._places(node, "]"):
            part = self.value(place)
            node.parts.append(part)
            node.value.append(part.value)
            node.end = part.end
        return node

    def _places(self, node: Node, closing: str) -> Iterator[int]:
        """Yield where each part begins; whoever asks sets the end to that of it."""
        place = self._blank(node.start + 1)
        while self._text[place] != closing:
            yield place
            place = self._blank(node.end)
            if self._text[place] == ",":
                place = self._blank(place + 1)
        node.end = place + 1

    def _blank(self, place: int) -> int:
        found = _BLANK.match(self._text, place)
        assert found is not None  # noqa: S101 - it matches nothing as well
        return found.end()


class _Style:
    """How a text is laid out."""

    def __init__(self, text: str) -> None:
        found = _INDENT.search(text)
        self.unit = found.group(1) if found else "  "
        self.line = "\r\n" if "\r\n" in text else "\n"
        self._text = text

    def indent(self, place: int) -> str:
        """Return the blanks that the line of a place begins with."""
        start = self._text.rfind("\n", 0, place) + 1
        found = re.match(r"[ \t]*", self._text[start:place])
        return found.group() if found else ""

    def layout(self, value: Any, indent: str) -> str:
        """Return a value as JSON whose lines are indented."""
        text = json.dumps(value, indent=self.unit, ensure_ascii=False)
        return text.replace("\n", f"{self.line}{indent}")


def _additions(
    style: _Style, node: Node, wanted: Mapping[str, Any], path: str
) -> Iterator[Edit]:
    fresh: list[tuple[str, Any]] = []
    for name, value in wanted.items():
        there = node.members.get(name)
        if there is None:
            fresh.append((json.dumps(name) + ": ", value))
        elif isinstance(value, (dict, list)):
            where = f"{path}{name}"
            if type(there.value) is not type(value):
                kind = "an object" if isinstance(value, dict) else "an array"
                raise ValueError(f"{where} is not {kind}")
            if isinstance(value, dict):
                yield from _additions(style, there, value, f"{where}.")
            else:
                yield from _appended(style, there, [("", item) for item in value])
    yield from _appended(style, node, fresh)


def _appended(
    style: _Style, node: Node, fresh: list[tuple[str, Any]]
) -> Iterator[Edit]:
    """Put parts behind the last one of an object or an array."""
    if not fresh:
        return
    outer = style.indent(node.start)
    inner = style.indent(node.parts[0].begins) if node.parts else outer + style.unit
    if node.parts and inner == outer:  # all in one line
        inner = outer + style.unit
    texts = [
        f"{style.line}{inner}{name}{style.layout(value, inner)}"
        for name, value in fresh
    ]
    if node.parts:
        end = node.parts[-1].end
        yield end, end, "," + ",".join(texts)
    else:
        yield node.start + 1, node.start + 1, ",".join(texts) + style.line + outer


def _removals(
    node: Node, ours: Callable[[Any], bool], old: Node | None
) -> Iterator[Edit]:
    names = {part.begins: name for name, part in node.members.items()}
    parts = node.parts
    were = [old and old.members.get(names.get(part.begins, "")) for part in parts]
    gone = [
        was is None and _is_ours(part, ours)
        for part, was in zip(parts, were, strict=True)
    ]
    if parts and all(gone):
        yield node.start + 1, node.end - 1, ""
        return
    for number, (part, goes) in enumerate(zip(parts, gone, strict=True)):
        if not goes:
            yield from _removals(part, ours, were[number])
        elif not all(gone[:number]):
            yield parts[number - 1].end, part.end, ""
        else:
            yield part.begins, parts[number + 1].begins, ""


def _is_ours(node: Node, ours: Callable[[Any], bool]) -> bool:
    """Say whether a part is ours, or has nothing left without what is."""
    if isinstance(node.value, dict) and ours(node.value):
        return True
    if "hooks" in node.members:
        return _is_ours(node.members["hooks"], ours)
    return bool(node.parts) and all(_is_ours(part, ours) for part in node.parts)


def _edited(text: str, edits: Iterator[Edit]) -> str:
    for start, end, fresh in sorted(edits, reverse=True):
        text = text[:start] + fresh + text[end:]
    return text
