"""The demo without a terminal: a line for whatever happens, and a closing table."""

import asyncio
from collections import Counter
from typing import get_args

from agentkit.coordinator import Coordinator, Heard
from agentkit.rows import Report
from agentkit.settings import Endpoint
from swarmtui import output
from swarmtui.asking import picture
from swarmtui.model import Model, first_names
from swarmtui.output import Column
from swarmtui.telling import is_news, tell, whom
from swarmtui.text import GLYPHS, STATES, clock, fit, money, plural, safe, state

CLOSING = (
    Column("state", coloured=True),
    Column("agents", right=True),
    Column("who", flexible=True),
)
USUAL = {
    "agent.idle",
    "task.extended",
    "agent.connected",
    "agent.disconnected",
    "help.asked",
}
"""What everybody does, or is said twice; it gets no line."""
NAMES = 60
"""Characters that the names in the closing table may take."""


async def narrate(hub: Endpoint, seconds: float) -> None:
    """Write down what happens for so long, then how things stand."""
    said: Counter[str] = Counter()
    async with Coordinator(hub) as swarm:
        try:
            async with asyncio.timeout(seconds):
                await _follow(swarm, said)
        except TimeoutError:
            pass
        finally:
            _close(picture(swarm), said)


async def _follow(swarm: Coordinator, said: Counter[str]) -> None:
    async for change in swarm.changes():
        for heard in change.events:
            said[heard.subject] += 1
            if is_news(heard.subject) and heard.subject not in USUAL:
                output.line(_line(heard))


def _line(heard: Heard) -> str:
    told = tell(heard.event)
    glyph = GLYPHS.get(told.state, "·")
    sign = output.painted(glyph, told.state)
    name = fit(whom(heard.event), 12)
    at = clock(heard.event.at)
    return f"{at}  {sign} {name}  {told.word:<10} {told.text}".rstrip()


def _close(model: Model, said: Counter[str]) -> None:
    output.line()
    body = [_row(model, name) for name in STATES if model.counts[name]]
    output.table(CLOSING, body)
    output.line()
    reports = sum(said[f"agent.{report}"] for report in get_args(Report))
    spent = sum(agent.cost for agent in model.agents.values())
    done, dead = model.task_counts["done"], model.task_counts["dead"]
    output.line(
        f"{plural(len(model.agents), 'agent')}, {plural(reports, 'report')}, "
        f"{money(spent)} spent · {plural(model.task_counts.total(), 'task')}, "
        f"{done} done, {dead} dead · {plural(len(model.helps), 'request')}, "
        f"{len(model.calling)} open"
    )
    for sent in model.broadcasts.values():
        output.line(safe(f"“{sent.text}” reached {sent.acked} of {sent.recipients}"))


def _row(model: Model, name: str) -> list[str]:
    names = sorted(agent.id for agent in model.agents.values() if agent.state == name)
    return [state(name), f"{len(names):,}", ", ".join(first_names(names, NAMES))]
