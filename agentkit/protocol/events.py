"""Events: what has happened, as the log has it and as everybody who watches is told."""

from typing import NamedTuple, TypeAlias

from agentkit.protocol.agents import (
    AgentConnected,
    AgentDisconnected,
    AgentLost,
    AgentOverspent,
    AgentReported,
    AgentSolvent,
    AgentSpent,
    HelpAnswered,
    HelpAsked,
    HelperAssigned,
    HelpEscalated,
    HelpResolved,
    HelpSnoozed,
    HelpTaken,
    HelpWoken,
    HubStarted,
    ReportRefused,
    TokenCreated,
    TokenRevoked,
)
from agentkit.protocol.mail import (
    BroadcastSent,
    DeliveryAcked,
    DeliveryDead,
    DeliveryDone,
    DeliveryRetried,
    DeliverySent,
    LetterDead,
    LetterDiscarded,
    LetterRequeued,
    MessageSent,
)
from agentkit.protocol.runs import (
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemRetrying,
    ItemStarted,
    PlanKept,
    ResultDeleted,
    ResultWritten,
    RunCancelled,
    RunEntered,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunMoved,
    RunResumed,
    RunRetried,
)
from agentkit.protocol.work import (
    TaskAssigned,
    TaskCancelled,
    TaskDead,
    TaskDone,
    TaskEnqueued,
    TaskExtended,
    TaskLeased,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    TaskRequeued,
    TaskStarted,
    TaskWatched,
)

Event: TypeAlias = (
    HubStarted
    | AgentReported
    | ReportRefused
    | AgentConnected
    | AgentDisconnected
    | AgentLost
    | AgentSpent
    | AgentOverspent
    | AgentSolvent
    | HelpAsked
    | HelpAnswered
    | HelpTaken
    | HelperAssigned
    | HelpSnoozed
    | HelpWoken
    | HelpEscalated
    | HelpResolved
    | TaskAssigned
    | TaskEnqueued
    | TaskReady
    | TaskLeased
    | TaskExtended
    | TaskProgressed
    | TaskWatched
    | TaskStarted
    | TaskDone
    | TaskReleased
    | TaskDead
    | TaskCancelled
    | TaskRequeued
    | BroadcastSent
    | MessageSent
    | DeliverySent
    | DeliveryAcked
    | DeliveryDone
    | DeliveryDead
    | DeliveryRetried
    | TokenCreated
    | TokenRevoked
    | LetterDead
    | LetterRequeued
    | LetterDiscarded
    | PlanKept
    | RunLaunched
    | RunEntered
    | ItemStarted
    | ItemRetrying
    | ItemDone
    | ItemFailed
    | ItemCancelled
    | RunMoved
    | RunFinished
    | RunFailed
    | RunCancelled
    | RunResumed
    | RunRetried
    | ResultWritten
    | ResultDeleted
)


class Logged(NamedTuple):
    """An event with its place in the log; cursors start at 1 and have no gaps."""

    cursor: int
    event: Event
