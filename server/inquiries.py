"""The shapes of what anybody may ask; `server.wire` has those of what is wished."""

from typing import Annotated, Literal, Required

from pydantic import Field
from typing_extensions import TypedDict

from agentkit.rows import HelpState, ItemState, RunState, TaskState
from server.wire import FromZero, Number

Limit = Annotated[int, Field(ge=1, le=1000)]


class EventsQuestion(TypedDict, total=False):
    """A part of the log: cursors in (after, before)."""

    after: FromZero
    before: Number
    limit: Limit
    subject: str
    agent: str
    newest_first: bool


class HistoryQuestion(TypedDict, total=False):
    """The newest events of one agent, newest first; `before` pages on."""

    agent: Required[str]
    before: Number
    limit: Limit


class LedgerQuestion(TypedDict, total=False):
    """The deliveries of one thing, by agent; `after` is the last agent seen."""

    ref: Required[str]
    after: str
    limit: Limit


class MailboxQuestion(TypedDict, total=False):
    """The deliveries of one agent, newest first."""

    agent: Required[str]
    limit: Limit


class AgentsQuestion(TypedDict, total=False):
    """The agents that a filter chooses, by id."""

    q: str
    after: str
    limit: Limit


class TasksQuestion(TypedDict, total=False):
    """Tasks of an agent, in a state, or all."""

    agent: str
    state: TaskState
    after: str
    limit: Limit


class HelpQuestion(TypedDict, total=False):
    """Help requests of an agent, in a state, or all."""

    agent: str
    state: HelpState
    after: str
    limit: Limit


class PageQuestion(TypedDict, total=False):
    """A page of a list."""

    after: str
    limit: Limit


class MailQuestion(TypedDict, total=False):
    """What is not done in an agent's mailbox, above `after`; `wait` in seconds.

    With `peek` it does not count as handed out.
    """

    agent: Required[str]
    after: FromZero
    limit: Limit
    wait: Annotated[float, Field(ge=0, le=60)]
    peek: bool


class BroadcastQuestion(TypedDict, total=False):
    """A broadcast and a page of its ledger."""

    id: Required[str]
    after: str
    limit: Limit


class DeadQuestion(TypedDict, total=False):
    """Dead deliveries, newest first; `after` is the id of the last one seen."""

    agent: str
    after: Annotated[str, Field(pattern=r"^([0-9]{1,16}@.*)?$")]
    limit: Limit


class LettersQuestion(TypedDict, total=False):
    """Letters, dead ones or all, those that changed last first.

    `before` is the version of the last one seen.
    """

    state: Literal["dead"]
    before: Number
    limit: Limit


class DeliveriesQuestion(TypedDict, total=False):
    """The ledger of one thing (`ref`), the mailbox of one agent, or what is dead."""

    ref: str
    agent: str
    state: Literal["dead"]
    after: str
    limit: Limit


class TapQuestion(TypedDict, total=False):
    """Which messages a watcher wants to see as they go by; no pattern is none."""

    pattern: Annotated[str, Field(max_length=512)]


class LinksQuestion(TypedDict, total=False):
    """The hub's links; with `follow`, which is so if left out, once a second."""

    follow: bool


class PreviewQuestion(TypedDict, total=False):
    """Who would receive a broadcast."""

    where: str


class RunsQuestion(TypedDict, total=False):
    """Runs, those that changed last first; `before` is the version of the last seen.

    Without `parent` and `launched_by` those with none above them.
    """

    state: RunState
    parent: str
    launched_by: str
    before: Number
    limit: Limit


class RunQuestion(TypedDict):
    """Which run is meant."""

    id: str


class ItemsQuestion(TypedDict, total=False):
    """Items of a run's stage in order; without `visit` of the stage that it is at.

    `after` is the index of the last one seen.
    """

    id: Required[str]
    visit: Number
    after: FromZero
    state: ItemState
    limit: Limit


class CheckpointsQuestion(TypedDict, total=False):
    """The newest checkpoints of a run, newest first."""

    id: Required[str]
    limit: Limit


class PlanQuestion(TypedDict):
    """Which plan is meant."""

    id: str
