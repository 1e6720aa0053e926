"""The programs, and how each is started so that it touches only its own folder."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.real.dialects import Call

REAL: Final = os.environ.get("SWARMTUI_REAL", "")
"""Folders to look for the programs in, as in PATH."""

KEY: Final = "sk-ant-a-key-that-only-a-model-on-loopback-takes"


@dataclass(frozen=True)
class Program:
    """A product's program.

    Attributes:
        word: its name, for us and on the command line.
        words: what is said to it so that somebody can sit in front of it.
        environ: what it is told by the environment: the address of the model.
        files: what lies in its home from the beginning, by name.
        shell: how its model runs a command.
        ready: what it shows when somebody can type.
        begins: what it asks before that, and the keys that answer it.
        allow: the keys that grant a permission.
        places: what of its home our hooks are written into.
        writes: what it writes of itself into the same files, as a pattern.
        interrupt: the keys that interrupt a turn.
        interrupted: what stands on the screen then.
        leave: how somebody ends it.
        wakes: whether a session that waits is woken for work.
        asks: whether it says that it waits for a permission.
        tells_words: whether it says with what words a turn ended.
        tells_end: whether it says that a session ended.
        begins_idle: whether there is a session before the first prompt.
    """

    word: str
    words: tuple[str, ...]
    environ: Callable[[str], Mapping[str, str]]
    shell: Callable[[str], Call]
    ready: str
    places: tuple[str, ...]
    begins: tuple[tuple[str, tuple[str, ...]], ...] = ()
    files: Callable[[str, Path], Mapping[str, Any]] = lambda _url, _cwd: {}
    allow: tuple[str, ...] = ("Enter",)
    writes: str = r"\Z"
    interrupt: tuple[str, ...] = ("Escape",)
    interrupted: str = "nterrupted"
    leave: tuple[str, ...] = ("C-u", "/exit", "Enter")
    wakes: bool = False
    asks: bool = True
    tells_words: bool = True
    tells_end: bool = True
    begins_idle: bool = True

    @property
    def path(self) -> str | None:
        """Where it is; nothing when it is not installed."""
        return shutil.which(self.word, path=REAL) if REAL else None


def _claude_files(_url: str, cwd: Path) -> Mapping[str, Any]:
    trusted = {"hasTrustDialogAccepted": True, "allowedTools": []}
    return {
        ".claude.json": {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {str(cwd): trusted},
        }
    }


def _codex_shell(line: str) -> Call:
    why = {"sandbox_permissions": "require_escalated", "justification": "a test"}
    return Call("exec_command", {"cmd": line, **why})


_CODEX: Final = """\
model = "gpt-fake"
model_provider = "fake"
approval_policy = "on-request"
sandbox_mode = "workspace-write"
[model_providers.fake]
name = "fake"
base_url = "{url}/v1"
wire_api = "responses"
[projects."{cwd}"]
trust_level = "trusted"
"""


def _codex_files(url: str, cwd: Path) -> Mapping[str, Any]:
    return {".codex/config.toml": _CODEX.format(url=url, cwd=cwd)}


def _gemini_files(_url: str, _cwd: Path) -> Mapping[str, Any]:
    chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    return {".gemini/settings.json": chosen}


def _opencode_files(url: str, _cwd: Path) -> Mapping[str, Any]:
    fake = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "fake",
        "options": {"baseURL": f"{url}/v1", "apiKey": "x"},
        "models": {"m": {"name": "m"}},
    }
    settings = {
        "model": "fake/m",
        "provider": {"fake": fake},
        "permission": {"bash": "ask"},
    }
    # as if the packages that it fetches for plugins were there: ours needs none
    needs = {"dependencies": {"@opencode-ai/plugin": "*"}}
    place = ".config/opencode"
    return {
        f"{place}/opencode.json": settings,
        f"{place}/package.json": needs,
        f"{place}/package-lock.json": {"packages": {"": needs}},
        f"{place}/node_modules/.keep": "",
    }


PROGRAMS: Final = {
    program.word: program
    for program in (
        Program(
            "claude",
            ("--permission-mode", "default"),
            lambda url: {
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": KEY,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
            },
            lambda line: Call("Bash", {"command": line, "description": "a test"}),
            ready="\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}",
            places=(".claude/settings.json*",),
            files=_claude_files,
            wakes=True,
        ),
        Program(
            "codex",
            (),
            lambda _url: {},
            _codex_shell,
            ready="Ask Codex to do anything",
            places=(".codex/hooks.json*", ".codex/config.toml*"),
            begins=(
                ("Trust all and continue", ("Enter",)),
                ("t trust all", ("t",)),
                ("enter details", ("Escape",)),
            ),
            files=_codex_files,
            allow=("y",),
            writes=r"\n\[tui[^\n]*\n(?:[^\n\[]+\n)*",
            leave=("C-c", "C-c"),
            wakes=True,
            begins_idle=False,
        ),
        Program(
            "gemini",
            ("-m", "gemini-2.5-pro"),
            lambda url: {
                "GEMINI_API_KEY": "x",
                "GOOGLE_GEMINI_BASE_URL": url,
                "GEMINI_CLI_TRUST_WORKSPACE": "true",
            },
            lambda line: Call("run_shell_command", {"command": line}),
            ready="Type your message",
            places=(".gemini/settings.json*",),
            files=_gemini_files,
        ),
        Program(
            "copilot",
            (),
            lambda url: {
                "COPILOT_OFFLINE": "true",
                "COPILOT_AUTO_UPDATE": "false",
                "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
                "COPILOT_PROVIDER_API_KEY": "x",
                "COPILOT_MODEL": "fake-model",
            },
            lambda line: Call("bash", {"command": line, "description": "a test"}),
            ready="/ commands",
            begins=(("Do you trust", ("Enter",)),),
            places=(".copilot/hooks/*",),
            begins_idle=False,
        ),
        Program(
            "opencode",
            (),
            lambda _url: {
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
            },
            lambda line: Call("bash", {"command": line, "description": "a test"}),
            ready="Ask anything",
            places=(".config/opencode/plugins/*",),
            files=_opencode_files,
            wakes=True,
            begins_idle=False,
        ),
        Program(
            "goose",
            ("session",),
            lambda url: {
                "GOOSE_PROVIDER": "openai",
                "GOOSE_MODEL": "gpt-fake",
                "GOOSE_MODE": "approve",
                "GOOSE_TELEMETRY_OFF": "1",
                "GOOSE_DISABLE_KEYRING": "1",
                "OPENAI_HOST": url,
                "OPENAI_API_KEY": "x",
            },
            lambda line: Call("shell", {"command": line}),
            ready="Enter to send",
            places=(
                ".agents/plugins/swarmtui/*.json",
                ".agents/plugins/swarmtui/hooks/*",
            ),
            interrupt=("C-c",),
            asks=False,
        ),
    )
}
