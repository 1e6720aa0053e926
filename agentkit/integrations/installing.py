"""Writes hooks into the settings of a product, and takes them out again.

Everything is planned before anything is written, so that what cannot be done is not
done by half. What was there is kept: taken out again, it stands there byte for byte,
unless somebody changed the file meanwhile; then only what is ours goes.
"""

import json
import os
import tomllib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import unified_diff
from errno import EACCES
from fcntl import LOCK_EX, flock
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from agentkit import places
from agentkit.errors import Invalid
from agentkit.integrations import json_text, trust
from agentkit.integrations.wiring import WIRINGS, Part, Scope, command, is_ours
from agentkit.integrations.writing import Writing

BEGIN: Final = "# >>> swarmtui: written by agentkit hooks install >>>\n"
END: Final = "# <<< swarmtui <<<\n"
OWN: Final = "agentkit hook"
"""By which a file of ours is known."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What stood in a file before we first wrote into it."""

    path: Path
    before: bytes | None
    """None: there was no file."""
    after: str
    """The digest of what we wrote."""
    folders: tuple[str, ...] = ()
    """Folders that we made for it, the innermost first."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what is kept of a file; None when nothing is."""
        try:
            said = json.loads(_record(path).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        before = None if said["before"] is None else b64decode(said["before"])
        return cls(path, before, said["after"], tuple(said["folders"]))

    def write(self, writing: Writing) -> None:
        """Keep it, in a private file, when all is written.

        Raises:
            OSError: it cannot be written.
        """
        record = _record(self.path)
        writing.make(record.parent, 0o700)
        before = None if self.before is None else b64encode(self.before).decode()
        said = {"before": before, "after": self.after, "folders": self.folders}
        text = json.dumps({"path": str(self.path), **said})
        if self.before is not None:
            writing.put(backup(self.path), self.before, 0o600)
        writing.put(record, text.encode(), 0o600)

    def forget(self) -> None:
        """Keep it no longer: what was there is there again."""
        _record(self.path).unlink(missing_ok=True)
        backup(self.path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file."""

    path: Path
    before: bytes | None
    """None: there is no file."""
    after: bytes | None
    """None: there will be none."""
    kept: Kept | None = None
    """What is known of the file before us."""
    note: str = ""
    """Why it stays as it is, if that is not what was asked for."""

    @property
    def is_one(self) -> bool:
        """Whether anything changes."""
        return self.before != self.after

    def diff(self) -> str:
        """Return the change as a unified diff."""
        old, new = (
            (text or b"").decode().splitlines(keepends=True)
            for text in (self.before, self.after)
        )
        told = unified_diff(old, new, str(self.path), str(self.path))
        return "".join(line if line[-1:] == "\n" else f"{line}\n" for line in told)


def parts(product: str, scope: Scope, call: str = "") -> list[Part]:
    """Return what a product needs, and where.

    Args:
        product: its word.
        scope: whose settings.
        call: how we are called, as a shell reads it; empty: as is best here.

    Raises:
        Invalid: it has nothing in that scope.
    """
    wiring = WIRINGS[product]
    if scope not in wiring.scopes:
        raise Invalid(
            f"{product} has no settings of a project: leave --project out to write "
            "those of the user"
        )
    base = Path.home() if scope == "user" else Path.cwd()
    return wiring.parts(call or command(scope), base, scope)


@contextmanager
def alone() -> Iterator[None]:
    """Be the only one that installs or uninstalls, from the plan to its end.

    Raises:
        Invalid: what is kept of files cannot be written.
    """
    folder = _record(Path()).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        turn = (folder / ".turn").open("w")
    except OSError as error:
        raise Invalid(
            f"{folder} cannot be written ({_reason(error)}): make room, or make it "
            "writable, or choose another folder with SWARMTUI_HOME"
        ) from None
    with turn:
        flock(turn, LOCK_EX)
        yield


def fresh(part: Part) -> str:
    """Return what is written where there is no file yet."""
    return _with(part, part.path, None)


# --- install -------------------------------------------------------------------------


def plan(product: str, scope: Scope, call: str = "") -> list[Change]:
    """Return what installing would change; nothing is written. See `parts`.

    Raises:
        Invalid: a file is not ours to change, or cannot be read as what it should be.
        OSError: a file cannot be read.
    """
    return [_planned(product, part) for part in parts(product, scope, call)]


def _planned(product: str, part: Part) -> Change:
    path = _resolved(part.path)
    before = _bytes(path)
    if part.kind == "none":
        return Change(path, before, before)
    text = None if before is None else _text(path, before)
    if part.taken and text is not None and _is_taken(path, _cut(text), part.taken):
        note = f"{path} has a {part.taken} of its own, which stays"
        return Change(path, before, before, note=note)
    was = Kept.read(path)
    if was is None or before is None or _digest(before) != was.after:
        bare = None if text is None else _without(product, part, path, text, was)
        was = Kept(path, None if bare is None else bare.encode(), "")
    bare = None if was.before is None else was.before.decode()
    return Change(path, before, _with(part, path, bare).encode(), was)


def apply(changes: Iterable[Change]) -> None:
    """Write what was planned, all or nothing, and keep what was there.

    Raises:
        Invalid: a file cannot be written, or is not as it was when this was planned.
    """
    with _writing() as writing:
        for change in changes:
            if not change.is_one or change.after is None or change.kept is None:
                continue
            before, folders = change.kept.before, change.kept.folders
            made = tuple(writing.make(change.path.parent)) or folders
            Kept(change.path, before, _digest(change.after), made).write(writing)
            _put(writing, change, change.after)
        writing.commit()


def _with(part: Part, path: Path, bare: str | None) -> str:
    """Return the text of a file with our part in it."""
    block = f"{BEGIN}{part.text}{END}"
    match part.kind:
        case "merge":
            text = bare if bare is not None else "{}\n"
            try:
                return json_text.merged(text, part.entries or {})
            except ValueError as error:
                raise _unreadable(path, error) from None
        case "own":
            return part.text
        case "top":
            return block + (bare or "")
        case "none":
            return bare or ""
        case "end":
            gap = "\n" if bare and not bare.endswith("\n") else ""
            return (bare or "") + gap + block


# --- uninstall -----------------------------------------------------------------------


def plan_removal(product: str, scope: Scope) -> list[Change]:
    """Return what uninstalling would change; nothing is written.

    Raises:
        Invalid: a file cannot be read as what it should be.
        OSError: a file cannot be read.
    """
    return [_planned_removal(product, part) for part in parts(product, scope)]


def _planned_removal(product: str, part: Part) -> Change:
    path = _resolved(part.path)
    now = _bytes(path)
    kept = Kept.read(path) if part.kind != "none" else None
    if now is None:
        return Change(path, None, None, kept)
    if kept is not None and _digest(now) == kept.after:
        return Change(path, now, kept.before, kept)
    text, note = _text(path, now), ""
    rest = _without(product, part, path, text, kept)
    if part.notes is not None and rest is not None:
        rest, note = _unnoted(part.notes, path, rest, kept)
    ours = kept is not None and kept.before is None
    if rest is not None and ours and _is_bare(part, rest):
        rest = None
    return Change(path, now, None if rest is None else rest.encode(), kept, note)


def _unnoted(hooks: Path, path: Path, text: str, kept: Kept | None) -> tuple[str, str]:
    """Return settings of Codex without what it noted of our hooks, or why with it."""
    before = kept.before.decode() if kept is not None and kept.before else None
    try:
        bare = trust.without(text, hooks, before)
    except ValueError as error:
        raise _unreadable(path, error) from None
    if bare is not None:
        return bare, ""
    return text, f"{path} still says that the hooks were trusted: it harms nobody"


def remove(changes: Sequence[Change]) -> None:
    """Write what was planned, all or nothing, and forget what was kept.

    Raises:
        Invalid: a file cannot be written, or is not as it was when this was planned.
    """
    with _writing() as writing:
        for change in changes:
            if change.is_one and change.after is not None:
                _put(writing, change, change.after)
        writing.commit()
        for change in changes:
            if change.is_one and change.after is None:
                change.path.unlink()
    for change in reversed(changes):  # a folder goes after what is in it
        if change.kept is not None:
            for folder in change.kept.folders if change.after is None else ():
                with suppress(OSError):  # somebody put something there
                    Path(folder).rmdir()
            change.kept.forget()


def _without(
    product: str, part: Part, path: Path, text: str, kept: Kept | None
) -> str | None:
    """Return a text without our part; None when the whole file is ours."""
    match part.kind:
        case "merge":
            before = (kept and kept.before) or b"{}"
            mine = partial(is_ours, product)
            try:
                return json_text.without(text, mine, before.decode())
            except ValueError as error:
                raise _unreadable(path, error) from None
        case "own":
            if OWN not in text:
                raise Invalid(
                    f"{path} is there and is not ours: move it away to install hooks"
                )
            return None
    return _cut(text)


def _cut(text: str) -> str:
    """Return a text without our block, however an editor has its lines end."""
    begin, end = BEGIN.rstrip(), END.rstrip()
    head, begun, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not (begun and ended):
        return text
    return head + tail.removeprefix("\r").removeprefix("\n")


def _is_bare(part: Part, text: str) -> bool:
    """Say whether nothing is left but what we put there to begin with."""
    if part.kind != "merge":
        return not text.strip()
    left: dict[str, Any] = json.loads(text)
    return all((part.entries or {}).get(name) == left[name] for name in left)


# --- files ---------------------------------------------------------------------------


def backup(path: Path) -> Path:
    """Return where a copy of a file as it was before us is kept."""
    return _record(path).with_suffix(".backup")


def _record(path: Path) -> Path:
    name = sha256(str(path).encode()).hexdigest()[:16]
    return Path(places.folder("state", os.environ)) / "hooks" / f"{name}.json"


def _resolved(path: Path) -> Path:
    """Return where a path leads: a link stays one, and what it leads to is written."""
    try:
        return path.resolve()
    except (RuntimeError, OSError):
        raise Invalid(
            f"{path} is a link that leads nowhere: remove it and try again"
        ) from None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read ({_reason(error)}): see that it is a file of "
            "yours, nothing was changed"
        ) from None


@contextmanager
def _writing() -> Iterator[Writing]:
    """Write files, all or none.

    Raises:
        Invalid: one cannot be written.
    """
    try:
        with Writing() as writing:
            yield writing
    except OSError as error:
        raise Invalid(
            f"{error.filename or 'a file'} cannot be written ({_reason(error)}): make "
            "room, or make it writable, nothing was changed"
        ) from None


def _put(writing: Writing, change: Change, content: bytes) -> None:
    if _bytes(change.path) != change.before:
        raise Invalid(f"{change.path} was changed by somebody just now: try again")
    if change.before is not None and not os.access(change.path, os.W_OK):
        raise PermissionError(EACCES, "it is read-only", str(change.path))
    writing.put(change.path, content)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from None


def _is_taken(path: Path, text: str, key: str) -> bool:
    try:
        return key in tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: ValueError) -> Invalid:
    reason = str(error)
    return Invalid(
        f"{path} cannot be read ({reason[:1].lower()}{reason[1:]}): correct it there "
        "and try again, nothing was changed"
    )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
