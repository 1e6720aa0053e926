"""Runs over HTTP: launched, looked at, called off, let go on."""

from typing import Any, Final

from agentkit.errors import NotAllowed
from server import replies, wire
from server.api import as_object, fields
from server.asgi import Reply, dumps
from server.core import Swarm
from server.office import Office
from server.questions import LIMIT, QUESTIONS, event_frame
from server.routes import ALL, OPERATOR, Call, Route, Run
from server.runs import CANCEL, LAUNCH, RESUME, RETRY
from server.wire import valid


def wish(word: str, status: int = 200) -> Run:
    """Return what submits a wish about a run and answers with its row."""

    async def run(office: Office, call: Call) -> Reply:
        body = await call.body()
        said = {**as_object(body), **call.params}
        command = await office.runs.command(word, said, call.principal.name)
        granted = await office.runs.submit(command, key=call.key(), size=len(body))
        events = [event_frame(logged) for logged in granted.events]
        return Reply(dumps(replies.RunDone(run=granted.run, events=events)), status)

    return run


async def asked(office: Office, call: Call, word: str) -> tuple[dict[str, Any], Any]:
    """Return a question as it was read, and what answers it."""
    question = valid(QUESTIONS[word].shape, await fields(call))
    return question, await QUESTIONS[word].ask(office, question)


async def view(office: Office, call: Call) -> Reply:
    """Show one run; an agent sees those that it has a task of."""
    if call.principal.role == "agent":
        await _require_part(office, call.principal.agent, call.params["id"])
    _, (found,) = await asked(office, call, "run")
    return Reply(dumps(found))


async def _require_part(office: Office, agent: str, run: str) -> None:
    def works_on_it(swarm: Swarm) -> bool:
        return any(swarm.tasks[key].run == run for key in swarm.held.get(agent, ()))

    if not await office.hub.ask(works_on_it):
        raise NotAllowed(
            f"agent {agent!r} has no task of run {run!r}: only who works on a run sees "
            "it, so use a viewer's token"
        )


async def listed(office: Office, call: Call) -> Reply:
    """List runs, those that changed last first."""
    question, found = await asked(office, call, "runs")
    full = len(found) == question.get("limit", LIMIT)
    before = found[-1].version if full else None
    return Reply(dumps(replies.RunPage(runs=found, next=before)))


async def items(office: Office, call: Call) -> Reply:
    """List items of a stage, in order."""
    question, found = await asked(office, call, "items")
    rest = {**question, "limit": 1, "after": found[-1].index} if found else {}
    more = bool(rest) and bool(await office.runs.items(rest))
    after = found[-1].index if more else None
    return Reply(dumps(replies.ItemPage(items=found, next=after)))


async def tree(office: Office, call: Call) -> Reply:
    """Show a run with those below it."""
    _, (found,) = await asked(office, call, "tree")
    return Reply(dumps(found))


async def checkpoints(office: Office, call: Call) -> Reply:
    """List checkpoints, the newest first."""
    _, found = await asked(office, call, "checkpoints")
    return Reply(dumps(replies.CheckpointPage(checkpoints=found)))


async def plan(office: Office, call: Call) -> Reply:
    """Show a plan."""
    _, (found,) = await asked(office, call, "plan")
    return Reply(dumps(replies.PlanView(plan=found)))


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/runs",
        run=wish(LAUNCH, 201),
        summary="Run a plan, from its beginning or a checkpoint of another run",
        roles=OPERATOR,
        shape=wire.WISHES[LAUNCH].shape,
        largest=wire.PLAN_BYTES,
        status=201,
        reply=replies.RunDone,
        tag="runs",
    ),
    Route(
        method="GET",
        path="/v1/runs",
        run=listed,
        summary="Runs without their output, those that changed last first",
        shape=QUESTIONS["runs"].shape,
        reply=replies.RunPage,
        tag="runs",
    ),
    Route(
        method="GET",
        path="/v1/runs/{id}",
        run=view,
        summary="One run, however old, and how far it is",
        roles=ALL,
        shape=QUESTIONS["run"].shape,
        reply=replies.RunState,
        tag="runs",
    ),
    Route(
        method="GET",
        path="/v1/runs/{id}/items",
        run=items,
        summary="The items of a stage of a run, in order",
        shape=QUESTIONS["items"].shape,
        reply=replies.ItemPage,
        tag="runs",
    ),
    Route(
        method="GET",
        path="/v1/runs/{id}/tree",
        run=tree,
        summary="A run with those below it, and how far they are",
        shape=QUESTIONS["tree"].shape,
        reply=replies.RunBranch,
        tag="runs",
    ),
    Route(
        method="GET",
        path="/v1/runs/{id}/checkpoints",
        run=checkpoints,
        summary="The newest checkpoints of a run, without what they hold",
        shape=QUESTIONS["checkpoints"].shape,
        reply=replies.CheckpointPage,
        tag="runs",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/runs/{{id}}/{step}",
            run=wish(word),
            summary=summary,
            roles=OPERATOR,
            shape=wire.WISHES[word].shape,
            reply=replies.RunDone,
            tag="runs",
        )
        for step, word, summary in (
            ("cancel", CANCEL, "Call a run off, with everything below it"),
            ("resume", RESUME, "Let a run go on that failed or was called off"),
            ("retry-failed", RETRY, "Do the failed items of a run again"),
        )
    ),
    Route(
        method="GET",
        path="/v1/plans/{id}",
        run=plan,
        summary="A plan that is run, or was",
        shape=QUESTIONS["plan"].shape,
        reply=replies.PlanView,
        tag="runs",
    ),
)
