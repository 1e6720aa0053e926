"""What is written where, so that a product runs ``agentkit hook``: data for each.

The events are those of the table in `events`; here is how each product wants to be told
of them.
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from agentkit import __version__
from agentkit.integrations.events import CURSOR_LOOPS, PRODUCTS

Scope: TypeAlias = Literal["user", "project"]

Kind: TypeAlias = Literal["merge", "own", "top", "end", "none"]
"""Entries of an object of JSON; a file of ours; a marked block at an end of a file;
nothing, in a file in which the product notes something of us."""

SECONDS: Final = 5
"""Seconds that a product gives a hook; it needs less than two."""

DAY: Final = 86_400

IN_BACKGROUND: Final = frozenset({"PostToolUse", "PostToolUseFailure", "Notification"})
"""Events that Claude Code need not wait for: they are never answered."""

SHORT: Final = frozenset({"SessionEnd", "Interrupt"})
"""Events for which Codex allows no more than three seconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is written into one file."""

    kind: Kind
    path: Path
    entries: dict[str, Any] | None = None
    """What is merged into a file of JSON."""
    text: str = ""
    """What is written otherwise."""
    taken: str = ""
    """A key of TOML that the file must not have yet, or the part is left out."""
    notes: Path | None = None
    """Hooks of Codex which are trusted, as it notes in this file."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a product is set up."""

    parts: Callable[[str, Path, Scope], list[Part]]
    """Told the command and the folder of the scope, says what is written."""
    hint: str = ""
    """What a person has to do or to know."""
    scopes: tuple[Scope, ...] = ("user", "project")


def command(scope: Scope) -> str:
    """Return how hooks call us: by name if that is found, else by the whole path.

    The settings of a project may be shared, and then the path is somebody else's.
    """
    found = shutil.which("agentkit")
    own = Path(sys.argv[0]).absolute()
    if scope == "project" or found or own.name != "agentkit":
        return "agentkit"
    return shlex.quote(str(own))


def is_ours(product: str, handler: Any) -> bool:
    """Say whether an object of some settings runs our hook for a product."""
    said = (handler.get("command"), handler.get("bash"))
    return any(isinstance(line, str) and _runs(product, line) for line in said)


def _runs(product: str, line: str) -> bool:
    try:
        words = shlex.split(line)
    except ValueError:
        return False
    while words and _SETTING.match(words[0]):
        del words[0]
    named = words[:1] and os.path.basename(words[0]) == "agentkit"  # noqa: PTH119
    return bool(named) and words[1:3] == ["hook", product]


_SETTING: Final = re.compile(r"[A-Za-z_]\w*=")
"""What a user may have put in front of a command: a variable for it."""


def folder(variable: str, default: Path) -> Path:
    """Return the folder that a product's own variable names, else its usual one."""
    return Path(os.environ.get(variable) or default).expanduser()


# --- the products --------------------------------------------------------------------


def _claude(call: str, base: Path, scope: Scope) -> list[Part]:
    home = folder("CLAUDE_CONFIG_DIR", base / ".claude")
    place = home if scope == "user" else base / ".claude"
    hooks: dict[str, Any] = {}
    for event in PRODUCTS["claude"].events:
        tell: dict[str, Any] = {"type": "command", "command": f"{call} hook claude"}
        tell |= {"timeout": SECONDS}
        tell |= {"async": True} if event in IN_BACKGROUND else {}
        hooks[event] = [{"hooks": [tell]}]
    for event in ("SessionStart", "Stop"):
        ring = {"type": "command", "command": f"{call} hook claude --wait"}
        hooks[event][0]["hooks"].append({**ring, "asyncRewake": True, "timeout": DAY})
    return [Part("merge", place / "settings.json", {"hooks": hooks})]


def _codex(call: str, base: Path, scope: Scope) -> list[Part]:
    home = folder("CODEX_HOME", Path.home() / ".codex")
    place = home if scope == "user" else base / ".codex"
    hooks = {
        event: [_group(f"{call} hook codex", 3 if event in SHORT else SECONDS)]
        for event in PRODUCTS["codex"].events
        if event[0].isupper()
    }
    own, settings = place / "hooks.json", home / "config.toml"
    merged = Part("merge", own, {"hooks": hooks})
    if scope == "project":
        return [merged, Part("none", settings, notes=own)]
    words = [*shlex.split(call), "hook", "codex", "agent-turn-complete"]
    text = f"notify = {json.dumps(words)}\n"
    return [merged, Part("top", settings, text=text, taken="notify", notes=own)]


def _gemini(call: str, base: Path, _scope: Scope) -> list[Part]:
    hooks = {
        event: [_group(f"{call} hook gemini", SECONDS * 1000)]
        for event in PRODUCTS["gemini"].events
    }
    return [Part("merge", base / ".gemini" / "settings.json", {"hooks": hooks})]


