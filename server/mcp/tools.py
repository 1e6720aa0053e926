"""The tools: what an agent may call, and what it is told.

Each does what the rest of the hub does for the same wish; nothing is decided here. What
the hub refuses is an answer too, with the sentence that says what helps: a model reads
it and does better, where an error of the protocol would only reach its program.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from agentkit.errors import Invalid
from server.auth import Principal
from server.mcp import asking, shapes, working
from server.mcp.desk import Answer, Desk, Run, Said
from server.mcp.shapes import AGENT, LONGEST, schema_of
from server.office import Office
from server.wire import valid

INSTRUCTIONS: Final = (
    "People watch this swarm on a live screen, hand out work and answer questions. "
    "Say what you do with notify. When you have nothing to do call wait_for_task, "
    "again and again; do the task that comes and call complete. Call blocked when you "
    "cannot go on, and help before anything that cannot be undone. A task is yours "
    "for an hour: notify with its id keeps it yours."
)


@dataclass(frozen=True, slots=True)
class Tool:
    """What can be called."""

    name: str
    title: str
    about: str
    shape: TypeAdapter[Any]
    run: Run
    patience: float = 0.0
    """Seconds that it waits unless it is told how many."""

    def waits(self, said: Mapping[str, Any]) -> float:
        """Return how many seconds it may wait when it is called like this."""
        wait = said.get("wait", self.patience)
        plain = isinstance(wait, int | float) and 0 <= wait <= LONGEST
        return float(wait) if plain and "wait" in self.fields else 0.0

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that it takes, as JSON schemas."""
        fields: dict[str, Any] = _schema(self)["properties"]
        return fields

    def shown(self, *, with_agent: bool) -> dict[str, Any]:
        """Return what a client is told of it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": schema_of(_schema(self), with_agent=with_agent),
            "annotations": {
                "readOnlyHint": False,
                "destructiveHint": False,
                "idempotentHint": self.name != "send",
                "openWorldHint": False,
            },
        }


@cache
def _schema(tool: Tool) -> dict[str, Any]:
    return tool.shape.json_schema()


TABLE: Final = (
    Tool(
        "notify",
        "Report your status",
        "Tell the people who coordinate this swarm what you do. Report busy before you "
        "begin, completed only when it is really done. With the id of a task that you "
        "have, it stays yours.",
        TypeAdapter(shapes.Notify),
        working.notify,
    ),
    Tool(
        "claim",
        "Take a task",
        "Take the most urgent task that you are able to do, or the one you name. It "
        "is null when there is none. Say with complete how it ended.",
        TypeAdapter(shapes.Claim),
        working.claim,
    ),
    Tool(
        "wait_for_task",
        "Wait for work",
        "Wait until there is work for you, and take it. Call it whenever you are idle, "
        "and again when it brings nothing. It also brings mail: broadcasts, answers, "
        "messages of other agents, each once.",
        TypeAdapter(shapes.WaitForTask),
        working.wait_for_task,
        LONGEST,
    ),
    Tool(
        "complete",
        "Finish a task",
        "Say how a task ended that you claimed: with its result, or failed with the "
        "reason. A failed task is tried again. Once more changes nothing.",
        TypeAdapter(shapes.Complete),
        working.complete,
    ),
    Tool(
        "blocked",
        "Say that you cannot go on",
        "Tell people what is missing. They see it at once. Report busy when you go on.",
        TypeAdapter(shapes.Blocked),
        working.blocked,
    ),
    Tool(
        "help",
        "Ask a person",
        "Ask the people who coordinate. With wait it brings the answer if it comes in "
        "time; call it again with the id to wait on. Nobody answered: take the safe "
        "way.",
        TypeAdapter(shapes.Help),
        asking.ask,
    ),
    Tool(
        "send",
        "Send a message",
        "Tell other agents something; it waits in the mailbox of who is away.",
        TypeAdapter(shapes.Send),
        asking.send,
    ),
    Tool(
        "status",
        "Look at yourself",
        "What the swarm knows of you: your status, the tasks you have, your open "
        "question, and your unread mail, each letter once.",
        TypeAdapter(shapes.Who),
        asking.status,
    ),
)

TOOLS: Final = {tool.name: tool for tool in TABLE}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a tool, and with what."""

    principal: Principal
    named: str = ""
    """The agent that the address of the request names."""
    key: str = ""
    size: int = 0

    @property
    def is_known(self) -> bool:
        """Whether it is clear which agent it is before it says so."""
        return bool(self.named or self.principal.agent)


async def run(office: Office, caller: Caller, tool: Tool, said: Said) -> Answer:
    """Call a tool.

    Raises:
        AgentkitError: it was refused; the text says why and what helps.
    """
    _check_names(tool, said)
    fields = dict(valid(tool.shape, said))
    agent = fields.pop(AGENT, "") or caller.named or caller.principal.agent
    if not agent:
        raise Invalid(
            "the token is an operator's, and it is not said which agent calls: give "
            "agent, or add ?agent=ID to the address"
        )
    office.gate.require(caller.principal, agent)
    office.slow_down(agent)
    return await tool.run(Desk(office, agent, caller.key, caller.size), fields)


def _check_names(tool: Tool, said: Said) -> None:
    """Refuse fields that do not exist: models make such mistakes."""
    unknown = next((name for name in said if name not in tool.fields), None)
    if unknown is not None:
        raise Invalid(
            f"{tool.name} has no field {unknown[:60]!r}: it takes "
            f"{', '.join(tool.fields)}"
        )
