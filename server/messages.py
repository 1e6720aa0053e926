"""Messages over HTTP: sent, by agents and by persons, and how far they got."""

from collections.abc import Sequence
from typing import Final

from agentkit.protocol import Logged, MessageSent, Send
from agentkit.rows import Broadcast
from server import api, wire
from server.asgi import Reply, dumps
from server.core import Swarm
from server.core.messages import sent_before
from server.limits import cost_of
from server.office import Office
from server.questions import event_frame
from server.replies import BroadcastView, MessageDone, MessagePage
from server.routes import OWN, Call, Route
from server.wire import valid


async def send(office: Office, call: Call) -> Reply:
    """Send a message: an agent as itself, an operator as a person or for an agent."""
    body = await call.body()
    said = valid(wire.MESSAGE, api.as_object(body))
    agent = said.pop("agent", "") or call.principal.agent
    if agent:
        office.gate.require(call.principal, agent)
        office.slow_down(agent, cost_of(said["to"], office.hub.agents))
    else:
        office.slow_client(call.principal.token)
    fields = wire.by_the_clock(said, office.hub.now())
    wish = Send(agent=agent, by="" if agent else call.principal.name, **fields)

    def read(swarm: Swarm, events: Sequence[Logged]) -> Broadcast | None:
        made = (event.message for _, event in events if isinstance(event, MessageSent))
        key = next(made, "")
        return swarm.broadcasts.get(key) if key else sent_before(swarm, wish)

    outcome = await office.hub.submit(wish, read=read, key=call.key(), size=len(body))
    events = [event_frame(logged) for logged in outcome.events]
    return Reply(dumps(MessageDone(message=outcome.value, events=events)), 201)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/messages",
        run=send,
        summary="Send a message to agents: by name, by capability, by pattern",
        roles=OWN,
        counts_for="agent",
        shape=wire.MESSAGE,
        status=201,
        reply=MessageDone,
        tag="messages",
    ),
    Route(
        method="GET",
        path="/v1/messages",
        run=api.rows(
            "broadcasts", api.BROADCASTS, "messages", lambda row: row.is_message
        ),
        summary="Messages: unsettled ones, and the newest that are settled",
        shape=api.BROADCASTS,
        reply=MessagePage,
        tag="messages",
    ),
    Route(
        method="GET",
        path="/v1/messages/{id}",
        run=api.broadcast,
        summary="One message and its ledger",
        shape=api.BROADCAST,
        reply=BroadcastView,
        tag="messages",
    ),
)
