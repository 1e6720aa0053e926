"""The routes as a table: webhook endpoints, `/v1`, and the hub's own health."""

from functools import cache
from typing import Final

from server import (
    api,
    backup,
    leases,
    messages,
    replies,
    results_api,
    runs_api,
    tokens,
    webhook,
    wire,
)
from server.a2a import push as a2a
from server.asgi import Reply, dumps
from server.follow import events_or_stream
from server.mcp import edge as mcp
from server.metrics import metrics
from server.office import Office
from server.openapi import Description
from server.otlp import edge as otlp
from server.questions import QUESTIONS
from server.routes import ALL, ANYBODY, OPERATOR, OWN, WATCH, Call, Route


async def healthz(office: Office, _call: Call) -> Reply:
    """Say that the hub runs, and which one it is."""
    return Reply(
        dumps(
            {
                "hub": "swarmtui",
                "version": office.hub.version,
                "started": office.hub.started,
                "store": office.hub.store.identity,
                "bridges": {
                    name: link().state for name, link in office.links.bridges.items()
                },
            }
        )
    )


async def readyz(office: Office, _call: Call) -> Reply:
    """Say that the hub can write; 503 with the reason when it cannot."""
    word = await office.hub.store.check()
    return Reply(dumps(replies.Readiness(ready=True, store=word)))


async def openapi(office: Office, _call: Call) -> Reply:
    """Describe what is served."""
    return Reply(_description(office.hub.version))


@cache
def _description(version: str) -> bytes:
    return dumps(Description().document(ROUTES, version))


