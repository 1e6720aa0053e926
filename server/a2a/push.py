"""``POST /a2a/push/{agent}``: an A2A agent tells how a task goes.

The address may say ``?for=TASK``: which task of the hub the agent works on. A task that
the agent has under a lease is ended by whoever holds the lease, with the fence and the
result; that it is over is only shown until then. What comes when the task is the
agent's no more changes nothing.
"""

from typing import Final, Literal, TypeAlias

from agentkit.a2a.words import REPORTS, Told, read
from agentkit.protocol import Notify
from agentkit.rows import Report
from server.a2a.order import VIA
from server.a2a.shapes import PUSH, Pushed
from server.api import as_object
from server.asgi import Reply, dumps
from server.core import Swarm
from server.office import Office
from server.routes import OWN, Call, Route
from server.wire import valid

TOKEN: Final = b"x-a2a-notification-token"
"""Where A2A has the token that its receiver gave."""


Standing: TypeAlias = Literal["own", "held", "gone"]
"""What a task is to its agent: its own affair, under a lease, or its work no more."""


async def push(office: Office, call: Call) -> Reply:
    """Take a notification."""
    agent = call.params["agent"]
    office.gate.require(call.principal, agent)
    office.slow_down(agent)
    body = await call.body()
    told = read(valid(PUSH, {**as_object(body), "agent": agent}))
    report = None
    if told.state is not None:
        async with office.a2a.turn(agent):
            about = call.query().get("for", "")
            report = await _take(office, agent, about, told, len(body))
    return Reply(dumps(Pushed(status="received", agent=agent, report=report)))


async def _take(
    office: Office, agent: str, about: str, told: Told, size: int
) -> Report | None:
    """Report what a status makes of an agent; return the report, if there is one."""
    task = about or told.task
    row, standing = await office.hub.ask(
        lambda swarm: (swarm.agents.get(agent), _standing(swarm, agent, about, task))
    )
    if standing == "gone" or not office.a2a.is_news(agent, told, task, row):
        return None
    wish = _wish(agent, task, told, is_held=standing == "held")
    if wish is not None:
        key = f"{VIA}:{agent}:{told.fingerprint}" if told.stamp else ""
        await office.hub.submit(wish, key=key, size=size)
    office.a2a.note(agent, told)
    return wish.report if wish else None


def _standing(swarm: Swarm, agent: str, about: str, task: str) -> Standing:
    row = swarm.tasks.get(task)
    if row is None:
        return "gone" if about else "own"
    if row.agent != agent or row.is_settled:
        return "gone"
    return "held" if row.state == "leased" else "own"


def _wish(agent: str, task: str, told: Told, *, is_held: bool) -> Notify | None:
    """Return the report that a status is; None when it leaves the agent as it is."""
    report = REPORTS[told.state] if told.state else None
    message = told.words
    if is_held and told.is_over:
        report = "busy"
        message = ": ".join(filter(None, (told.state, told.text)))
    if report is None:
        return None
    return Notify(
        agent=agent,
        report=report,
        task=task,
        message=message,
        reported_at=told.at.isoformat() if told.at else "",
        via=VIA,
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/a2a/push/{agent}",
        run=push,
        summary="Take a push notification of an A2A agent, of protocol 1.0 or 0.3",
        roles=OWN,
        counts_for="agent",
        shape=PUSH,
        reply=Pushed,
        token_in=TOKEN,
        tag="a2a",
    ),
)
