"""The webhook endpoints of IF.notify, with their replies byte for byte."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from agentkit.errors import AgentkitError, Conflict, Invalid, NotFound, SwarmError
from agentkit.protocol import (
    Assign,
    BroadcastSent,
    Logged,
    Notify,
    SendBroadcast,
    TaskAssigned,
)
from agentkit.rows import Agent, Report
from server.asgi import Reply, RequestError, dumps
from server.cloud_events import hear
from server.core import Swarm
from server.hub import USED, Outcome
from server.office import Office
from server.routes import OPERATOR, OWN, Call, Route, Run
from server.wire import NOTIFICATION, AgentNotification, is_plain, notify_of

E = TypeVar("E", TaskAssigned, BroadcastSent)

RECEIVED: Final = b'{"status":"received"}'
UNREADABLE: Final = "There was an error parsing the body"
ESCALATING: Final = b'{"status":"received","action":"escalating"}'


class UnprocessableError(RequestError):
    """What came in will not do; told the way FastAPI tells it."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(422, "unprocessable")
        self.errors = errors


# --- what is answered ----------------------------------------------------------------


def _idle(swarm: Swarm, wish: Notify) -> bytes:
    agent = swarm.agents[wish.agent]
    return dumps(
        {
            "status": "received",
            "message": f"Agent {wish.agent} marked as {agent.status}",
            "queue_position": swarm.idle.position(agent),
        }
    )


def _help(swarm: Swarm, wish: Notify) -> bytes:
    agent = swarm.agents[wish.agent]
    helpers = swarm.helpers(agent.id, agent.capabilities)
    return dumps(
        {"status": "received", "helpers_found": len(helpers), "helpers": helpers}
    )


ANSWERS: Final[dict[Report, Callable[[Swarm, Notify], bytes]]] = {
    "idle": _idle,
    "busy": lambda _swarm, _wish: RECEIVED,
    "blocked": lambda _swarm, _wish: ESCALATING,
    "completed": _idle,
    "help": _help,
}


def _record(agent: Agent) -> dict[str, Any]:
    """Return the nine fields that /status has of an agent."""
    return {
        "session_id": agent.id,
        "status": agent.status,
        "timestamp": agent.reported_at,
        "last_task": agent.task or None,
        "capabilities": agent.capabilities,
        "cost_spent": agent.cost,
        "tasks_completed": agent.completed,
        "waiting_since": agent.waiting_since,
        "message": agent.message or None,
    }


# --- what is run ---------------------------------------------------------------------


def _notified(report: Report) -> Run:
    answer = ANSWERS[report]

    async def run(office: Office, call: Call) -> Reply:
        heard = await hear(call)
        said = _notification(heard.payload)
        if call.principal.role == "agent":
            office.gate.require(call.principal, said.session_id)
        office.slow_down(said.session_id)
        wish = notify_of(report, said)
        outcome = await office.hub.submit(
            wish,
            read=lambda swarm, _: answer(swarm, wish),
            key=heard.key,
            size=heard.size,
        )
        return Reply(outcome.value or b"")

    return run


async def _status(office: Office, _call: Call) -> Reply:
    agents, queue = await office.hub.ask(
        lambda swarm: (list(swarm.agents.values()), list(swarm.idle))
    )
    return Reply(
        dumps(
            {
                "total_agents": len(agents),
                "idle_agents": len(queue),
                "agents": {agent.id: _record(agent) for agent in agents},
                "idle_queue": queue,
            }
        )
    )


async def _assign(office: Office, call: Call) -> Reply:
    heard = await hear(call)
    session, task = _assignment(heard.query(call.query()), heard.body)
    wish = Assign(
        agent=session,
        id=str(task.get("id") or ""),
        title=str(task.get("title") or ""),
        body=task,
        by=call.principal.name,
    )
    try:
        outcome = await office.hub.submit(wish, key=heard.key, size=heard.size)
    except NotFound:
        return Reply(b'{"error":"Agent not found"}')
    assigned = _first(outcome, TaskAssigned)
    if not task.get("id"):
        task = {**task, "id": assigned.task}
    return Reply(dumps({"status": "assigned", "agent": session, "task": task}))


async def _broadcast(office: Office, call: Call) -> Reply:
    heard = await hear(call)
    message = call.query().get("message")
    if message is None:
        message = _message(heard.body)
    wish = SendBroadcast(id="", text=message, by=call.principal.name)
    outcome = await office.hub.submit(wish, key=heard.key, size=heard.size)
    sent = _first(outcome, BroadcastSent)
    return Reply(dumps({"status": "broadcast", "recipients": len(sent.recipients)}))


