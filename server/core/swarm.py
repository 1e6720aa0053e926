"""The swarm: its rows, and the indexes that keep every command from scanning them.

Only `evolve` writes here, through `put_*`. Each `put_*` compares the old row with the
new one and keeps the indexes right, so that an index cannot disagree with the rows.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Self, TypeVar

from agentkit.errors import NotFound
from agentkit.rows import (
    Agent,
    Broadcast,
    Checkpoint,
    Delivery,
    HelpRequest,
    Item,
    Letter,
    Plan,
    Receipt,
    Result,
    Run,
    Spool,
    Task,
    Token,
)
from server.core.calls import Calls
from server.core.deadlines import Deadlines
from server.core.idle import IdleQueue
from server.core.piles import Piles
from server.core.ready import ReadyTasks
from server.core.rules import Rules
from server.core.run_book import RunBook
from server.core.tables import Tables

R = TypeVar("R")

AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)

DAY: Final = timedelta(days=1)


class Swarm:
    """Everything the hub knows, as of `cursor`."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.cursor = 0
        self.agents: dict[str, Agent] = {}
        self.helps: dict[str, HelpRequest] = {}
        self.tasks: dict[str, Task] = {}
        self.broadcasts: dict[str, Broadcast] = {}
        self.mail: dict[str, dict[int, Delivery]] = {}
        """Deliveries by agent and number: those that wait, and the dead ones that can
        be retried."""
        self.unacked: dict[str, dict[int, None]] = {}
        """Numbers of the deliveries that were not acknowledged, by agent, rising."""
        self.dead_mail: Counter[str] = Counter()
        """Deliveries that are dead and were not retried, by agent."""
        self.spools: dict[tuple[str, str], Spool] = {}
        self.receipts: OrderedDict[str, Receipt] = OrderedDict()
        self.tokens: dict[str, Token] = {}
        self.letters: dict[str, Letter] = {}
        """The newest dead ones, and the newest of the others."""

        self.idle = IdleQueue()
        self.counts: Counter[str] = Counter()
        """Agents by `Agent.state`."""
        self.blocked: dict[str, datetime] = {}
        """Who is blocked and not escalated, since when, earliest first."""
        self.away: dict[str, datetime] = {}
        """Whose WebSocket is gone, last heard of when, earliest first."""
        self.snoozed: dict[str, datetime] = {}
        """Help requests put aside, until when."""
        self.task_counts: Counter[str] = Counter()
        """Tasks by state; of the settled ones those that are still in memory."""
        self.ready = ReadyTasks(self.rules.claim_share)
        """Tasks that can be claimed."""
        self.held: dict[str, dict[str, None]] = {}
        """Tasks by who works on them, in no order that means anything."""
        self.leases, self.scheduled, self.overspent = (Deadlines() for _ in range(3))
        """Tasks that are leased, tasks that are for later, and agents that have spent
        their budget: each until when."""
        self.promised: Counter[str] = Counter()
        """Tasks that are for one agent and not in its mailbox yet, by that agent."""
        self.able: dict[str, dict[str, None]] = {}
        """Agents that are not lost by capability, in no order that means anything."""
        self.runs = RunBook(self.rules.keep_settled)
        self.calls = Calls()
        self.piles = Piles()
        self._used: dict[str, dict[str, None]] = {}
        """Spools by agent, the one it used last at the end."""
        self._settled: dict[str, dict[str, None]] = {}
        """Settled rows that are still in memory, by table, oldest first."""
        self._carried: Counter[str] = Counter()
        """What deliveries that are not done carry: it must stay in memory."""
        self._changes = Tables()

    @classmethod
    def load(cls, cursor: int, tables: Tables, rules: Rules | None = None) -> Self:
        """Build a swarm from the rows of a store."""
        swarm = cls(rules)
        for agent in sorted(tables.agents.values(), key=_last_word):
            swarm.put_agent(agent)
        swarm.blocked = dict(sorted(swarm.blocked.items(), key=lambda item: item[1]))
        for delivery in sorted(tables.deliveries.values(), key=lambda row: row.seq):
            swarm.put_delivery(delivery)
        for help_ in sorted(tables.helps.values(), key=lambda row: row.version):
            swarm.put_help(help_)
        swarm.runs.admit(tables)
        for task in sorted(tables.tasks.values(), key=lambda row: row.version):
            swarm.put_task(task)
        for cast in sorted(tables.broadcasts.values(), key=lambda row: row.version):
            swarm.put_broadcast(cast)
        for delivery in swarm.deliveries():
            swarm._follow_message(delivery)
        for spool in sorted(tables.spools.values(), key=lambda row: row.version):
            swarm.put_spool(spool)
        for receipt in tables.receipts.values():
            swarm.put_receipt(receipt)
        swarm.tokens.update(tables.tokens)
        for letter in sorted(tables.letters.values(), key=lambda row: row.version):
            swarm.put_letter(letter)
        swarm.cursor = cursor
        swarm.take()
        return swarm

    @property
    def deadline(self) -> datetime | None:
        """When a `Tick` next has something to do; None when nothing is due ever."""
        heaps = (
            *(self.leases, self.scheduled, self.overspent),
            *(self.calls, self.runs),
        )
        due = [heap.earliest for heap in heaps if heap.earliest is not None]
        due += self.snoozed.values()
        if self.runs.stirred:
            return AT_ONCE
        if self.blocked:
            due.append(next(iter(self.blocked.values())) + self.rules.escalate_after)
        if self.away:
            due.append(next(iter(self.away.values())) + self.rules.lost_after)
        return min(due, default=None)

    def take(self) -> Tables:
        """Return the rows that changed since this was last called."""
        changes, self._changes = self._changes, Tables()
        return changes

    # --- what commands ask for ---

    def agent(self, key: str) -> Agent:
        """Return an agent, or raise `NotFound`."""
        return _found(
            self.agents, key, f"no agent {key!r} is known; swarmtui agents lists them"
        )

    def help(self, key: str) -> HelpRequest:
        """Return a help request, or raise `NotFound`."""
        return _found(
            self.helps,
            key,
            f"no help request {key!r} is known; swarmtui help-desk lists them",
        )

    def task(self, key: str) -> Task:
        """Return a task, or raise `NotFound`."""
        return _found(
            self.tasks, key, f"no task {key!r} is known; swarmtui tasks lists them"
        )

    def run(self, key: str) -> Run:
        """Return a run, or raise `NotFound`."""
        return _found(
            self.runs.rows, key, f"no run {key!r} is known; swarmtui runs lists them"
        )

    def letter(self, key: str) -> Letter:
        """Return a letter, or raise `NotFound`."""
        return _found(
            self.letters,
            key,
            f"no letter {key!r} is known; swarmtui letters lists them",
        )

    def call(self, key: str) -> Broadcast | None:
        """Return the message that is a call; None when it is not in memory."""
        return self.broadcasts.get(self.calls.message(key))

    def helpers(self, asker: str, wanted: tuple[str, ...]) -> list[str]:
        """Return who could help, in order of waiting: idle, able and not the asker."""
        able = self.idle.covering(wanted, self.rules.helper_share)
        return [agent for agent in able if agent != asker]

    def unread(self, agent: str) -> int:
        """Return how many deliveries an agent has not acknowledged."""
        return len(self.unacked.get(agent, ()))

    @property
    def dead_deliveries(self) -> int:
        """How many deliveries are dead and were not retried."""
        return self.dead_mail.total()

    @property
    def dead_letters(self) -> int:
        """How many letters in memory are dead."""
        return len(self._settled.get("dead letters", ()))

    def waiting(self, agent: str) -> int:
        """Return how many deliveries are neither done nor dead, those to come too."""
        there = len(self.mail.get(agent, ())) - self.dead_mail[agent]
        return there + self.promised[agent]

    def settled(self, *, dead: bool) -> Iterator[Task]:
        """Yield the settled tasks in memory, the newest first: the dead, or others."""
        order = self._settled.get("dead tasks" if dead else "tasks", {})
        return (self.tasks[key] for key in reversed(order))

    def deliveries(self) -> Iterator[Delivery]:
        """Yield every delivery that is not done, dead ones too."""
        return (row for box in self.mail.values() for row in box.values())

    def accepted(self, agent: str, spool: str) -> int | None:
        """Return how far an outbox was accepted; None if only the store may know."""
        row = self.spools.get((agent, spool))
        if row is None and len(self._used.get(agent, ())) >= self.rules.keep_spools:
            return None
        return row.accepted if row else 0

    def recall(
        self, row: Task | HelpRequest | Broadcast | Letter | Spool | Tables
    ) -> None:
        """Take a settled row in again that was let go of; nothing of it changes.

        One that is not settled was read before its last change was on disk. A run comes
        with all that it needs to go on.
        """
        match row:
            case Tables():
                self._recall_run(row)
            case Spool() if (row.agent, row.spool) not in self.spools:
                self.put_spool(row)
                del self._changes.spools[row.agent, row.spool]
            case Task() if row.id not in self.tasks and row.is_settled:
                self.put_task(row)
                del self._changes.tasks[row.id]
            case HelpRequest() if row.id not in self.helps and not row.is_open:
                self.put_help(row)
                del self._changes.helps[row.id]
            case Broadcast() if row.id not in self.broadcasts:
                self.put_broadcast(row)
                del self._changes.broadcasts[row.id]
            case Letter() if row.id not in self.letters:
                self.put_letter(row)
                del self._changes.letters[row.id]

    def _recall_run(self, tables: Tables) -> None:
        top = next((run for run in tables.runs.values() if not run.parent), None)
        known = self.runs.rows.get(top.id) if top else None
        if top is None or not top.is_settled or top.active:
            return
        if known is None or known.version == top.version:
            self.runs.admit(tables)

    # --- what evolve writes ---

    def put_agent(self, new: Agent) -> None:
        """Store an agent's row."""
        old = self.agents.get(new.id)
        if old is None:
            self.counts[new.state] += 1
        elif old.state != new.state:
            self.counts[old.state] -= 1
            self.counts[new.state] += 1
        self._queue(old, new)
        self._enable(old, new)
        _follow(self.blocked, new.id, _unescalated(old), _unescalated(new))
        _follow(self.away, new.id, _gone_since(old), _gone_since(new))
        self.overspent.set(new.id, _overspent_until(new))
        self.agents[new.id] = new
        self._changes.agents[new.id] = new

    def put_help(self, new: HelpRequest) -> None:
        """Store a help request's row."""
        self.helps[new.id] = new
        if new.state == "snoozed" and new.snoozed_until:
            self.snoozed[new.id] = new.snoozed_until
        else:
            self.snoozed.pop(new.id, None)
        self._changes.helps[new.id] = new
        self._settle("helps", self.helps, new.id, settled=not new.is_open)

    def put_task(self, new: Task) -> None:
        """Store a task's row."""
        old = self.tasks.get(new.id)
        self._count_task(old, new)
        self._line_up(old, new)
        self._hold(old, new)
        self._promise(old, new)
        self.leases.set(new.id, new.lease_until)
        self.scheduled.set(new.id, new.not_before)
        self.tasks[new.id] = new
        self._changes.tasks[new.id] = new
        self.runs.hear(new)
        dead = new.state == "dead"
        self._settle("tasks", self.tasks, new.id, settled=new.is_settled and not dead)
        self._settle("dead tasks", self.tasks, new.id, settled=dead)

    def put_broadcast(self, new: Broadcast) -> None:
        """Store a broadcast's row, or a message's."""
        self.broadcasts[new.id] = new
        self.calls.add(new)
        self._changes.broadcasts[new.id] = new
        settled = new.done + new.dead == new.recipients
        # Who has handled a call may answer it much later: other mail does not push it
        # out of memory meanwhile.
        owed = settled and new.is_owed
        keep = partial(self._settle, rows=self.broadcasts, key=new.id)
        keep("broadcasts", settled=settled and not owed)
        keep("calls", settled=owed)

    def put_delivery(self, new: Delivery) -> None:
        """Store a delivery; what is done, retried or lapsed leaves the mailbox."""
        box = self.mail.setdefault(new.agent, {})
        leaves = new.state == "done" or new.retried > 0 or new.lapsed
        old = box.get(new.seq)
        self._carried[new.ref] += (not leaves) - (old is not None)
        self._note_unacked(old, new)
        self._bury(old, new, leaves=leaves)
        self._follow_message(new)
        box[new.seq] = new
        if leaves:
            del box[new.seq]
            if not box:
                del self.mail[new.agent]
            if not self._carried[new.ref]:
                del self._carried[new.ref]
                self.piles.forget(new.ref)
        self._changes.deliveries[new.agent, new.seq] = new

    def _note_unacked(self, old: Delivery | None, new: Delivery) -> None:
        numbers = self.unacked.setdefault(new.agent, {})
        if new.state not in ("queued", "sent"):
            numbers.pop(new.seq, None)
        elif old is None:
            numbers[new.seq] = None
        if not numbers:
            del self.unacked[new.agent]

    def _bury(self, old: Delivery | None, new: Delivery, *, leaves: bool) -> None:
        was = old is not None and old.state == "dead"
        self.dead_mail[new.agent] += (new.state == "dead" and not leaves) - was
        if not self.dead_mail[new.agent]:
            del self.dead_mail[new.agent]

    def _follow_message(self, row: Delivery) -> None:
        if row.kind == "message":
            message = self.broadcasts.get(row.ref)
            self.calls.follow(row, message)
            self.piles.follow(row, message)

    def put_spool(self, new: Spool) -> None:
        """Store how much of an outbox was accepted; let go of what is long unused."""
        self.spools[new.agent, new.spool] = new
        self._changes.spools[new.agent, new.spool] = new
        used = self._used.setdefault(new.agent, {})
        used.pop(new.spool, None)
        used[new.spool] = None
        if len(used) > self.rules.keep_spools:
            oldest = next(iter(used))
            del used[oldest], self.spools[new.agent, oldest]

    def put_receipt(self, new: Receipt) -> None:
        """Store an idempotency key that was used."""
        self.receipts[new.key] = new
        if len(self.receipts) > self.rules.keep_receipts:
            self.receipts.popitem(last=False)
        self._changes.receipts[new.key] = new

    def put_token(self, new: Token) -> None:
        """Store a token's row."""
        self.tokens[new.id] = new
        self._changes.tokens[new.id] = new

    def put_letter(self, new: Letter) -> None:
        """Store a letter's row."""
        self.letters[new.id] = new
        self._changes.letters[new.id] = new
        dead = new.state == "dead"
        self._settle("letters", self.letters, new.id, settled=not dead)
        self._settle("dead letters", self.letters, new.id, settled=dead)

    def put_plan(self, new: Plan) -> None:
        """Store a plan's row."""
        self.runs.plans[new.id] = new
        self._changes.plans[new.id] = new

    def put_run(self, new: Run) -> None:
        """Store a run's row."""
        self.runs.put(new)
        self._changes.runs[new.id] = new

    def put_item(self, new: Item) -> None:
        """Store an item's row."""
        self.runs.put_item(new)
        self._changes.items[new.run, new.visit, new.index] = new

    def put_checkpoint(self, new: Checkpoint) -> None:
        """Store what a run knows from now on."""
        self.runs.put_checkpoint(new)
        self._changes.checkpoints[new.run, new.number] = new

    def put_result(self, new: Result) -> None:
        """Store what was written; it is read from the store alone."""
        self._changes.results[new.run, new.name] = new

    def _count_task(self, old: Task | None, new: Task) -> None:
        if old is not None:
            self.task_counts[old.state] -= 1
        self.task_counts[new.state] += 1

    def _line_up(self, old: Task | None, new: Task) -> None:
        """Keep what can be claimed; it stays in line while nothing of it changes."""
        if old is not None and old.is_ready:
            if new.is_ready and _rank(old) == _rank(new):
                return
            self.ready.remove(old)
        if new.is_ready:
            self.ready.add(new)

    def _hold(self, old: Task | None, new: Task) -> None:
        if (
            old is not None
            and old.is_held
            and (old.agent != new.agent or not new.is_held)
        ):
            tasks = self.held[old.agent]
            del tasks[old.id]
            if not tasks:
                del self.held[old.agent]
        if new.is_held:
            self.held.setdefault(new.agent, {})[new.id] = None

    def _promise(self, old: Task | None, new: Task) -> None:
        """Count what will be in a mailbox: it takes its room there from now on."""
        if old is not None and _is_promised(old):
            self.promised[old.target] -= 1
            if not self.promised[old.target]:
                del self.promised[old.target]
        if _is_promised(new):
            self.promised[new.target] += 1

    def _enable(self, old: Agent | None, new: Agent) -> None:
        """Keep who is able to do what."""
        before, after = _able(old), _able(new)
        if before == after:
            return
        for capability in set(before):
            agents = self.able[capability]
            agents.pop(new.id, None)
            if not agents:
                del self.able[capability]
        for capability in after:
            self.able.setdefault(capability, {})[new.id] = None

    def _queue(self, old: Agent | None, new: Agent) -> None:
        if old is not None and old.ticket:
            if (old.ticket, old.capabilities) == (new.ticket, new.capabilities):
                return
            self.idle.remove(old)
        if new.ticket:
            self.idle.add(new)

    def _settle(
        self, table: str, rows: dict[str, R], key: str, *, settled: bool
    ) -> None:
        order = self._settled.setdefault(table, {})
        order.pop(key, None)
        if not settled:
            return
        order[key] = None
        if len(order) > self.rules.keep_settled:
            oldest = next(iter(order))
            del order[oldest]
            if oldest in self._carried or self.runs.awaits(rows[oldest]):
                order[oldest] = None
            else:
                self._drop(rows, oldest)

    def _drop(self, rows: dict[str, R], key: str) -> None:
        row = rows.pop(key)
        if isinstance(row, Task):
            self.task_counts[row.state] -= 1
        elif isinstance(row, Broadcast):
            self.calls.remove(row)


