"""What must hold in every history.

I1  what was acknowledged is in the log and in the rows, after every crash too
I2  a task is leased to one agent at a time, and its fences rise
I3  a lease ends once: a task is completed under its current one, once each time it
    begins, and with what its holder said
I4  a wish with an idempotency key takes effect once
I5  what an agent numbered is in the log gapless, in order, once
I6  when the storm is over, everything comes to its end
I7  mail that was settled is settled for good
I8  rows follow from the log, and indexes from rows
I9  a message reaches whom it is for, once, in the order of sending
I10 who has handled a call has answered it, once
I11 who watches a task is told how it ended
I12 an item of a run is worked on by one task or run at a time, which is there while the
    item goes on, and ends once
I13 what is done of a run is not done again, unless the run goes back behind it
I14 as many items go on at once as the plan allows, and no more
I15 a run leads to what its plan says, in the order of the input, whoever did what when
I16 nothing goes on in a run that has ended, nor below it
I17 a run counts its items right, and has something to do until it has ended
I18 what an agent uses is counted once, and nobody gets new work beyond the budget of
    the day
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentkit import protocol as p
from agentkit.outbox import Outbox
from agentkit.plans import Cost
from agentkit.protocol import Event, Logged
from server.core import Rules, Swarm, Tables, Turn, evolve
from server.core.runs.following import follow_up
from server.recall import recall
from tests.simulation.budget_laws import Wallets
from tests.simulation.storage import Disk, MemoryDisk, at_once
from tests.simulation.world import World


class Witness:
    """Keeps what agents and coordinators said and were told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.wallets = Wallets()
        self.agents: dict[str, Outbox] = {}
        self._events: dict[int, Event] = {}
        """What the hub answered with."""
        self._acked: Counter[str] = Counter()
        self._settled: set[tuple[str, int]] = set()
        self._said: dict[tuple[str, int], dict[str, Any]] = {}
        self._leases: dict[int, tuple[str, str]] = {}
        self._tried: dict[tuple[str, str, int], list[str]] = defaultdict(list)

    def tries(self, body: Mapping[str, Any]) -> int:
        """Return the how-manieth task it is that tries an item of a run."""
        tried = self._tried[body["run"], body["stage"], body["item"]]
        if body["id"] not in tried:
            tried.append(body["id"])
        return tried.index(body["id"]) + 1

    def answered(self, events: Iterable[Logged]) -> None:
        """Note what a request was answered with."""
        for cursor, event in events:
            if self._events.setdefault(cursor, event) != event:
                self._world.accuse("I1", f"two events were told as number {cursor}")

    def said(self, agent: str, seq: int, frame: dict[str, Any]) -> None:
        """Note what an agent put into its outbox."""
        self._said[agent, seq] = frame

    def acked(self, agent: str, seq: int) -> None:
        """Note how far an outbox was acknowledged."""
        self._acked[agent] = max(self._acked[agent], seq)

    def settled(self, agent: str, seq: int) -> None:
        """Note that the hub says it has stored what became of a delivery."""
        self._settled.add((agent, seq))

    def leased(self, agent: str, task: str, fence: int) -> None:
        """Note that an agent was given a task."""
        self._world.note(agent, f"has {task} under {fence}")
        if self._leases.setdefault(fence, (agent, task)) != (agent, task):
            self._world.accuse("I2", f"fence {fence} was given twice")

    # --- judging ---

    def check_durable(self, disk: Disk) -> None:
        """Hold the disk to what was told (I1)."""
        log, rows = disk.log(), disk.rows()
        for cursor, event in self._events.items():
            if cursor > len(log) or log[cursor - 1].event != event:
                self._lost(f"event {cursor} {event.subject} was told and is not there")
        for fence, (agent, task) in self._leases.items():
            found = log[fence - 1].event if fence <= len(log) else None
            if not _is_lease(found, agent, task):
                self._lost(f"the lease {fence} of {task} by {agent} is not there")
        for agent, seq in self._acked.items():
            spool = rows.spools.get((agent, self.agents[agent].spool))
            if spool is None or spool.accepted < seq:
                self._lost(f"report {seq} of {agent} was acknowledged and is lost")
        for agent, seq in self._settled:
            row = rows.deliveries.get((agent, seq))
            if row is None or not row.is_settled:
                self._lost(f"delivery {seq}@{agent} was settled and is not")

    def _lost(self, what: str) -> None:
        self._world.accuse("I1", what)

    def check_streams(self, log: Sequence[Logged]) -> None:
        """Hold the log to what agents numbered (I5)."""
        next_: Counter[str] = Counter()
        for cursor, event in log:
            if not getattr(event, "spool", ""):
                continue
            agent, seq = event.agent, event.seq  # type: ignore[union-attr]
            next_[agent] += 1
            if seq != next_[agent] or not _tells(event, self._said.get((agent, seq))):
                self._world.accuse("I5", f"event {cursor} is number {seq} of {agent}")
                return
        for agent, outbox in self.agents.items():
            if next_[agent] != outbox.last:
                said = f"{agent} said {outbox.last}, and {next_[agent]} took effect"
                self._world.accuse("I5", said)


