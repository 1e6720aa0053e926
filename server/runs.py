"""Runs as they are asked for: read from memory and store, and measured.

What is decided about runs is the core's (`server.core.runs`). Here a wish about one is
made complete, a checkpoint or a failed stage looked up for it, and what was asked is
answered.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from agentkit.addresses import address_of
from agentkit.errors import Conflict, Invalid, NotFound
from agentkit.plans import compile_plan
from agentkit.protocol import (
    CancelRun,
    Launch,
    Logged,
    ResumeRun,
    RetryRun,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunResumed,
    RunRetried,
)
from agentkit.rows import Checkpoint, Item, Plan, Run
from server.asgi import dumps
from server.core import Swarm
from server.core.renewal import replace
from server.hub import Hub, Pushed
from server.progress import Measure, measure, progress
from server.recall import RunCommand, is_since
from server.wire import WISHES, valid

PAGE: Final = 1000
"""Rows that are read at a time."""

MOST: Final = 10_000
"""How many runs below another are looked at, about; the newest."""

SHOWN: Final = 100
"""How many runs that another launched are named."""

BYTES: Final = 8 << 20
"""Bytes of items after which a page is full."""

MEASURED: Final = 64
"""How many plans stay measured."""

OWN: Final = (RunLaunched, RunCancelled, RunResumed, RunRetried)
"""What tells that a wish about a run took effect; more may follow from it at once."""

LAUNCH, CANCEL, RESUME, RETRY = "launch", "cancel_run", "resume_run", "retry_run"
WORDS: Final = frozenset({LAUNCH, CANCEL, RESUME, RETRY})
"""Wishes about runs, by the word on the wire."""

Node: TypeAlias = dict[str, Any]


class Begun(NamedTuple):
    """Since when a run goes on, and how far it was then."""

    at: datetime
    progress: float


class Granted(NamedTuple):
    """What a wish about a run led to."""

    run: Run
    events: list[Logged]


class Runs:
    """Answers what is asked about runs; a subscriber of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._measures: dict[str, Measure] = {}
        self._resumed: dict[str, Begun | None] = {}
        """Runs that go on after they had ended; None until somebody asks how far."""

    def push(self, pushed: Pushed) -> None:
        """Note which runs go on: how fast they were before says nothing."""
        for _, event in pushed.turn.events:
            match event:
                case RunResumed() | RunRetried():
                    self._resumed[event.run] = None
                case RunFinished() | RunFailed() | RunCancelled():
                    self._resumed.pop(event.run, None)

    # --- wishes ---

    async def command(
        self, word: str, fields: Mapping[str, Any], by: str
    ) -> RunCommand:
        """Return the command that a wish about a run stands for.

        Raises:
            Invalid: a field is missing or of the wrong kind.
            NotFound: there is no such run or checkpoint.
            Conflict: nothing of it failed, or it belongs to another run.
        """
        given: dict[str, Any] = {**valid(WISHES[word].shape, fields), "by": by}
        if word == LAUNCH:
            return await self._launch({"id": "", **given})
        row = await self.find(given["id"])
        if row.parent and row.is_settled:
            raise Conflict(
                f"run {row.id!r} is {row.state} and part of run {row.root!r}: let that "
                "one go on instead"
            )
        if word == CANCEL:
            return CancelRun(**given)
        if word == RESUME:
            return ResumeRun(**given)
        visit = given.pop("visit", 0) or await self._failed_visit(row)
        return RetryRun(visit=visit, **given)

    async def _launch(self, given: dict[str, Any]) -> Launch:
        key = given["id"]
        there = await self._hub.store.run(key) if key else None
        if there is not None and there.parent:
            raise Conflict(
                f"run {key!r} is there already, as part of run {there.root!r}: leave "
                "the id out, or choose another"
            )
        address = given.pop("resume_from", "")
        if not address:
            return Launch(**given)
        saved = await self.checkpoint(address)
        row = await self.find(saved.run)
        first = await self._hub.store.checkpoint(row.id, 0)
        plan = given.pop("plan", None) or (await self.plan(row.plan)).document
        return Launch(
            plan=plan,
            input=first.input if first and first.input else {},
            machine=row.machine,
            resumed_from=saved.address,
            stage=saved.stage,
            context=saved.context,
            **given,
        )

    async def _failed_visit(self, row: Run) -> int:
        visit = await self._hub.store.latest_failed_visit(row.id)
        if visit is None:
            raise Conflict(
                f"no item of run {row.id!r} has failed: there is nothing to retry"
            )
        return visit

    async def submit(
        self, command: RunCommand, *, key: str = "", size: int = 0
    ) -> Granted:
        """Have a wish about a run decided; return the run, and the events of its own.

        Raises:
            SwarmError: the wish is refused; nothing changed.
            StoreError: nothing can be written just now; nothing changed.
        """

        def read(swarm: Swarm, events: Sequence[Logged]) -> tuple[str, Run | None]:
            named = command.id or _launched(events)
            return named, swarm.runs.rows.get(named)

        outcome = await self._hub.submit(command, read=read, key=key, size=size)
        assert outcome.value is not None  # noqa: S101 - `read` was called
        named, row = outcome.value
        if isinstance(command, Launch) and not outcome.events:
            await self._require_same(command)
        own = [
            logged
            for logged in outcome.events
            if isinstance(logged.event, OWN) and logged.event.run == named
        ]
        return Granted(row or await self.find(named), own)

    async def _require_same(self, wish: Launch) -> None:
        """Refuse a launch of a run that is there already and was given another input.

        Raises:
            Conflict: it was.
        """
        first = await self._hub.store.checkpoint(wish.id, 0)
        if first is not None and first.input != wish.input and not wish.resumed_from:
            raise Conflict(
                f"run {wish.id!r} is there already, with another input: leave the id "
                "out, or choose another"
            )

    # --- single rows ---

    async def find(self, key: str) -> Run:
        """Return a run, however old.

        Raises:
            NotFound: there is none.
        """
        row = await self._hub.ask(lambda swarm: swarm.runs.rows.get(key))
        row = row or await self._hub.store.run(key)
        if row is None:
            raise NotFound(f"no run {key!r} is known: swarmtui runs lists them")
        return row

    async def plan(self, key: str) -> Plan:
        """Return a plan that is run, or was.

        Raises:
            NotFound: there is none.
        """
        row = await self._hub.store.plan(key)
        if row is None:
            raise NotFound(f"no plan {key!r} is known: a run tells which plan it is of")
        return row

    async def checkpoint(self, address: str) -> Checkpoint:
        """Return the checkpoint at an address, or the newest of the run it names.

        Raises:
            Invalid: it is no address.
            NotFound: there is no such run, or no such checkpoint of it.
        """
        run, number = _checkpoint_named(address)
        await self.find(run)
        row = await self._hub.store.checkpoint(run, number)
        if row is None:
            raise NotFound(
                f"run {run!r} has no checkpoint {number}: swarmtui run checkpoints "
                f"{run} lists them"
            )
        return row

    # --- lists ---

    async def listed(self, question: Mapping[str, Any]) -> list[Run]:
        """Return runs without their output, those that changed last first."""
        return [_bare(row) for row in await self._hub.store.runs(**question)]

    async def items(self, question: Mapping[str, Any]) -> list[Item]:
        """Return items of a stage in order, as many as one answer takes."""
        wanted = dict(question)
        row = await self.find(wanted.pop("id"))
        visit = wanted.setdefault("visit", row.visit)
        if visit > row.visit:  # it was there before it went back
            return []
        store = self._hub.store
        found = await store.items(row.id, **wanted)
        if visit == row.visit:
            found = [item for item in found if item.index < row.started]
        elif then := await store.checkpoint(row.id, visit - 1):
            found = [item for item in found if is_since(item, then)]
        return _fitting(found)

    async def checkpoints(self, key: str, limit: int) -> list[Checkpoint]:
        """Return the newest checkpoints, newest first, without what they hold."""
        await self.find(key)
        return await self._hub.store.checkpoints(key, limit)

    # --- how far it is ---

    async def view(self, key: str) -> Node:
        """Return a run, and how far it is (see `agentkit.progress.RunView`)."""
        row = await self.find(key)
        tree = await self._tree(row)
        plan = await self.plan(row.plan)
        below = Counter(run.state for run in tree.below(row.id))
        launched = await self._hub.store.runs(launched_by=key, limit=SHOWN)
        return {
            "run": row,
            "plan": plan.name,
            **self._far(row, tree),
            "children": dict(below),
            "launched": [run.id for run in launched],
        }

    async def tree(self, key: str) -> Node:
        """Return a run with those below it (see `agentkit.progress.RunTree`)."""
        row = await self.find(key)
        tree = await self._tree(row)
        return self._node(row, tree)

    def _node(self, row: Run, tree: "_Tree") -> Node:
        children = tree.children[row.id]
        return {
            "run": _bare(row),
            **self._far(row, tree),
            "children": [self._node(child, tree) for child in children],
            "whole": tree.whole,
        }

    def _far(self, row: Run, tree: "_Tree") -> Node:
        part = tree.progress(row)
        return {"progress": round(part, 6), "eta": self._eta(row, part)}

    def _eta(self, row: Run, part: float) -> float | None:
        """Return in how many seconds a run is done if it goes on like this."""
        if row.is_settled:
            return None
        now = self._hub.now()
        begun = self._resumed.get(row.id, Begun(row.created, 0.0))
        if begun is None:
            begun = self._resumed[row.id] = Begun(now, part)
        gone = part - begun.progress
        if gone <= 0:
            return None
        return round((now - begun.at).total_seconds() * (1 - part) / gone, 3)

    async def _tree(self, row: Run) -> "_Tree":
        """Read the runs below a run, and measure their plan: all have the same."""
        rows: list[Run] = []
        before, whole = 0, False
        while not whole and len(rows) < MOST:
            page = await self._hub.store.runs(root=row.root, before=before, limit=PAGE)
            rows += page
            whole = len(page) < PAGE
            before = page[-1].version if page else 0
        return _Tree(rows, await self._measure(row.plan), whole=whole)

    async def _measure(self, plan: str) -> Measure:
        found = self._measures.get(plan)
        if found is None:
            document = (await self.plan(plan)).document
            found = await asyncio.to_thread(lambda: measure(compile_plan(document)))
            self._measures[plan] = found
            if len(self._measures) > MEASURED:
                del self._measures[next(iter(self._measures))]
        return found


