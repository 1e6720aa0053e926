"""What the screens show: the hub's rows as last drained, and what is counted from them.

Plain Python, no Textual: `Batch` gathers what the hub pushed, `Model.apply` takes it in
and says as a `Delta` what a screen must look at again. The rows are the hub's own
frozen records; nothing is copied or renamed.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agentkit.coordinator import Heard, Link, Stats
from agentkit.mirror import outdated
from agentkit.protocol import MessageSent
from agentkit.rows import (
    Agent,
    Broadcast,
    Delivery,
    HelpRequest,
    Plan,
    Run,
    Severity,
    Task,
)
from agentkit.traffic import Tapped
from agentkit.transports.metrics import Metrics
from swarmtui.tempo import Tempo
from swarmtui.work import group_counts

TRAFFIC = 2_000
"""How many events the traffic ring keeps."""
BEATS = 120
"""How many seconds of rates and latencies are kept for the sparks."""
CLAIM_SHARE = 0.7
"""How much of what a task needs an agent must cover to be given it."""

_GRAVITY: Mapping[Severity, int] = {"critical": 0, "high": 1, "normal": 2, "low": 3}
_STANDING = {"open": 0, "taken": 1, "snoozed": 2, "answered": 3, "resolved": 3}


@dataclass(slots=True)
class Batch:
    """What the hub pushed since the last drain; of each row only the latest."""

    reset: bool = False
    """A snapshot is in it: rows that are not in it are gone."""
    anew: bool = False
    """It is of another time: nothing that was heard before is true any more."""
    agents: dict[str, Agent] = field(default_factory=dict)
    helps: dict[str, HelpRequest] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    broadcasts: dict[str, Broadcast] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Tasks that are only counted from now on."""
    task_counts: Mapping[str, int] = field(default_factory=dict)
    """All tasks of the hub by state."""
    events: deque[Heard] = field(default_factory=lambda: deque(maxlen=TRAFFIC))
    heard: int = 0
    """How many events arrived, those that the ring has dropped included."""
    passed: deque[Tapped] = field(default_factory=lambda: deque(maxlen=TRAFFIC))
    """Messages of the bus and of bridges, while somebody looks at them."""
    tapped: int = 0
    """How many of them arrived, those that the ring has dropped included."""
    left_out: int = 0
    """How many came too fast to be shown at all."""
    links: tuple[Metrics, ...] | None = None
    """The hub's links, as last told."""
    beats: list[Stats] = field(default_factory=list)
    link: Link | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to apply."""
        return bool(
            self.reset
            or self.heard
            or self.agents
            or self.helps
            or self.tasks
            or self.broadcasts
            or self.runs
            or self.gone
            or self.tapped
            or self.left_out
            or self.links is not None
            or self.beats
            or self.link
        )

    def renewed(self, *, anew: bool = False) -> "Batch":
        """Return a batch for a snapshot: no rows, but all that is not in one.

        Args:
            anew: that is gone too.
        """
        if anew:
            return Batch(reset=True, anew=True)
        return Batch(
            reset=True,
            anew=self.anew,
            events=self.events,
            heard=self.heard,
            passed=self.passed,
            tapped=self.tapped,
            left_out=self.left_out,
            links=self.links,
            beats=self.beats,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What a screen must look at again; ids of rows that changed."""

    reset: bool = False
    joined: bool = False
    """Agents were added, so the lists have other members than before."""
    agents: frozenset[str] = frozenset()
    helps: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    broadcasts: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    events: tuple[Heard, ...] = ()
    stats: bool = False
    link: bool = False


class Candidate(NamedTuple):
    """An agent that could help, and how much of what is wanted it covers (0 to 1)."""

    agent: Agent
    match: float


