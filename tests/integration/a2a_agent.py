"""An agent made with the official SDK, as a process: it does what it is told by a word.

It prints where each agent is, as JSON, and serves them until it is killed.
"""

import asyncio
import json
import socket
import sys
from typing import Any

import httpx
import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import (
    BasePushNotificationSender,
    InMemoryPushNotificationConfigStore,
    InMemoryTaskStore,
    TaskUpdater,
)
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Message,
    Role,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Works(AgentExecutor):
    """Does what the first word of a message says."""

    cancelled = 0

    async def execute(self, context: RequestContext, queue: EventQueue) -> None:
        text = context.get_user_input()
        word = text.split()[0]
        if word == "chat":
            await queue.enqueue_event(
                new_text_message("hi there", role=Role.ROLE_AGENT)
            )
            return
        message = context.message
        assert message is not None
        if context.current_task is None:
            await queue.enqueue_event(new_task_from_user_message(message))
        assert context.task_id is not None
        assert context.context_id is not None
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        if context.current_task is not None:
            await updater.complete(_says(updater, f"so it is {text}"))
            return
        await updater.start_work(_says(updater, "working on it"))
        await getattr(self, f"_{word}")(updater)

    async def cancel(self, context: RequestContext, queue: EventQueue) -> None:
        assert context.task_id is not None
        assert context.context_id is not None
        updater = TaskUpdater(queue, context.task_id, context.context_id)
        self.cancelled += 1
        await updater.cancel(_says(updater, "stopped"))

    async def _tell(self, updater: TaskUpdater) -> None:
        await updater.complete(_says(updater, f"{self.cancelled} cancelled"))

    async def _count(self, updater: TaskUpdater) -> None:
        await updater.add_artifact([new_text_part("42")], name="sum")
        await updater.complete(_says(updater, "counted"))

    async def _ask(self, updater: TaskUpdater) -> None:
        await updater.requires_input(_says(updater, "which colour?"))

    async def _fail(self, updater: TaskUpdater) -> None:
        await updater.failed(_says(updater, "no disk left"))

    async def _refuse(self, updater: TaskUpdater) -> None:
        await updater.reject(_says(updater, "not my work"))

    async def _wait(self, updater: TaskUpdater) -> None:
        await asyncio.Event().wait()


def _says(updater: TaskUpdater, text: str) -> Message:
    return updater.new_agent_message([new_text_part(text)])


def card_of(url: str, *, pushes: bool, version: str) -> AgentCard:
    return AgentCard(
        name="Number Cruncher",
        description="counts things",
        version="7",
        supported_interfaces=[
            AgentInterface(
                url=url, protocol_binding="JSONRPC", protocol_version=version
            )
        ],
        capabilities=AgentCapabilities(push_notifications=pushes),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[
            AgentSkill(id="sum", name="sum", description="adds", tags=["maths", "sum"])
        ],
    )


def old_card(url: str, *, pushes: bool) -> dict[str, Any]:
    """Return a card as agents before 1.0 have it."""
    return {
        "name": "Number Cruncher",
        "description": "counts things",
        "version": "6",
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "capabilities": {"pushNotifications": pushes},
        "skills": [{"id": "sum", "name": "sum", "description": "", "tags": ["maths"]}],
    }


def app_of(url: str, kind: str) -> Starlette:
    """Return an agent: ``new`` or ``old``, and with ``-pushes`` it tells by itself."""
    pushes, is_old = kind.endswith("-pushes"), kind.startswith("old")
    card = card_of(url, pushes=pushes, version="0.3" if is_old else "1.0")
    configs = InMemoryPushNotificationConfigStore()
    sender = BasePushNotificationSender(httpx.AsyncClient(trust_env=False), configs)
    handler = DefaultRequestHandler(
        agent_executor=Works(),
        task_store=InMemoryTaskStore(),
        agent_card=card,
        push_config_store=configs if pushes else None,
        push_sender=sender if pushes else None,
    )

    async def before(_: Request) -> JSONResponse:
        return JSONResponse(old_card(url, pushes=pushes))

    cards = [Route("/.well-known/agent.json", before)]
    return Starlette(
        routes=[
            *(cards if is_old else create_agent_card_routes(card)),
            *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=is_old),
        ]
    )


async def serve(kinds: dict[str, int]) -> None:
    """Serve agents, each at its port, and tell where."""
    sockets = {
        kind: socket.create_server(("127.0.0.1", port)) for kind, port in kinds.items()
    }
    urls = {
        kind: f"http://127.0.0.1:{listening.getsockname()[1]}"
        for kind, listening in sockets.items()
    }
    print(json.dumps(urls), flush=True)
    async with asyncio.TaskGroup() as serving:
        for kind, listening in sockets.items():
            app = app_of(f"{urls[kind]}/", kind)
            config = uvicorn.Config(app, log_level="warning")
            serving.create_task(uvicorn.Server(config).serve([listening]))


if __name__ == "__main__":
    words = [word.partition("=") for word in sys.argv[1:]]
    asyncio.run(serve({kind: int(port or 0) for kind, _, port in words}))