def _copilot(call: str, base: Path, scope: Scope) -> list[Part]:
    place = base / (".copilot" if scope == "user" else ".github")
    hooks = {
        event: [
            {
                "type": "command",
                "bash": f"{call} hook copilot {event}",
                "timeoutSec": SECONDS,
            }
        ]
        for event in PRODUCTS["copilot"].events
    }
    text = _document({"version": 1, "hooks": hooks})
    return [Part("own", place / "hooks" / "swarmtui.json", text=text)]


def _opencode(call: str, base: Path, scope: Scope) -> list[Part]:
    config = folder("XDG_CONFIG_HOME", base / ".config") / "opencode"
    place = config if scope == "user" else base / ".opencode"
    told = json.dumps(list(PRODUCTS["opencode"].events))
    text = files("agentkit.integrations").joinpath("opencode.js").read_text("utf-8")
    text = text.replace('"agentkit"\n', f"{json.dumps(shlex.split(call)[0])}\n", 1)
    text = text.replace("new Set([])", f"new Set({told})", 1)
    return [Part("own", place / "plugins" / "swarmtui.js", text=text)]


def _goose(call: str, base: Path, _scope: Scope) -> list[Part]:
    place = base / ".agents" / "plugins" / "swarmtui"
    about = "Reports to a swarmtui hub with agentkit hook, and takes its work"
    manifest = {"name": "swarmtui", "version": __version__, "description": about}
    hooks = {
        event: [_group(f"{call} hook goose", SECONDS)]
        for event in PRODUCTS["goose"].events
    }
    return [
        Part("own", place / "plugin.json", text=_document(manifest)),
        Part("own", place / "hooks" / "hooks.json", text=_document({"hooks": hooks})),
    ]


def _cursor(call: str, base: Path, _scope: Scope) -> list[Part]:
    hooks: dict[str, Any] = {
        event: [{"command": f"{call} hook cursor {event}"}]
        for event in PRODUCTS["cursor"].events
    }
    hooks["stop"][0]["loop_limit"] = CURSOR_LOOPS
    entries = {"version": 1, "hooks": hooks}
    return [Part("merge", base / ".cursor" / "hooks.json", entries)]


def _tmux(call: str, base: Path, _scope: Scope) -> list[Part]:
    # in quotes within quotes there is no place for those of the shell
    call = _STRANGE.sub(r"\\\\\g<0>", shlex.split(call)[0])
    usual, other = base / ".tmux.conf", base / ".config" / "tmux" / "tmux.conf"
    path = other if other.exists() and not usual.exists() else usual
    lines = [
        "# A window with the option @swarm is an agent of that name:",
        "#   tmux set -w @swarm builder-1 \\; set -w monitor-silence 20",
        *(_tmux_hook(call, event) for event in ("activity", "silence", "bell")),
        _tmux_death(call),
    ]
    return [Part("end", path, text="\n".join(lines) + "\n")]


_STRANGE: Final = re.compile(r"[^\w@%+=:,./-]", re.ASCII)

PLACE: Final = 765
"""Where our hooks stand in tmux's lists of them: those of others stay."""


def _tmux_hook(call: str, alert: str) -> str:
    says = _tmux_run(call, f"alert-{alert}")
    return f'set-hook -g alert-{alert}[{PLACE}] {{ if -F "#{{@swarm}}" {{ {says} }} }}'


def _tmux_death(call: str) -> str:
    well, ill = _tmux_run(call, "pane-died"), _tmux_run(call, "pane-failed")
    choice = f'if -F "#{{==:#{{pane_dead_status}},0}}" {{ {well} }} {{ {ill} }}'
    return f'set-hook -g pane-died[{PLACE}] {{ if -F "#{{@swarm}}" {{ {choice} }} }}'


def _tmux_run(call: str, event: str) -> str:
    return f'run-shell -b "{call} hook tmux {event} {{}} --agent #{{q:@swarm}}"'


def _group(line: str, timeout: int) -> dict[str, Any]:
    return {"hooks": [{"type": "command", "command": line, "timeout": timeout}]}


def _document(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


WIRINGS: Final[dict[str, Wiring]] = {
    "claude": Wiring(_claude, "start claude, and see it in swarmtui"),
    "codex": Wiring(
        _codex, "Codex asks once whether it may run these hooks: say yes in its TUI"
    ),
    "gemini": Wiring(_gemini, "start Gemini CLI again"),
    "copilot": Wiring(_copilot, "start Copilot CLI again"),
    "opencode": Wiring(_opencode, "start opencode again"),
    "goose": Wiring(_goose, "start goose again"),
    "cursor": Wiring(_cursor, "Cursor reads the file again when it changes"),
    "tmux": Wiring(
        _tmux,
        "run tmux source-file ~/.tmux.conf, then name windows with "
        "tmux set -w @swarm NAME",
        scopes=("user",),
    ),
}
"""How each product is set up, by its word."""