class Model:
    """The swarm as the dashboard knows it, between two drains never changed."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.helps: dict[str, HelpRequest] = {}
        self.tasks: dict[str, Task] = {}
        self.broadcasts: dict[str, Broadcast] = {}
        self.runs: dict[str, Run] = {}
        """Runs with none above them."""
        self.plans: dict[str, Plan] = {}
        """Plans of these, as far as somebody asked for them."""
        self.tempo = Tempo()
        self.letters: dict[str, Delivery] = {}
        """Dead deliveries that nobody has retried, as last asked for."""
        self.counts: Counter[str] = Counter()
        """Agents by state, `lost` included."""
        self.task_counts: Counter[str] = Counter()
        """Tasks by state, those that are not kept here included."""
        self.calling: set[str] = set()
        """Help requests that nobody has taken on."""
        self.link: Link | None = None
        self.stats: Stats | None = None
        self.traffic: deque[Heard] = deque(maxlen=TRAFFIC)
        self.said: dict[str, MessageSent] = {}
        """The newest messages between agents, by id."""
        self.passed: deque[Tapped] = deque(maxlen=TRAFFIC)
        """What went by on the bus and on bridges, while somebody looked."""
        self.tapped = 0
        """How many messages that were, in all."""
        self.left_out = 0
        """How many came too fast to be among them."""
        self.links: tuple[Metrics, ...] = ()
        self.rates: deque[float] = deque(maxlen=BEATS)
        """Messages a second, one figure a second."""
        self.delays: deque[float] = deque(maxlen=BEATS)
        """The 99th percentile of latency in milliseconds, one figure a second."""
        self.epoch = 0
        """Rises when all that was heard before is of another time, and so forgotten."""
        self.loaded = False
        """A snapshot has arrived, so that empty means empty."""

    def apply(self, batch: Batch) -> Delta:
        """Take a batch in and say what changed."""
        if batch.anew:
            self._forget()
        if batch.reset:
            self._clear()
        known = len(self.agents)
        for agent in batch.agents.values():
            self._put_agent(agent)
        for request in batch.helps.values():
            self._put_help(request)
        self._put_tasks(batch)
        self.broadcasts.update(batch.broadcasts)
        gone = self._put_runs(batch.runs.values())
        self.traffic.extend(batch.events)
        self._listen(batch.events)
        self._put_passed(batch)
        self._beat(batch.beats)
        self.link = batch.link or self.link
        return Delta(
            reset=batch.reset,
            joined=len(self.agents) != known,
            agents=frozenset(batch.agents),
            helps=frozenset(batch.helps),
            tasks=frozenset(batch.tasks).union(batch.gone),
            broadcasts=frozenset(batch.broadcasts),
            runs=frozenset(batch.runs).union(gone),
            events=tuple(batch.events),
            stats=bool(batch.beats),
            link=batch.link is not None,
        )

    @property
    def live(self) -> bool:
        """Whether the hub answers, so that what is shown is now and wishes arrive."""
        return self.link is not None and self.link.state == "live"

    @property
    def unsettled(self) -> int:
        """How many tasks wait or are worked on."""
        groups = group_counts(self.task_counts)
        return groups["ready"] + groups["leased"]

    @property
    def running(self) -> int:
        """How many runs are in progress."""
        return sum(not run.is_settled for run in self.runs.values())

    def plan_name(self, run: Run) -> str:
        """Return the name of a run's plan; that of its machine while it is unknown."""
        plan = self.plans.get(run.plan)
        return plan.name if plan is not None else run.machine

    def put_letters(self, rows: Iterable[Delivery]) -> None:
        """Take the dead deliveries in, all there are but for those sent again."""
        self.letters.clear()
        self.letters.update((row.id, row) for row in rows if not row.retried)

    def waiting(self) -> list[Agent]:
        """Return the idle agents, who waits longest first."""
        queued = [agent for agent in self.agents.values() if agent.ticket]
        return sorted(queued, key=lambda agent: agent.ticket)

    def open_tasks(self) -> list[Task]:
        """Return the tasks that are not settled, the oldest first."""
        left = [task for task in self.tasks.values() if not task.is_settled]
        return sorted(left, key=lambda task: (task.created, task.id))

    def held_by(self, agent: str) -> list[Task]:
        """Return the tasks that an agent works on, the newest lease last."""
        held = (
            task for task in self.tasks.values() if task.agent == agent and task.is_held
        )
        return sorted(held, key=lambda task: (task.fence, task.id))

    def able(self, needs: Iterable[str]) -> list[Agent]:
        """Return the agents that may be given a task with such needs, idle ones first.

        Lost agents are left out: they claim nothing.
        """
        asked = frozenset(needs)
        fit = (
            agent
            for agent in self.agents.values()
            if not agent.lost and _match(asked, agent) >= CLAIM_SHARE
        )
        return sorted(fit, key=lambda one: (not one.ticket, one.ticket, one.id))

    def desk(self, *, settled: bool = False) -> list[HelpRequest]:
        """Return the help requests in the order in which they deserve attention.

        Args:
            settled: with those that were answered or resolved, the newest first,
                below the others.
        """
        waiting = sorted(
            (request for request in self.helps.values() if request.is_open),
            key=urgency,
        )
        if not settled:
            return waiting
        past = (request for request in self.helps.values() if not request.is_open)
        return waiting + sorted(past, key=_closing, reverse=True)

    def next_call(self, after: str = "") -> HelpRequest | None:
        """Return the request that calls loudest, or the one below `after`."""
        calls = [request for request in self.desk() if request.id in self.calling]
        ids = [request.id for request in calls]
        if not calls:
            return None
        return calls[(ids.index(after) + 1) % len(calls)] if after in ids else calls[0]

    def candidates(self, request: HelpRequest) -> list[Candidate]:
        """Rank who could help: the best match, idle before busy, longest idle first.

        Only agents that cover at least half of what is wanted are named (every agent
        when nothing is), never the asker, never one that is lost or needs help itself.
        """
        wanted = frozenset(request.wanted)
        fit = (
            Candidate(agent, _match(wanted, agent))
            for agent in self.agents.values()
            if agent.id != request.agent and agent.state in ("idle", "busy")
        )
        return sorted((one for one in fit if one.match >= 0.5), key=_usefulness)

    def suggest_task(self) -> str:
        """Return a task id that is not in use yet."""
        number = len(self.tasks) + 1
        while f"T{number}" in self.tasks or f"T{number}.1" in self.tasks:
            number += 1
        return f"T{number}"

    def _clear(self) -> None:
        tables = (self.agents, self.helps, self.tasks, self.broadcasts, self.runs)
        for held in tables:
            held.clear()
        self.counts.clear()
        self.calling.clear()
        self.loaded = True

    def _forget(self) -> None:
        """Forget what was heard, which no snapshot replaces."""
        for heard in (self.traffic, self.passed, self.rates, self.delays):
            heard.clear()
        self.letters.clear()
        self.tempo.clear()
        self.links, self.stats = (), None
        self.epoch += 1
        self.tapped = self.left_out = 0

    def _put_agent(self, agent: Agent) -> None:
        before = self.agents.get(agent.id)
        if before is not None:
            self.counts[before.state] -= 1
        self.counts[agent.state] += 1
        self.agents[agent.id] = agent

    def _put_tasks(self, batch: Batch) -> None:
        self.tasks.update(batch.tasks)
        for key in batch.gone:
            self.tasks.pop(key, None)
        self.task_counts = Counter(batch.task_counts)

    def _put_runs(self, runs: Iterable[Run]) -> list[str]:
        """Store runs; return the ids of those that are not kept any more."""
        for run in runs:
            self.runs[run.id] = run
            self.tempo.note(run)
        gone = outdated(self.runs)
        for key in gone:
            del self.runs[key]
        return gone

    def _put_passed(self, batch: Batch) -> None:
        self.passed.extend(batch.passed)
        self.tapped += batch.tapped
        self.left_out += batch.left_out
        if batch.links is not None:
            self.links = batch.links

    def _listen(self, events: Iterable[Heard]) -> None:
        """Keep what agents say to each other, as long as the traffic is kept."""
        for heard in events:
            if heard.subject != MessageSent.subject:
                continue  # it need not be decoded
            if isinstance(said := heard.event, MessageSent):
                self.said[said.message] = said
        while len(self.said) > TRAFFIC:
            del self.said[next(iter(self.said))]

    def _put_help(self, request: HelpRequest) -> None:
        self.helps[request.id] = request
        if request.state == "open":
            self.calling.add(request.id)
        else:
            self.calling.discard(request.id)

    def _beat(self, beats: Iterable[Stats]) -> None:
        for stats in beats:
            self.stats = stats
            self.rates.append(stats.in_rate)
            self.delays.append(stats.p99_ms)


