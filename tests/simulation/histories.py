"""One history: a storm in which everything breaks, and the calm in which all ends.

    python -m tests.simulation.histories SEED [SEED]…

replays histories and prints them.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from agentkit.protocol import Logged
from agentkit.rows import Checkpoint, Delivery, Plan, Run, Task
from server.core import Rules, Swarm
from server.core.mailbox import EXPIRED
from tests.simulation.agents import BEGUN, Agent
from tests.simulation.budget_laws import Budgets
from tests.simulation.coordinators import Coordinator
from tests.simulation.laws import Talk, Trial, Witness, check_indexes, check_replay
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.planners import Chief
from tests.simulation.plans import fates
from tests.simulation.reference import Reference, plain
from tests.simulation.run_laws import Courses, Rows
from tests.simulation.shell_agent import ShellAgent
from tests.simulation.socket_agent import SocketAgent
from tests.simulation.storage import Disk, MemoryDisk
from tests.simulation.world import Stuck, World

R = TypeVar("R", Task, Delivery, Run)

RULES: Final = Rules(
    lease=timedelta(seconds=4),
    lost_after=timedelta(seconds=8),
    escalate_after=timedelta(seconds=10),
    retry_first=timedelta(seconds=0.5),
    retry_most=timedelta(seconds=4),
    budget=4.0,
)
STORM: Final = 20.0
"""Seconds in which everything breaks."""
CALM: Final = 400.0
"""Seconds after which everything must have come to its end."""
TAIL: Final = 60
"""Lines of a history that are shown when it is not as it should be."""


@dataclass(frozen=True)
class Told:
    """What became of one history."""

    seed: int
    lines: list[str]
    digest: str
    violations: list[tuple[str, str]]
    crashes: int
    events: int
    seconds: float

    @property
    def laws(self) -> set[str]:
        """The laws that were broken."""
        return {law for law, _ in self.violations}

    def report(self) -> str:
        """Say what is wrong, what came before it, and how to see it again."""
        wrong = "\n".join(f"  {law}: {what}" for law, what in self.violations[:10])
        tail = "\n".join(self.lines[-TAIL:])
        again = f"python -m tests.simulation.histories {self.seed}"
        return f"seed {self.seed}:\n{wrong}\n{tail}\nto see it again: {again}"


class History:
    """The parts of one history, and the weather."""

    def __init__(self, seed: int, disk: Disk | None = None) -> None:
        self.world = World(seed)
        self.disk = disk or MemoryDisk()
        self.witness = Witness(self.world)
        self.network = Network(self.world)
        self.machine = Machine(self.world, self.network, self.disk, RULES, self.witness)
        kinds: tuple[type[Agent], ...] = (SocketAgent,) * 3 + (ShellAgent,)
        self.agents = [
            kind(self.world, self.network, self.witness, number)
            for number, kind in enumerate(kinds)
        ]
        names = tuple(agent.name for agent in self.agents)
        self.bosses = [
            Coordinator(self.world, self.network, self.witness, name, names)
            for name in ("boss1", "boss2")
        ]
        self.bosses.append(
            Chief(self.world, self.network, self.witness, "boss3", names)
        )

    def tell(self) -> Told:
        """Let it happen, and hold it to the laws."""
        world = self.world
        try:
            world.loop.run_until_complete(self._happen())
        except Stuck as stuck:
            world.accuse("I6", str(stuck))
        finally:
            world.end()
        self._judge()
        log = self.disk.log()
        world.history += [f"{cursor} {event}" for cursor, event in log]
        return Told(
            seed=world.seed,
            lines=world.history,
            digest=world.digest(),
            violations=world.violations,
            crashes=self.machine.crashes,
            events=len(log),
            seconds=world.loop.time(),
        )

    async def _happen(self) -> None:
        await self._storm()
        self.world.stormy = False
        self.network.heal()
        while not self._is_over():
            if self.world.loop.time() > CALM:
                self.world.accuse("I6", f"after the storm {self._what_is_left()}")
                return
            await asyncio.sleep(1.0)
        await self._look_back()

    async def _storm(self) -> None:
        dice = self.world.dice("weather")
        while self.world.loop.time() < STORM:
            await asyncio.sleep(dice.uniform(0.3, 1.5))
            agent = dice.choice(self.agents)
            match dice.choices("hacp", (1, 2, 3, 2))[0]:
                case "h" if self.network.server is not None:
                    self.machine.crash("is killed")
                case "a":
                    agent.crash("is killed")
                case "c":
                    self.network.cut(agent.name)
                case "p":
                    self.network.part(agent.name, dice.uniform(0.5, 6.0))

    def _is_over(self) -> bool:
        return self.network.server is not None and not self._what_is_left()

    def _what_is_left(self) -> str:
        """Name what has not come to its end."""
        swarm = self.machine.hub._swarm
        left = [
            *(f"task {row.id} is {row.state}" for row in _open(swarm.tasks.values())),
            *(
                f"run {row.id} is {row.state}"
                for row in _open(swarm.runs.rows.values())
            ),
            *(f"mail {row.id} is {row.state}" for row in _open(swarm.deliveries())),
            *(f"{agent.name} has things to say" for agent in self._unheard()),
            *(f"{boss.name} waits" for boss in self.bosses if not boss.over.done()),
        ]
        return ", ".join(left)

    def _unheard(self) -> list[Agent]:
        return [agent for agent in self.agents if len(agent.disk.outbox)]

    async def _look_back(self) -> None:
        """Compare what the hub knows with what another would find."""
        while True:
            cursor, rows = await self.disk.load()
            knows = self.machine.hub._swarm
            if cursor == knows.cursor or self.world.loop.time() > CALM:
                break
            await asyncio.sleep(0.01)
        check_indexes(self.world, Swarm.load(cursor, rows, RULES), knows)

    def _judge(self) -> None:
        log = self.disk.log()
        Trial(self.world).walk(log)
        self.witness.check_durable(self.disk)
        self.witness.check_streams(log)
        self._judge_talk(log)
        self._judge_runs(log)
        budgets = Budgets(self.world)
        budgets.walk(log)
        budgets.check(self.witness.wallets, self.disk.rows().agents)
        for boss in self.bosses:
            if boss.over.done() and (error := boss.over.exception()):
                self.world.accuse("defect", f"{boss.name} ended: {error!r}")
        check_replay(self.world, self.disk, RULES)

    def _judge_talk(self, log: Sequence[Logged]) -> None:
        """Hold what was said to what came of it."""
        expired = {
            (row.agent, row.ref)
            for row in self.disk.rows().deliveries.values()
            if row.reason == EXPIRED
        }
        inboxes = {agent.name: agent.disk.inbox.values() for agent in self.agents}
        there = {
            (name, mail.ref)
            for name, inbox in inboxes.items()
            for mail in inbox
            if mail.kind == "message"
        }
        talk = Talk(self.world, lambda *pair: pair in there or pair in expired)
        talk.walk(log)
        for name, inbox in inboxes.items():
            for mail in inbox:
                handled = mail.state != "new" and mail.attempts <= BEGUN
                if mail.call and handled and not talk.answered[name, mail.call]:
                    self.world.accuse("I10", f"{name} has not answered {mail.call}")

    def _judge_runs(self, log: Sequence[Logged]) -> None:
        """Hold what runs led to, and how, to what their plans say."""
        courses = Courses(self.world.accuse)
        courses.walk(log)
        rows = self.disk.rows()
        Rows(rows, courses.stage, self.world.accuse).check(rows.runs, quiet=True)
        for run in rows.runs.values():
            if not run.parent and run.state in ("done", "failed"):
                plan, begun = rows.plans[run.plan], rows.checkpoints[run.id, 0]
                self._judge_run(run, plan, begun)

    def _judge_run(self, run: Run, plan: Plan, begun: Checkpoint) -> None:
        reference = Reference(dict(plan.document), fates(self.world.seed))
        given = dict(begun.input or {})
        if run.resumed_from:
            context = dict(begun.context)
            told = reference.fork(run.machine, given, begun.stage, context)
        else:
            told = reference.run(run.machine, given)
        wrong = run.error.get("_error_type", "")
        if (wrong, plain(run.output)) != told.outcome:
            led = f"led to {wrong} {run.output}, not {told.outcome}"
            self.world.accuse("I15", f"run {run.id} {led}")


def _open(rows: Iterable[R]) -> Iterator[R]:
    return (row for row in rows if not row.is_settled)


def main(seeds: list[int]) -> None:
    """Replay histories and print them."""
    for seed in seeds:
        told = History(seed).tell()
        print("\n".join(told.lines))
        for law, what in told.violations:
            print(f"{law}: {what}")
        print(f"{told.events} events, {told.crashes} crashes, {told.digest}")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
