"""What Codex notes in its settings of the hooks that somebody lets it run.

For each it has a table ``[hooks.state."FILE:EVENT:GROUP:PLACE"]`` with the digest of
what was looked at. A hook that has none, or that of something else, silently does not
run.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

from agentkit.integrations.wiring import is_ours

Said: TypeAlias = Mapping[str, Any]

HEADER: Final = "[hooks.state]"
"""What Codex writes in front of the first of its tables."""

_FIRST: Final = re.compile(r"(?:^\n)?^\[hooks\.state\]\n", re.MULTILINE)
_TABLE: Final = re.compile(
    r"""(?:^\n)?^\[hooks\.state\.(?P<key>"[^\n]*"|'[^\n]*')\]\n"""
    r"""(?:(?:trusted_hash|enabled) = [^\n]*(?:\n|\Z))*""",
    re.MULTILINE,
)
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def is_trusted(settings: str, hooks: Path) -> bool:
    """Say whether Codex runs each hook of ours that stands in a file.

    Args:
        settings: the text of its ``config.toml``.
        hooks: the file of the hooks.
    """
    try:
        state, ours = _state(tomllib.loads(settings)), _ours(hooks)
    except (OSError, ValueError):
        return False
    seen = {_place(key, hooks): entry for key, entry in state.items()}
    return bool(ours) and all(
        _runs(seen.get(place, {}), digest) for place, digest in ours.items()
    )


def without(settings: str, hooks: Path, before: str | None = None) -> str | None:
    """Return the settings of Codex without what is noted there of our hooks.

    What is noted of the hooks of others stays, in the same file too.

    Args:
        settings: the text of its ``config.toml``.
        hooks: the file of the hooks, as it is while they are in it.
        before: what `settings` were before us, if that is known.

    Returns:
        The text; None when it is written in a way in which Codex does not write it.
    """
    said = tomllib.loads(settings)
    try:
        ours = _ours(hooks)
    except (OSError, ValueError):
        return settings
    dead = {key for key in _state(said) if _place(key, hooks) in ours}
    if not dead:
        return settings
    wanted = deepcopy(said)
    for key in dead:
        del wanted["hooks"]["state"][key]
    text = _cut(settings, dead.__contains__)
    stood = HEADER in (before or "") and not any(key in (before or "") for key in dead)
    if not wanted["hooks"]["state"] and not stood:
        text = _FIRST.sub("", text)
        del wanted["hooks"]["state"]
        wanted = {
            name: part for name, part in wanted.items() if part or name != "hooks"
        }
    if before is not None and text.rstrip("\n") == before.rstrip("\n"):
        return before
    return text if tomllib.loads(text) == wanted else None


def _cut(text: str, is_dead: Callable[[str], bool]) -> str:
    """Return a text without some tables, and without the empty line before each."""

    def left(found: re.Match[str]) -> str:
        key = next(iter(tomllib.loads(f"{found['key']} = 0")))
        return "" if is_dead(key) else found[0]

    return _TABLE.sub(left, text)


def _state(said: Said) -> dict[str, Any]:
    """Return what is noted of hooks, by their keys."""
    hooks = said.get("hooks")
    state = hooks.get("state") if isinstance(hooks, dict) else None
    return state if isinstance(state, dict) else {}


def _place(key: str, hooks: Path) -> str:
    """Return where in a file a key says its hook stands; empty for another file."""
    file, *place = key.rsplit(":", 3)
    same = len(place) == 3 and Path(file).resolve() == hooks.resolve()
    return ":".join(place) if same else ""


def _ours(hooks: Path) -> dict[str, str]:
    """Return where in a file our hooks stand, each with its digest.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not one of hooks.
    """
    events = json.loads(hooks.read_text("utf-8")).get("hooks", {})
    if not isinstance(events, dict):
        raise ValueError("its hooks are not an object")  # noqa: TRY004 - of the text
    return {
        f"{_snake(event)}:{at}:{place}": _digest(event, group, handler)
        for event, groups in events.items()
        for at, group in enumerate(groups)
        for place, handler in _handlers(group)
    }


def _handlers(group: Said) -> Iterator[tuple[int, Said]]:
    for place, handler in enumerate(group.get("hooks", ())):
        if isinstance(handler, dict) and is_ours("codex", handler):
            yield place, handler


def _digest(event: str, group: Said, handler: Said) -> str:
    """Return what Codex notes when a hook is trusted as it is."""
    said: dict[str, Any] = {"async": False, **handler}
    whole: dict[str, Any] = {"event_name": _snake(event), "hooks": [said]}
    if group.get("matcher") is not None:
        whole["matcher"] = group["matcher"]
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _runs(entry: Any, digest: str) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("trusted_hash") == digest
        and entry.get("enabled") is not False
    )


def _snake(event: str) -> str:
    return _WORD.sub("_", event).lower()
