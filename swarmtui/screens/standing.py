"""What the first line says of the hub, and what an empty table says instead of rows."""

from collections.abc import Mapping
from datetime import datetime

from agentkit.coordinator import Link
from agentkit.rows import day_of
from swarmtui.actions import Need
from swarmtui.console import Console
from swarmtui.text import clock, money, safe, uptime
from swarmtui.widgets.topbar import Standing
from swarmtui.work import Group

SWARM = "swarm"
"""What a swarm is called that was given no name: it is not shown."""
FIRST_AGENT = "agentkit hooks install claude"
"""The command that makes agents of the sessions that people have anyway."""
ANY_AGENT = 'agentkit notify busy "my first task" --agent first'
"""The command that connects an agent to the hub of this machine."""
FIRST_RUN = "swarmtui run examples/peering/config/peering_demo.yml"
"""The command that runs the example."""
FIRST_TASK = 'swarmtui enqueue "my first task"'
"""The command that queues a task."""

_NOTHING: Mapping[Group, str] = {
    "ready": "nothing waits\ne queues a task",
    "leased": "nobody holds a task\nagents claim what is ready",
    "done": "nothing is done yet\nwhat agents complete is listed here",
    "dead": "no dead letters\nwhat fails for good stays here, with its reason",
}


def standing(console: Console) -> Standing:
    """Return the first line for the hub as it is now."""
    now = console.now()
    link = console.model.link
    live = console.model.live
    return Standing(
        hub=safe(_hub(console)),
        live=live,
        word=console.live_word,
        spent=_spent(console, now) if live else "",
        uptime=uptime(now - console.started) if live and console.started else "",
        badge=_badge(console),
        clock=clock(now),
        trouble="" if live else _trouble(console, link, now),
        connecting=not console.model.loaded and (link is None or not link.error),
    )


def _spent(console: Console, now: datetime) -> str:
    """Return what everybody spent today; empty as long as that is nothing."""
    today = day_of(now)
    agents = console.model.agents.values()
    spent = sum(agent.spent for agent in agents if agent.spent_on == today)
    return f"{money(spent)} today" if spent else ""


def _hub(console: Console) -> str:
    """Return the address of the hub, and the name of its swarm if it was given one."""
    name = console.swarm.hub.get("swarm", SWARM)
    return console.address if name == SWARM else f"{name}  {console.address}"


def _badge(console: Console) -> str:
    words = []
    if console.paused:
        words.append(f"PAUSED +{console.backlog:,}")
    if console.silenced:
        words.append("SILENT")
    if console.pace.overloaded:
        words.append(f"BUSY, {console.pace.rate} times a second")
    return "  ".join(words)


def _trouble(console: Console, link: Link | None, now: datetime) -> str:
    if link is None or not link.error:
        return f"connecting to {safe(console.address)}"
    if link.retry_at is None:
        return safe(link.error)
    left = max(0, round((link.retry_at - now).total_seconds()))
    again = f"trying again in {left} s" if left else "trying again"
    return f"{again}: {safe(link.error)}"


def no_agents(console: Console) -> str:
    """Return what a table of agents says when it has none to show."""
    model = console.model
    if not model.loaded:
        return "waiting for the hub\nits agents appear here"
    if model.agents:
        return "no agent matches\nesc clears the filter"
    if Need.RECORDED in console.given():
        return "no agents at this time of the recording"
    return (
        "no agents yet\n"
        "\n"
        "every session of Claude Code becomes one, or of codex, gemini, …\n"
        "\n"
        f"$ {FIRST_AGENT}\n"
        "\n"
        "and whatever says so, from any shell on this machine:\n"
        "\n"
        f"$ {ANY_AGENT}\n"
        "\n"
        "y copies the first command"
    )


def no_tasks(console: Console, group: Group, *, filtered: bool) -> str:
    """Return what a table of tasks says when it has none to show."""
    model = console.model
    if not model.loaded:
        return "waiting for the hub\nits tasks appear here"
    if filtered:
        return "no task matches\nesc clears the filter"
    recorded = Need.RECORDED in console.given()
    if model.tasks or model.letters:
        return _NOTHING[group].partition("\n")[0] if recorded else _NOTHING[group]
    if recorded:
        return "no tasks at this time of the recording"
    return (
        "no tasks yet\n"
        "\n"
        "e queues the first one here, or from any shell:\n"
        "\n"
        f"$ {FIRST_TASK}\n"
        "\n"
        "and an agent takes it:\n"
        "\n"
        "$ agentkit claim --agent first\n"
        "\n"
        "y copies the first command"
    )


def no_runs(console: Console, group: str, *, filtered: bool) -> str:
    """Return what a table of runs says when it has none to show."""
    model = console.model
    if not model.loaded:
        return "waiting for the hub\nits runs appear here"
    if filtered:
        return "no run matches\nesc clears the filter"
    if model.runs:
        return _NO_RUNS[group]
    if Need.RECORDED in console.given():
        return "no runs at this time of the recording"
    return (
        "no runs yet\n"
        "\n"
        "e runs a plan from a file; the example, from any shell:\n"
        "\n"
        f"$ {FIRST_RUN}\n"
        "\n"
        "y copies the command"
    )


_NO_RUNS: Mapping[str, str] = {
    "running": "no plan is in progress\n→ shows those that ended",
    "done": "no run is done yet\nwhat a run led to stays here",
    "failed": "no run has failed\nwhat fails or is called off stays here",
    "all": "no runs",
}