def _first(outcome: Outcome[Any], kind: type[E]) -> E:
    match outcome.events:
        case (Logged(_, event), *_) if isinstance(event, kind):
            return event
    raise Conflict(USED)


# --- what is read --------------------------------------------------------------------


def _notification(body: bytes) -> AgentNotification:
    """Read a notification, fast when it is right and like FastAPI when it is not."""
    try:
        return NOTIFICATION.validate_json(body)
    except ValidationError:
        value = _json(body)
    try:
        return NOTIFICATION.validate_python(value, from_attributes=True)
    except ValidationError as refusal:
        raise UnprocessableError(
            [
                {**error, "loc": ("body", *error["loc"])}
                for error in refusal.errors(include_url=False)
            ]
        ) from None


def _json(body: bytes) -> Any:
    if not body:
        raise UnprocessableError([_error("missing", "body", "Field required", None)])
    try:
        value = json.loads(body, parse_constant=str)
    except json.JSONDecodeError as error:
        invalid = _error("json_invalid", "body", "JSON decode error", {})
        invalid["loc"] = ("body", error.pos)
        raise UnprocessableError([{**invalid, "ctx": {"error": error.msg}}]) from None
    except (ValueError, RecursionError):
        raise RequestError(400, UNREADABLE) from None
    if not is_plain(value):
        raise RequestError(400, UNREADABLE)
    return value


def _assignment(query: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the agent and the task; both may stand in the body."""
    session = query.get("session_id")
    errors = [] if session is not None else [_missing("query", "session_id")]
    task = _json(body) if body else None
    if session is None and isinstance(task, dict) and "session_id" in task:
        inner = task.get("task")
        if isinstance(task["session_id"], str) and isinstance(inner, dict):
            return task["session_id"], inner
    if not body:
        errors.append(_error("missing", "body", "Field required", None))
    elif not isinstance(task, dict):
        text = "Input should be a valid dictionary"
        errors.append(_error("dict_type", "body", text, task))
    if errors or session is None or not isinstance(task, dict):
        raise UnprocessableError(errors)
    return session, task


def _message(body: bytes) -> str:
    value = _json(body) if body else None
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return str(value["message"])
    raise UnprocessableError([_missing("query", "message")])


def _missing(*where: str) -> dict[str, Any]:
    return {"type": "missing", "loc": where, "msg": "Field required", "input": None}


def _error(kind: str, where: str, text: str, value: object) -> dict[str, Any]:
    return {"type": kind, "loc": (where,), "msg": text, "input": value}


# --- how refusals read ---------------------------------------------------------------


def refusal(error: RequestError | AgentkitError) -> tuple[int, bytes]:
    """Return status and body of a refusal in the shape of FastAPI."""
    if isinstance(error, UnprocessableError):
        told = {"detail": error.errors}
        text = json.dumps(told, default=str, ensure_ascii=False, separators=(",", ":"))
        return 422, text.encode()
    if isinstance(error, RequestError):
        return error.status, dumps({"detail": str(error)})
    if isinstance(error, Invalid):
        told = _error("value_error", "body", str(error), None)
        return 422, dumps({"detail": [told]})
    status = error.http_status if isinstance(error, SwarmError) else 503
    return status, dumps({"detail": str(error)})


# --- the table -----------------------------------------------------------------------

_SUMMARIES: Final[dict[Report, str]] = {
    "idle": "The agent is idle and waits for work",
    "busy": "The agent works on a task",
    "blocked": "The agent is blocked; a person is told after half an hour",
    "completed": "The agent completed a task and waits for work, or has a lease left",
    "help": "The agent needs help; who could help is answered",
}

ROUTES: Final = (
    *(
        Route(
            method="POST",
            path=f"/agent/{report}",
            run=_notified(report),
            summary=summary,
            roles=OWN,
            door="webhook",
            counts_for="agent",
            shape=NOTIFICATION,
            tag="webhook",
        )
        for report, summary in _SUMMARIES.items()
    ),
    Route(
        method="GET",
        path="/status",
        run=_status,
        summary="Every agent, and the idle queue",
        door="webhook",
        tag="webhook",
    ),
    Route(
        method="POST",
        path="/task/assign",
        run=_assign,
        summary="Hand a task (the body) to an agent (session_id)",
        roles=OPERATOR,
        door="webhook",
        tag="webhook",
    ),
    Route(
        method="POST",
        path="/broadcast",
        run=_broadcast,
        summary="Tell every agent a message",
        roles=OPERATOR,
        door="webhook",
        tag="webhook",
    ),
)