def _rank(task: Task) -> tuple[str, tuple[str, ...], int, int]:
    return task.target, task.needs, task.priority, task.place


def _is_promised(task: Task) -> bool:
    """Say whether a task is for one agent, and will be put into its mailbox later."""
    if not task.target:
        return False
    return task.state == "scheduled" or (task.state == "queued" and not task.seq)


def _found(rows: dict[str, R], key: str, text: str) -> R:
    row = rows.get(key)
    if row is None:
        raise NotFound(text)
    return row


def _last_word(agent: Agent) -> datetime:
    return max(agent.heard, agent.unlinked or agent.heard)


def _able(agent: Agent | None) -> tuple[str, ...]:
    return agent.capabilities if agent is not None and not agent.lost else ()


def _unescalated(agent: Agent | None) -> datetime | None:
    if agent is None or agent.status != "blocked" or agent.escalated:
        return None
    return agent.since


def _overspent_until(agent: Agent) -> datetime | None:
    if not agent.over_budget:
        return None
    return datetime.fromisoformat(agent.spent_on).replace(tzinfo=UTC) + DAY


def _gone_since(agent: Agent | None) -> datetime | None:
    if agent is None or agent.unlinked is None or agent.linked or agent.lost:
        return None
    return _last_word(agent)


def _follow(
    index: dict[str, datetime], key: str, old: datetime | None, new: datetime | None
) -> None:
    """Keep an index in order of time: whoever gets a new time goes to its end."""
    if old == new:
        return
    index.pop(key, None)
    if new is not None:
        index[key] = new
