"""What the tools take. A client is shown these as JSON schemas."""

from typing import Annotated, Any, Final, Literal, NotRequired, Required

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from agentkit.rows import Severity
from server.wire.values import Body, Dollars, FromZero, PlainId, Seconds

LONGEST: Final = 50.0
"""Seconds that a call may wait: clients give one up after 60."""

AGENT: Final = "agent"
"""The field that says who calls; it is not shown to whoever can only be one."""

Wait = Annotated[
    float,
    Field(ge=0, le=LONGEST, description="Seconds to wait, at most 50; then call again"),
]
Capabilities = Annotated[
    tuple[str, ...], Field(description='What you can do, such as ["python", "sql"]')
]
Lease = Annotated[
    Seconds,
    Field(
        description="Seconds until the task is somebody else's if nothing is heard of "
        "you meanwhile; else an hour"
    ),
]
TaskId = Annotated[PlainId, Field(description="The id of the task")]
Choices = Annotated[
    tuple[str, ...], Field(max_length=64, description="The answers to choose from")
]
Urgency = Annotated[Severity, Field(description="How urgent it is")]


class Who(TypedDict, total=False):
    """Say how you and your work are doing; takes no more than who you are."""

    agent: Annotated[str, Field(description="Your id in the swarm, always the same")]


class Notify(Who, total=False):
    """A report."""

    status: Required[
        Annotated[
            Literal["idle", "busy", "completed"],
            Field(description="completed: the task is done, and you are idle again"),
        ]
    ]
    task: Annotated[str, Field(description="What it is about: an id, or a few words")]
    message: Annotated[str, Field(description="What you do just now, in a sentence")]
    progress: Annotated[
        float, Field(ge=0, le=1, description="The share of the task that is done")
    ]
    capabilities: Capabilities
    cost: Annotated[
        Dollars, Field(description="US dollars spent in total, not since last time")
    ]


class Claim(Who, total=False):
    """A claim that does not wait."""

    task: Annotated[
        PlainId, Field(description="This task and no other; else the most urgent")
    ]
    capabilities: Capabilities
    lease: Lease


class WaitForTask(Who, total=False):
    """A claim that waits."""

    wait: Wait
    capabilities: Capabilities
    lease: Lease


class Complete(Who, total=False):
    """How a task ended."""

    task: Required[TaskId]
    result: Annotated[
        Body | str, Field(description="What it led to: a text, or an object of JSON")
    ]
    failed: Annotated[
        str,
        Field(min_length=1, description="Why it could not be done, instead of result"),
    ]
    cost: Annotated[Dollars, Field(description="US dollars spent in total")]
    fence: Annotated[
        FromZero, Field(description="The task's fence as you were given it")
    ]


class Blocked(Who, total=False):
    """A blocker."""

    reason: Required[
        Annotated[str, Field(min_length=1, description="What is missing to go on")]
    ]
    task: TaskId
    severity: Urgency


class Help(Who, total=False):
    """A question."""

    question: Required[
        Annotated[str, Field(min_length=1, description="One question, with the facts")]
    ]
    choices: Choices
    task: TaskId
    severity: Urgency
    wait: Wait
    id: Annotated[
        PlainId,
        Field(description="The help request you were given, to wait for it again"),
    ]


class Send(Who, total=False):
    """A message."""

    to: Required[
        Annotated[
            str,
            Field(
                description="An agent's id, cap:CAPABILITY for one who has it, or a "
                "pattern of ids such as render.*"
            ),
        ]
    ]
    text: Annotated[str, Field(description="What you say")]
    body: Annotated[Body, Field(description="An object of JSON that goes with it")]
    id: Annotated[
        PlainId, Field(description="Your own id for it: used again, nothing is sent")
    ]


class McpFrame(TypedDict):
    """A request or a notification of JSON-RPC 2.0."""

    jsonrpc: Literal["2.0"]
    method: str
    id: NotRequired[int | str]
    params: NotRequired[dict[str, Any]]


FRAME: Final = TypeAdapter(McpFrame)
"""For the description of the API alone: `protocol.read_frame` reads."""


def schema_of(shape: dict[str, Any], *, with_agent: bool) -> dict[str, Any]:
    """Return a shape's JSON schema as a client gets it: without what says nothing."""
    fields = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in shape.get("properties", {}).items()
        if with_agent or name != AGENT
    }
    required = [name for name in shape.get("required", ()) if name in fields]
    return {
        "type": "object",
        "properties": fields,
        "required": [*([AGENT] if with_agent else ()), *required],
        "additionalProperties": False,
    }