class _Tree:
    """The runs below a run, by the run right above each."""

    def __init__(self, rows: Iterable[Run], plan: Measure, *, whole: bool) -> None:
        self.whole = whole
        """Whether no run below it is left out."""
        self._plan = plan
        self.children: defaultdict[str, list[Run]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row.created, row.item)):
            if row.parent:
                self.children[row.parent].append(row)

    def below(self, key: str) -> Iterable[Run]:
        """Yield every run below a run."""
        for row in self.children[key]:
            yield row
            yield from self.below(row.id)

    def progress(self, row: Run) -> float:
        """Return how much of a run is done, and of what is below it."""
        active = [child for child in self.children[row.id] if not child.is_settled]
        step = self._plan[row.machine][row.stage]
        return progress(row, step, sum(map(self.progress, active)))


def _launched(events: Sequence[Logged]) -> str:
    """Return the id of the run that was launched first among some events.

    Raises:
        LookupError: none was: the key was used for something else.
    """
    for _, event in events:
        if isinstance(event, RunLaunched):
            return event.run
    raise LookupError


def _checkpoint_named(address: str) -> tuple[str, int | None]:
    """Return the run and the number that an address names; None is the newest.

    Raises:
        Invalid: it is no address of a checkpoint.
    """
    if address and "/" not in address:
        return address, None
    named = address_of(address)
    if not named.is_checkpoint:
        raise Invalid(
            f"{address!r} is no address of a checkpoint: write "
            "swarm://RUN/checkpoint/N, or RUN"
        )
    return named.run, named.number


def _bare(row: Run) -> Run:
    return row if row.output is None else replace(row, output=None)


def _fitting(rows: list[Item]) -> list[Item]:
    """Return as many rows as one answer takes, one at least."""
    size = 0
    for number, row in enumerate(rows):
        size += len(dumps(row))
        if size > BYTES and number:
            return rows[:number]
    return rows
