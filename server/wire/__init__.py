"""The shapes of what comes in, validated here and nowhere else.

A shape holds the fields of a command of `agentkit.protocol`, or of a question, that the
sender may fill, so that a valid one becomes its command by keyword and nothing is
renamed. How long a text may be is the core's business; here it is settled that a text
is a text. HTTP and WebSockets share the shapes: where the fields stand (path, query,
body, frame) makes no difference to them.

The exception is `AgentNotification`, the one shape of the webhook endpoints, with the
names of IF.notify.
"""

from server.wire.agents import (
    AGENT_FRAME,
    AGENT_HELLO,
    CLAIM,
    RECEIPTS,
    SPEND,
    STATUS,
    AgentHello,
    CompleteWish,
    ExtendWish,
    FailWish,
    NackWish,
)
from server.wire.bus import BUS_FRAME, BUS_HELLO, LETTER_TOLD, LINK_TOLD, BusEvent
from server.wire.messages import MESSAGE, by_the_clock
from server.wire.reading import sentence, valid
from server.wire.runs import PLAN_BYTES
from server.wire.values import (
    Body,
    FromZero,
    Moment,
    Number,
    PlainId,
    RequestId,
    is_plain,
)
from server.wire.webhook import NOTIFICATION, AgentNotification, echo, notify_of
from server.wire.wishes import TASK, WATCH_FRAME, WATCH_HELLO, WISHES

__all__ = [
    "AGENT_FRAME",
    "AGENT_HELLO",
    "BUS_FRAME",
    "BUS_HELLO",
    "CLAIM",
    "LETTER_TOLD",
    "LINK_TOLD",
    "MESSAGE",
    "NOTIFICATION",
    "PLAN_BYTES",
    "RECEIPTS",
    "SPEND",
    "STATUS",
    "TASK",
    "WATCH_FRAME",
    "WATCH_HELLO",
    "WISHES",
    "AgentHello",
    "AgentNotification",
    "Body",
    "BusEvent",
    "CompleteWish",
    "ExtendWish",
    "FailWish",
    "FromZero",
    "Moment",
    "NackWish",
    "Number",
    "PlainId",
    "RequestId",
    "by_the_clock",
    "echo",
    "is_plain",
    "notify_of",
    "sentence",
    "valid",
]
