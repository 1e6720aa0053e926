"""What the doctor says of the agents of this machine: one finding for each product."""

import json
import os
import shlex
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkit.calls import Caller
from agentkit.errors import AgentkitError
from agentkit.integrations import installing, trust
from agentkit.integrations.events import PRODUCTS
from agentkit.integrations.wiring import Scope
from agentkit.settings import Endpoint
from swarmtui.asking import KNOCK
from swarmtui.demo.stage import private_hub, surroundings
from swarmtui.finding import Finding
from swarmtui.text import millis, safe
from swarmtui.wired import PROGRAMS, Hooks, Wired, products, session_of, told_start

NOBODY = ", ".join(PRODUCTS[name].title for name in PROGRAMS)


def agents() -> list[tuple[str, Finding]]:
    """Return a finding for each product that is here; one that says so if none is."""
    here = products()
    if not here:
        return [("agents", Finding("ok", f"none that we know is here: {NOBODY}"))]
    if not any(_runs(hooks) for wired in here for hooks in wired.hooks):
        return [(wired.product, _judged(wired, None)) for wired in here]
    with TemporaryDirectory(prefix="swarmtui-doctor-") as place:
        try:
            with private_hub(Path(place)) as hub:
                return [(one.product, _judged(one, hub, Path(place))) for one in here]
        except (AgentkitError, OSError) as error:
            said = Finding("fail", safe(str(error)), "please report this")
            return [(wired.product, said) for wired in here]


def _judged(wired: Wired, hub: Endpoint | None, place: Path | None = None) -> Finding:
    """Return the finding of one product: the worst that is said of any of its hooks."""
    who = f"{PRODUCTS[wired.product].title} {wired.version}".strip()
    if not wired.program:
        who += ", not on the path"
    if not wired.hooks:
        install = f"agentkit hooks install {wired.product}"
        return Finding("ok", f"{who}, not wired; {install} does it")
    found = [_of_hooks(hooks, hub, place) for hooks in wired.hooks]
    worst = max(found, key=lambda one: ("ok", "warn", "fail").index(one.result))
    said = "; ".join(one.found for one in found)
    return worst._replace(found=f"{who}, {said}")


def _of_hooks(hooks: Hooks, hub: Endpoint | None, place: Path | None) -> Finding:
    of = "hooks" if hooks.scope == "user" else "hooks of this project"
    project = " --project" if hooks.scope == "project" else ""
    again = f"agentkit hooks install {hooks.product}{project}"
    if hooks.trouble:
        return Finding("warn", f"{of} unknown: {safe(hooks.trouble)}", again)
    if not _runs(hooks) or hub is None or place is None:
        return Finding(
            "fail", f"{of} call {safe(hooks.call)}, which is not there", again
        )
    tried = _tried(hooks, hub, place)
    if tried.result != "ok":
        return Finding(
            "fail", f"{of} do not work: {tried.found}", tried.remedy or again
        )
    if not hooks.current:
        return Finding("warn", f"{of} are of another version, {tried.found}", again)
    if hooks.product == "codex" and not _is_trusted(hooks.scope):
        trust = "start codex once and let it run these hooks"
        return Finding("warn", f"{of} do not run until Codex trusts them", trust)
    return Finding("ok", f"{of} {tried.found}")


def _runs(hooks: Hooks) -> bool:
    return bool(hooks.call) and shutil.which(shlex.split(hooks.call)[0]) is not None


def _tried(hooks: Hooks, hub: Endpoint, place: Path) -> Finding:
    """Let a session begin, and see whether the hub knows of it."""
    ran = told_start(hooks, surroundings(os.environ, place), place)
    if ran is None:
        return Finding("fail", "the call did not end in time")
    if ran.code or not _is_answer(ran.said):
        return Finding("fail", f"the call ended with {ran.code}: {safe(ran.said)[:80]}")
    with Caller(hub, KNOCK) as caller:
        known = [agent["id"] for agent in caller.get("agents")["agents"]]
    if not any(_is_session(hooks, name) for name in known):
        return Finding("fail", "the call ended well, but nothing reached the hub")
    return Finding("ok", f"reach a hub in {millis(ran.ms)} ms")


def _is_session(hooks: Hooks, agent: str) -> bool:
    """Say whether an agent is the session that began, by whichever name it has."""
    session = session_of(hooks)
    named = agent.startswith(f"{hooks.product}-") and f"-{session}@" in agent
    return named or agent == session


def _is_answer(said: str) -> bool:
    try:
        return not said.strip() or isinstance(json.loads(said), dict)
    except ValueError:
        return False


def _is_trusted(scope: Scope) -> bool:
    """Say whether Codex runs our hooks, as far as its settings say so."""
    return all(
        trust.is_trusted(_read(part.path), part.notes)
        for part in installing.parts("codex", scope)
        if part.notes is not None
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