def urgency(request: HelpRequest) -> tuple[int, bool, int, datetime, str]:
    """Return what help requests are sorted by, the most urgent first."""
    return (
        _STANDING[request.state],
        not request.escalated,
        _GRAVITY[request.severity],
        request.opened,
        request.id,
    )


def claim_order(task: Task) -> tuple[bool, int, int, str]:
    """Return what waiting tasks are sorted by, the one that is claimed first first."""
    return (task.state == "scheduled", -task.priority, task.place, task.id)


def _closing(request: HelpRequest) -> tuple[datetime, str]:
    return (request.settled or request.opened, request.id)


def _match(wanted: frozenset[str], agent: Agent) -> float:
    if not wanted:
        return 1.0
    return len(wanted.intersection(agent.capabilities)) / len(wanted)


def _usefulness(one: Candidate) -> tuple[float, bool, int, str]:
    idle = one.agent.state == "idle"
    return (-one.match, not idle, one.agent.ticket, one.agent.id)


def first_names(agents: Iterable[str], room: int) -> Iterator[str]:
    """Yield the names that fit into `room` characters, then how many are left."""
    names = list(agents)
    used = 0
    for index, name in enumerate(names):
        used += len(name) + 2
        if used > room and index:
            yield f"and {len(names) - index:,} more"
            return
        yield name