def _is_lease(event: Event | None, agent: str, task: str) -> bool:
    return isinstance(event, p.TaskLeased) and (event.agent, event.task) == (
        agent,
        task,
    )


def _tells(event: Event, said: dict[str, Any] | None) -> bool:
    """Say whether an event is about what was said."""
    match event:
        case _ if said is None or isinstance(event, p.ReportRefused):
            return said is not None
        case p.AgentReported():
            return (event.report, event.message) == (said["report"], said["message"])
        case p.AgentSpent():
            return event.told and event.added_in == said["tokens_in"]
        case p.TaskDone() | p.TaskReleased() | p.TaskDead():
            return (event.task, event.fence) == (said["task"], said["fence"])
        case p.MessageSent():
            answers = said.get("answers", "")
            return (event.text, event.answers) == (said["text"], answers)
    return False


@dataclass
class _Hold:
    agent: str
    fence: int


class Trial:
    """Walks through the log and keeps who has which task (I2, I3, I4)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, _Hold] = {}
        self._newest: dict[str, int] = defaultdict(int)
        self._done: set[str] = set()
        self._wishes: Counter[str] = Counter()

    def walk(self, log: Sequence[Logged]) -> None:
        """Look at all events."""
        for place, (cursor, event) in enumerate(log, 1):
            if cursor != place:
                self._world.accuse("I1", f"event {place} has the number {cursor}")
                return
            if not _follows(event) and event.by.startswith("boss"):  # type: ignore[union-attr]
                self._wishes[event.by] += 1  # type: ignore[union-attr]
            self._look(cursor, event)
        for wish, times in self._wishes.items():
            if times > 1:
                self._world.accuse("I4", f"wish {wish} took effect {times} times")

    def _look(self, cursor: int, event: Event) -> None:
        match event:
            case p.TaskLeased():
                self._leased(cursor, event)
            case p.TaskDone():
                self._end(cursor, event)
                self._complete(cursor, event)
            case p.TaskReleased():
                self._end(cursor, event)
            case p.TaskDead() if event.fence and event.task in self._held:
                self._end(cursor, event)
            case p.TaskCancelled():
                self._held.pop(event.task, None)
            case p.TaskRequeued() | p.TaskAssigned():
                self._held.pop(event.task, None)
                self._done.discard(event.task)

    def _leased(self, cursor: int, event: p.TaskLeased) -> None:
        held = self._held.get(event.task)
        if held is not None and held.agent != event.agent:
            self._world.accuse(
                "I2", f"{event.task} is {held.agent}'s and {event.agent}'s at {cursor}"
            )
        if not cursor == event.fence > self._newest[event.task]:
            self._world.accuse("I2", f"fence {event.fence} of {event.task} is no newer")
        if event.task in self._done:
            self._world.accuse("I3", f"{event.task} is leased at {cursor} when done")
        self._newest[event.task] = event.fence
        self._held[event.task] = _Hold(event.agent, event.fence)

    def _end(
        self, cursor: int, event: p.TaskDone | p.TaskReleased | p.TaskDead
    ) -> None:
        held = self._held.pop(event.task, None)
        if event.fence == 0 or (held and held.fence == event.fence):
            return
        self._world.accuse(
            "I3", f"{event.subject} at {cursor} ends lease {event.fence}, not {held}"
        )

    def _complete(self, cursor: int, event: p.TaskDone) -> None:
        if event.task in self._done:
            self._world.accuse("I3", f"{event.task} is done again at {cursor}")
        self._done.add(event.task)
        said = (event.result.get("agent"), event.result.get("fence"))
        if event.fence and said != (event.agent, event.fence):
            self._world.accuse(
                "I3", f"{event.task} is done at {cursor} by what {said} said"
            )


def _follows(event: Event) -> bool:
    """Say whether an event is by nobody: it follows from one that is."""
    match event:
        case p.PlanKept():
            return True
        case p.RunLaunched():
            return bool(event.parent or event.launched_by)
        case p.TaskEnqueued():
            return bool(event.run)
    return not hasattr(event, "by")


@dataclass
class Talk:
    """Walks through the log and keeps what was said to whom (I9, I10, I11)."""

    world: World
    has: Callable[[str, str], bool]
    """Whether an agent has a message, or had no need of it any more."""
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    watchers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    owed: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """How tasks have ended, and who is still to be told."""

    def walk(self, log: Sequence[Logged]) -> None:
        """Look at all events."""
        for _, event in log:
            self._look(event)
        for task, (state, watchers) in self.owed.items():
            self.world.accuse("I11", f"{watchers} are not told that {task} is {state}")
        for (agent, call), times in self.answered.items():
            if times > 1:
                self.world.accuse("I10", f"{agent} answers {call} {times} times")

    def _look(self, event: Event) -> None:
        match event:
            case p.MessageSent():
                self._sent(event)
            case p.TaskAssigned():
                self.watchers[event.task] = event.watchers
            case p.TaskWatched():
                others = set(self.watchers.get(event.task, ())) - {event.agent}
                more = (event.agent,) if event.on else ()
                self.watchers[event.task] = (*others, *more)
            case p.TaskDone() | p.TaskDead() | p.TaskCancelled():
                watchers = self.watchers.pop(event.task, ())
                if watchers:
                    state = event.subject.removeprefix("task.")
                    self.owed[event.task] = (state, watchers)

    def _sent(self, event: p.MessageSent) -> None:
        name = event.to.removesuffix("@swarm")
        if name.startswith("agent") and event.recipients != (name,):
            self.world.accuse("I9", f"{event.message} goes to {event.recipients}")
        for agent in event.recipients:
            if not self.has(agent, event.message):
                self.world.accuse("I9", f"{event.message} never reaches {agent}")
        if event.answers:
            self.answered[event.agent, event.answers] += 1
        state, watchers = self.owed.get(event.about, ("", ()))
        if event.body.get("state") == state and set(watchers) == {*event.recipients}:
            del self.owed[event.about]


def check_replay(world: World, disk: Disk, rules: Rules) -> None:
    """Hold rows to the log (I8)."""
    rows = disk.rows()
    try:
        replayed = dict(_replay(disk, rules))
    except LookupError as error:
        world.accuse("I8", f"the log cannot be replayed: {error!r}")
        return
    for name, stored in rows:
        again = replayed[name]
        if name != "receipts" and again != stored:
            wrong = [key for key in again if again[key] != stored.get(key)]
            world.accuse("I8", f"{name} {wrong[:3]} do not follow from the log")


def _replay(disk: Disk, rules: Rules) -> Tables:
    swarm, kept = Swarm(rules), MemoryDisk()
    for logged in disk.log():
        match logged.event:
            case p.RunResumed(run=run):
                _recall(kept, swarm, p.ResumeRun(id=run))
            case p.RunRetried(run=run, visit=visit):
                _recall(kept, swarm, p.RetryRun(id=run, visit=visit))
        evolve(swarm, logged.event)
        turn = Turn((logged,), swarm.take())
        at_once(kept.turn(lambda _, turn=turn: turn))  # type: ignore[misc]
    return kept.rows()


def _recall(disk: Disk, swarm: Swarm, wish: p.ResumeRun | p.RetryRun) -> None:
    """Bring a settled run back, as the hub does before it lets it go on."""
    found = at_once(recall(disk, swarm, wish))
    if found is not None:
        swarm.recall(found)


def check_indexes(world: World, rebuilt: Swarm, swarm: Swarm) -> None:
    """Hold what a hub keeps beside its rows to what a new one would build (I8)."""
    if events := follow_up(rebuilt, world.now(), 1, Cost()):
        world.accuse("I8", f"{events} would follow in a new hub")
    for name, there in facts(rebuilt).items():
        here = facts(swarm)[name]
        if here != there:
            world.accuse("I8", f"{name} is {here}, and would be {there}")


def facts(swarm: Swarm) -> dict[str, object]:
    """Return everything that decisions depend on."""
    going = [run for run in swarm.runs.rows.values() if not run.is_settled]
    return {
        "cursor": swarm.cursor,
        "agents": swarm.agents,
        "helps": swarm.helps,
        "tasks": swarm.tasks,
        "broadcasts": swarm.broadcasts,
        "mail": swarm.mail,
        "spools": swarm.spools,
        "receipts": swarm.receipts,
        "idle": list(swarm.idle),
        "counts": +swarm.counts,
        "task counts": +swarm.task_counts,
        "held": {agent: set(tasks) for agent, tasks in swarm.held.items()},
        "leases": {key: swarm.leases.get(key) for key in swarm.leases},
        "scheduled": {key: swarm.scheduled.get(key) for key in swarm.scheduled},
        "promised": swarm.promised,
        "ready": swarm.ready.best("agent0", ("x", "y", "z"), 100),
        "blocked": swarm.blocked,
        "away": swarm.away,
        "snoozed": swarm.snoozed,
        "overspent": {key: swarm.overspent.get(key) for key in swarm.overspent},
        "deadline": swarm.deadline,
        "dead deliveries": swarm.dead_deliveries,
        "able": {word: set(agents) for word, agents in swarm.able.items()},
        "expiring": swarm.calls.earliest,
        "runs": {run.id: run for run in going},
        "items": {run.id: swarm.runs.items.get(run.id) for run in going},
        "contexts": {run.id: swarm.runs.contexts[run.id] for run in going},
    }