API: Final = (
    Route(
        method="POST",
        path="/v1/agents/{agent}/status",
        run=api.status,
        summary="Report for an agent; numbered reports may be sent again",
        roles=OWN,
        counts_for="agent",
        shape=wire.STATUS,
        reply=replies.StatusReply,
        tag="agents",
    ),
    Route(
        method="POST",
        path="/v1/agents/{agent}/spend",
        run=api.spend,
        summary="Tell what an agent used: dollars and tokens since the last time",
        roles=OWN,
        counts_for="agent",
        shape=wire.SPEND,
        reply=replies.SpendDone,
        tag="agents",
    ),
    Route(
        method="GET",
        path="/v1/agents",
        run=api.agents,
        summary="The agents that a filter chooses",
        shape=api.AGENTS,
        reply=replies.AgentPage,
        tag="agents",
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent}",
        run=api.agent,
        summary="One agent, how present it is, and why it is as it is",
        roles=ALL,
        reply=replies.AgentView,
        tag="agents",
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent}/history",
        run=api.asked("history"),
        summary="The events of an agent, newest first",
        shape=QUESTIONS["history"].shape,
        reply=replies.EventPage,
        tag="agents",
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent}/mailbox",
        run=api.read_mailbox,
        summary="Hand out what is not done in a mailbox, waiting for it if asked to",
        roles=OWN,
        shape=api.MAIL,
        waits=True,
        reply=replies.MailboxPage,
        tag="agents",
    ),
    Route(
        method="POST",
        path="/v1/agents/{agent}/mailbox",
        run=api.sign_mailbox,
        summary="Say what has arrived and what was handled",
        roles=OWN,
        shape=wire.RECEIPTS,
        reply=replies.MailboxState,
        tag="agents",
    ),
    Route(
        method="GET",
        path="/v1/queue",
        run=api.queue,
        summary="Idle agents, who waits longest first",
        reply=replies.Queue,
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/v1/tasks",
        run=leases.make,
        summary="Hand a task to an agent, or queue it for whoever can do it",
        roles=OPERATOR,
        shape=wire.TASK,
        status=201,
        reply=replies.TaskDone,
        tag="tasks",
    ),
    Route(
        method="GET",
        path="/v1/tasks",
        run=api.tasks,
        summary="Tasks: unsettled ones, and the newest that are settled",
        shape=api.TASKS,
        reply=replies.TaskPage,
        tag="tasks",
    ),
    Route(
        method="GET",
        path="/v1/tasks/{id}",
        run=api.task,
        summary="One task, however old",
        reply=replies.TaskDone,
        tag="tasks",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/tasks/{{id}}/{word}",
            run=api.wish(word),
            summary=summary,
            roles=OPERATOR,
            shape=wire.WISHES[word].shape,
            reply=replies.TaskDone,
            tag="tasks",
        )
        for word, summary in (
            ("cancel", "Call a task off; whoever has it loses it"),
            ("requeue", "Begin a task anew, with all its attempts"),
        )
    ),
    Route(
        method="POST",
        path="/v1/claims",
        run=leases.claim,
        summary="Take work under a lease, waiting for some if asked to",
        roles=OWN,
        counts_for="agent",
        shape=wire.CLAIM,
        waits=True,
        reply=replies.Claimed,
        tag="tasks",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/tasks/{{task}}/{word}",
            run=leases.step(word),
            summary=summary,
            roles=OWN,
            counts_for="agent",
            shape=leases.STEPS[word][1],
            reply=replies.TaskDone,
            tag="tasks",
        )
        for word, summary in (
            ("extend", "Let a lease last from now on"),
            ("complete", "Bring a task to its end, with its result"),
            ("fail", "End an attempt: another follows, unless it was the last"),
            ("nack", "Give a task back: the attempt does not count"),
        )
    ),
    Route(
        method="GET",
        path="/v1/help",
        run=api.rows("helps", api.HELPS),
        summary="Who needs a person",
        shape=api.HELPS,
        reply=replies.HelpPage,
        tag="help",
    ),
    Route(
        method="GET",
        path="/v1/help/{help}",
        run=api.help_request,
        summary="One help request, however old; of an agent its own",
        roles=ALL,
        reply=replies.HelpDone,
        tag="help",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/help/{{help}}/{step}",
            run=api.wish(word),
            summary=summary,
            roles=OPERATOR,
            shape=wire.WISHES[word].shape,
            reply=replies.HelpDone,
            tag="help",
        )
        for step, word, summary in (
            ("answer", "answer", "Answer; the text goes into the asker's mailbox"),
            ("take", "take", "Take it on"),
            ("assign", "assign_helper", "Send an agent to help"),
            ("snooze", "snooze", "Put it aside until a time"),
            ("resolve", "resolve", "Close it without an answer"),
        )
    ),
    Route(
        method="POST",
        path="/v1/broadcasts",
        run=api.wish("broadcast", 201),
        summary="Tell everybody, or every agent that a filter chooses",
        roles=OPERATOR,
        shape=wire.WISHES["broadcast"].shape,
        status=201,
        reply=replies.BroadcastDone,
        tag="broadcasts",
    ),
    Route(
        method="POST",
        path="/v1/broadcasts/preview",
        run=api.preview,
        summary="Who would receive a broadcast",
        shape=api.PREVIEW,
        reply=replies.Preview,
        tag="broadcasts",
    ),
    Route(
        method="GET",
        path="/v1/broadcasts",
        run=api.rows("broadcasts", api.BROADCASTS, keep=lambda row: not row.is_message),
        summary="Broadcasts: unsettled ones, and the newest that are settled",
        shape=api.BROADCASTS,
        reply=replies.BroadcastPage,
        tag="broadcasts",
    ),
    Route(
        method="GET",
        path="/v1/broadcasts/{id}",
        run=api.broadcast,
        summary="One broadcast and its ledger",
        shape=api.BROADCAST,
        reply=replies.BroadcastView,
        tag="broadcasts",
    ),
    Route(
        method="GET",
        path="/v1/deliveries",
        run=api.deliveries,
        summary="The ledger of one thing, the mailbox of one agent, or what is dead",
        shape=api.DELIVERIES,
        reply=replies.DeliveryPage,
        tag="broadcasts",
    ),
    Route(
        method="POST",
        path="/v1/deliveries/{id}/retry",
        run=api.retry,
        summary="Send a dead delivery once more",
        roles=OPERATOR,
        shape=wire.WISHES["retry"].shape,
        reply=replies.Redelivery,
        tag="broadcasts",
    ),
    Route(
        method="GET",
        path="/v1/letters",
        run=api.letters,
        summary="Messages that subscriptions gave up, those that changed last first",
        shape=QUESTIONS["letters"].shape,
        reply=replies.LetterPage,
        tag="letters",
    ),
    Route(
        method="GET",
        path="/v1/letters/{id}",
        run=api.letter,
        summary="One letter, however old",
        reply=replies.LetterDone,
        tag="letters",
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/letters/{{id}}/{step}",
            run=api.wish(word),
            summary=summary,
            roles=OPERATOR,
            shape=wire.WISHES[word].shape,
            reply=replies.LetterDone,
            tag="letters",
        )
        for step, word, summary in (
            ("requeue", "unbury", "Give a letter to its subscription once more"),
            ("discard", "discard", "Let a letter be"),
        )
    ),
    Route(
        method="GET",
        path="/v1/events",
        run=events_or_stream,
        summary="The log, by cursor; follows it with Accept: text/event-stream",
        shape=QUESTIONS["events"].shape,
        reply=replies.EventPage,
        tag="log",
    ),
)

HEALTH: Final = tuple(
    Route(
        method="GET",
        path=path,
        run=run,
        summary=summary,
        roles=roles,
        reply=reply,
        tag="health",
    )
    for path, run, summary, roles, reply in (
        ("/healthz", healthz, "The hub runs", ANYBODY, replies.Health),
        ("/readyz", readyz, "The hub can write", ANYBODY, replies.Readiness),
        ("/metrics", metrics, "Prometheus text", WATCH, None),
        ("/openapi.json", openapi, "This description", ANYBODY, None),
    )
)

ROUTES: Final = (
    *webhook.ROUTES,
    *API,
    *messages.ROUTES,
    *runs_api.ROUTES,
    *tokens.ROUTES,
    *results_api.ROUTES,
    *backup.ROUTES,
    *mcp.ROUTES,
    *otlp.ROUTES,
    *a2a.ROUTES,
    *HEALTH,
)
