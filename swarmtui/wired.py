"""Which of the agents that people run are wired to the hub, and whether that works.

What is written in the settings of a product is read back and compared with what would
be written, and one hook is run as the product runs it, against a hub of the doctor's
own. Nothing is changed, and nothing reaches the hub of the user.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from agentkit.errors import Invalid
from agentkit.integrations import installing
from agentkit.integrations.events import PRODUCTS
from agentkit.integrations.wiring import WIRINGS, Part, Scope, is_ours
from swarmtui.text import clip, safe

VERSION_WITHIN: Final = 2.0
"""Seconds that a program may take to tell its version."""

HOOK_WITHIN: Final = 5.0
"""Seconds that a product gives a hook."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a product is called on the path, and how it tells its version."""

    names: tuple[str, ...]
    flag: str = "--version"


PROGRAMS: Final[Mapping[str, Program]] = {
    "claude": Program(("claude",)),
    "codex": Program(("codex",)),
    "gemini": Program(("gemini",)),
    "copilot": Program(("copilot",)),
    "opencode": Program(("opencode",)),
    "goose": Program(("goose",)),
    "cursor": Program(("cursor-agent", "cursor")),
    "tmux": Program(("tmux",), "-V"),
}
"""The programs, by the word that the command line has for a product."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a product in one scope, as they are written."""

    product: str
    scope: Scope
    call: str
    """How they call us, as a shell reads it; empty when that cannot be read."""
    current: bool = True
    """Whether they are what would be written today."""
    trouble: str = ""
    """Why they cannot be read."""


@dataclass(frozen=True, slots=True)
class Wired:
    """A product on this machine, and how it is wired."""

    product: str
    program: str
    """Where its program is; empty when it is not on the path."""
    version: str
    """What it says of itself; empty when it did not say in time."""
    hooks: tuple[Hooks, ...]


def products() -> list[Wired]:
    """Return the products that are installed here, or whose settings have our hooks."""
    programs = {name: _program(program) for name, program in PROGRAMS.items()}
    hooks = {name: tuple(_installed(name)) for name in PROGRAMS}
    there = [name for name in PROGRAMS if programs[name] or hooks[name]]
    with ThreadPoolExecutor(max(len(there), 1)) as pool:
        told = pool.map(lambda name: _version(name, programs[name]), there)
        return [
            Wired(name, programs[name], version, hooks[name])
            for name, version in zip(there, told, strict=True)
        ]


def _program(program: Program) -> str:
    found = (shutil.which(name) for name in program.names)
    return next((path for path in found if path), "")


def _version(product: str, program: str) -> str:
    """Return the first line that a program says of itself, or its number in that."""
    if not program:
        return ""
    done = run([program, PROGRAMS[product].flag], {**os.environ}, VERSION_WITHIN)
    if done is None or done.code:
        return ""
    line = safe(done.said.strip().partition("\n")[0])
    number = re.search(r"\d+(?:\.\w+)+", line)
    return number[0] if number else clip(line, 24)


# --- what is written -----------------------------------------------------------------


def _installed(product: str) -> Iterator[Hooks]:
    """Yield the hooks of a product that are installed, the user's first."""
    seen: set[Path] = set()
    for scope in WIRINGS[product].scopes:
        try:
            parts = installing.parts(product, scope)
            paths = {part.path.resolve() for part in parts}
            if paths <= seen:
                continue
            seen |= paths
            calls = list(chain.from_iterable(_calls(product, part) for part in parts))
            if calls:
                yield _compared(product, scope, calls)
        except (Invalid, OSError, ValueError) as error:
            yield Hooks(product, scope, "", trouble=str(error))


def _compared(product: str, scope: Scope, calls: Sequence[str]) -> Hooks:
    """Compare with what would be written for the same call."""
    one = calls[0]
    planned = installing.plan(product, scope, one)
    same = len(set(calls)) == 1 and not any(change.is_one for change in planned)
    return Hooks(product, scope, one, current=same)


def _calls(product: str, part: Part) -> Iterator[str]:
    """Yield how we are called by what is written in a file, as a shell reads it."""
    try:
        text = part.path.read_text("utf-8")
    except FileNotFoundError:
        return
    if "agentkit" not in text:
        return
    try:
        yield from _calls_in(product, part, text)
    except ValueError as error:
        raise Invalid(f"{part.path} cannot be read ({error}): correct it") from None


def _calls_in(product: str, part: Part, text: str) -> Iterator[str]:
    if part.path.suffix == ".json":
        yield from map(_call_of, _lines(product, json.loads(text)))
    elif part.kind == "top":
        words = tomllib.loads(text).get(part.taken, [])
        line = shlex.join(map(str, words))
        if is_ours(product, {"command": line}):
            yield _call_of(line)
    elif product == "opencode":
        for found in re.findall(r'^const AGENTKIT = (".*")$', text, re.MULTILINE):
            yield shlex.quote(json.loads(found))
    else:
        yield from re.findall(r'run-shell -b "(\S+) hook ', text)


def _lines(product: str, value: Any) -> Iterator[str]:
    """Yield the command lines in some JSON that run our hook for a product."""
    if isinstance(value, list):
        for item in value:
            yield from _lines(product, item)
    elif isinstance(value, dict):
        if is_ours(product, value):
            yield str(value.get("command") or value.get("bash"))
        for item in value.values():
            yield from _lines(product, item)


def _call_of(line: str) -> str:
    return shlex.quote(shlex.split(line)[0])


# --- whether it works ----------------------------------------------------------------


def told_start(hooks: Hooks, env: Mapping[str, str], cwd: Path) -> "Ran | None":
    """Run one hook as the product does; None when it took too long, or is not there.

    Args:
        hooks: which; their `call` must be known.
        env: its environment, which says what hub is told.
        cwd: where the session runs.
    """
    product = PRODUCTS[hooks.product]
    event = next(iter(product.events))
    session = session_of(hooks)
    payload = {product.event: event, product.session[0]: session, "cwd": str(cwd)}
    name = () if _names_itself(hooks.product) else (event,)
    words = [*shlex.split(hooks.call), "hook", hooks.product, *name]
    said = json.dumps(payload)
    if hooks.product == "tmux":
        words, said = [*words, "{}", "--agent", session], ""
    return run(words, env, HOOK_WITHIN, said, cwd)


def session_of(hooks: Hooks) -> str:
    """Return what the session is called that the doctor pretends to be."""
    return f"dr-{hooks.scope}"


def _names_itself(product: str) -> bool:
    """Say whether what a product tells has the name of the event in it."""
    return product in ("claude", "codex", "gemini", "goose")


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ended in time."""

    code: int
    said: str
    """Its standard output."""
    ms: float


def run(
    words: Sequence[str],
    env: Mapping[str, str],
    within: float,
    said: str = "",
    cwd: Path | None = None,
) -> Ran | None:
    """Run a program with all that it starts; None when it cannot, or takes too long."""
    started = time.perf_counter()
    try:
        process = subprocess.Popen(  # noqa: S603  # what the user has installed
            words,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        try:
            out, _ = process.communicate(said.encode(), within)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None
    ms = (time.perf_counter() - started) * 1000
    return Ran(process.returncode, out.decode(errors="replace"), ms)
