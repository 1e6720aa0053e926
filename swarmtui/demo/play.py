"""Performs the script: every part is a real agent, and reacts like one.

A process of its own: ``python -m swarmtui.demo.play AGENTS SEED``. It finds the hub the
way every agent does, and ends when its standard input does.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import uvloop

from agentkit.agent import Agent, Mail
from agentkit.coordinator import Coordinator
from agentkit.errors import AgentkitError
from agentkit.jobs import Job, Later
from agentkit.plans import read_plan
from agentkit.rows import Agent as AgentRow
from agentkit.rows import HelpRequest
from agentkit.settings import Endpoint, endpoint
from swarmtui.demo.cast import LOST, MISHAPS, ODDS, QUEUED
from swarmtui.demo.meter import Meter
from swarmtui.demo.programs import converse
from swarmtui.demo.script import Act, Errand, Part, errands, life, parts
from swarmtui.limits import lift_file_limit

AT_ONCE = 64
"""How many agents may be connecting at the same time."""


WORK_LEASE = 24.0
"""Seconds, short, so that leases can be seen to run down and to be extended."""
FAILING, LATER = 0.16, 0.06
"""How often an attempt fails, and how often work is given back."""
HOPELESS = {work.title: work.fails for work in QUEUED if work.fails}
PILE = 16
"""Tasks that may wait before no more are queued."""
PLANS = Path(__file__).with_name("plans")
AT_A_TIME = 2
"""Runs in progress before no more are launched."""


class Player:
    """One agent: follows its part, and lets itself be interrupted.

    Args:
        part: who it is.
        acts: what it does if nobody interferes.
        seed: of how it reacts.
        hub: where it reports; looked up once for all.
        meter: counts what it spends.
    """

    def __init__(
        self,
        part: Part,
        acts: Iterator[Act],
        seed: int,
        hub: Endpoint,
        meter: Meter,
    ) -> None:
        self.part = part
        self._hub = hub
        self._meter = meter
        self._acts = acts
        self._rng = Random(f"{seed} {part.id} reacts")  # noqa: S311  # a play
        self._cues: asyncio.Queue[Mail] = asyncio.Queue()
        self._task = ""
        self._rests = False
        """It is idle, so that only new work can follow."""
        self._cost = part.cost
        self._completed = part.completed

    async def play(self, door: asyncio.Semaphore) -> None:
        """Connect, and act until the part ends."""
        odds = (ODDS,) if self.part.is_hand else ()
        skills = (*self.part.role.skills, *odds)
        agent = Agent(self.part.id, capabilities=skills, hub=self._hub)
        if self.part.is_hand:
            agent.on_work(lease=WORK_LEASE)(self._work)
        else:
            agent.on_task(self._cue)
        agent.on_answer(self._cue)
        agent.on_helper(self._cue)
        agent.on_broadcast(self._listen)
        async with door:
            await agent.__aenter__()
        self._meter.count(self.part.id, self.part.cost)
        try:
            if self.part.is_hand:
                await agent.run_forever()
            else:
                await self._act_on(agent)
        finally:
            await agent.__aexit__(None, None, None)

    async def _act_on(self, agent: Agent) -> None:
        for act in self._acts:
            if self._rests and act.report != "busy":
                continue  # the end of a piece of work that was interrupted
            cue = await self._cue_within(act.after)
            if cue is not None:
                await self._react(agent, cue)
            elif act.report is None:
                return
            else:
                await self._perform(agent, act)

    async def _work(self, job: Job) -> Mapping[str, Any]:
        """Do what was claimed; some of it fails, and some of it always does."""
        if reason := HOPELESS.get(job.title):
            await self._think(1, 3)
            raise OSError(reason)
        if "run" in job.body:
            return await self._do_item(job)
        await self._think(7, 19)
        luck = self._rng.random()
        if luck < FAILING:
            raise OSError(self._rng.choice(MISHAPS))
        if luck < FAILING + LATER:
            raise Later(self._rng.uniform(10, 40), "the machine is taken")
        return {"files": self._rng.randrange(1, 40), "checks": self._rng.randrange(9)}

    async def _do_item(self, job: Job) -> Mapping[str, Any]:
        """Do an item of a run."""
        await self._think(4, 13)
        if LOST in job.title:
            raise OSError("the recording has no sound")
        if self._rng.random() < FAILING / 2:
            raise OSError(self._rng.choice(MISHAPS))
        return {"words": self._rng.randrange(90, 900), "by": self.part.id}

    async def _cue(self, mail: Mail) -> None:
        self._cues.put_nowait(mail)

    async def _listen(self, mail: Mail) -> None:
        """Take note of a broadcast; one agent cannot, and gives up in the end."""
        await self._think(0.3, 2.5)
        if self.part.is_hand and self.part.number == 0:
            raise OSError(f"no room for “{mail.body.get('text', '')[:20]}…”")

    async def _cue_within(self, seconds: float) -> Mail | None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._cues.get()
        return None

    async def _think(self, least: float, most: float) -> None:
        await asyncio.sleep(self._rng.uniform(least, most))

    async def _perform(self, agent: Agent, act: Act) -> None:
        self._rests = False
        self._task = act.task or self._task
        self._cost = round(self._cost + act.earns, 2)
        self._meter.count(self.part.id, act.earns)
        figures = {"cost": self._cost, "completed": self._completed}
        match act.report:
            case "idle":
                await agent.idle(**figures)
            case "busy":
                await agent.busy(self._task, message=act.message, **figures)
            case "completed":
                await self._complete(agent)
            case "blocked":
                await agent.blocked(act.message, **figures)
            case "help":
                await agent.help(
                    act.message,
                    choices=act.choices,
                    severity=act.severity,
                    **figures,
                )

    async def _react(self, agent: Agent, cue: Mail) -> None:
        await self._think(0.5, 1.6)
        match cue.kind:
            case "answer":
                said = f"going on with “{cue.body['text']}”"
                await agent.busy(self._task, message=said)
                self._rests = False
            case "helper":
                self._task = str(cue.body.get("task") or self._task)
                await agent.busy(self._task, message=f"helping {cue.body['agent']}")
                await self._think(4, 9)
                await self._complete(agent)
            case _:
                self._task = cue.ref
                title = str(cue.body.get("title", ""))
                await agent.busy(cue.ref, message=title)
                await self._think(5, 14)
                await self._complete(agent)

    async def _complete(self, agent: Agent) -> None:
        self._completed += 1
        self._rests = True
        await agent.completed(self._task, cost=self._cost, completed=self._completed)


@dataclass(frozen=True, slots=True)
class Director:
    """The coordinator of the play: does the errands, one after the other."""

    swarm: Coordinator
    seed: int

    async def direct(self) -> None:
        """Do one errand after the other."""
        for errand in errands(self.seed):
            await asyncio.sleep(errand.after)
            with suppress(AgentkitError):
                await self._run(errand)

    async def _run(self, errand: Errand) -> None:
        match errand.do:
            case "broadcast":
                await self.swarm.broadcast(errand.text, where=errand.where)
            case "assign":
                agent = self._longest_idle(errand.skill)
                if agent is not None:
                    await self.swarm.assign(agent.id, errand.task, title=errand.text)
            case "enqueue":
                await self._enqueue(errand)
            case "launch":
                await self._launch(errand)
            case "answer":
                request = self._open_question()
                if request is not None:
                    await self.swarm.answer(request.id, errand.text)

    async def _enqueue(self, errand: Errand) -> None:
        """Queue a task, unless many wait already."""
        work = errand.work
        if work is None or self.swarm.task_counts.get("queued", 0) >= PILE:
            return
        later = datetime.now(UTC) + timedelta(seconds=work.delay)
        await self.swarm.enqueue(
            work.title,
            task=errand.task,
            needs=[work.skill] if work.skill else [],
            priority=work.priority,
            not_before=later if work.delay else None,
            max_attempts=work.tries,
        )

    async def _launch(self, errand: Errand) -> None:
        """Run a plan, unless enough of them are in progress."""
        going = [run for run in self.swarm.runs.values() if not run.is_settled]
        if len(going) >= AT_A_TIME:
            return
        plan = read_plan(PLANS / f"{errand.text}.yml").document
        number = len(self.swarm.runs) + 1
        given = {"version": f"4.{number}"}
        await self.swarm.launch(plan, given, run=f"{errand.text}-{number}")

    def _longest_idle(self, skill: str) -> AgentRow | None:
        """Return who waits longest among those with the skill, else of all."""
        agents = self.swarm.agents.values()
        idle = [one for one in agents if one.ticket and not one.over_budget]
        fit = [agent for agent in idle if skill in agent.capabilities]
        return min(fit or idle, key=lambda agent: agent.ticket, default=None)

    def _open_question(self) -> HelpRequest | None:
        """Return the oldest question without choices; those are for the audience."""
        plain = (one for one in self.swarm.helps.values() if _is_open_question(one))
        return min(plain, key=lambda request: request.opened, default=None)


def _is_open_question(request: HelpRequest) -> bool:
    asked = request.kind == "help" and not request.choices
    return asked and request.state == "open"


async def perform(agents: int, seed: int) -> None:
    """Play until standard input ends."""
    await asyncio.get_running_loop().connect_read_pipe(Curtain, sys.stdin)
    door = asyncio.Semaphore(AT_ONCE)
    hub = endpoint()
    meter = Meter()
    async with Coordinator(hub) as swarm, asyncio.TaskGroup() as group:
        for part in parts(agents, seed):
            player = Player(part, life(part, agents, seed), seed, hub, meter)
            group.create_task(player.play(door))
        group.create_task(Director(swarm, seed).direct())
        group.create_task(converse(hub, seed))
        group.create_task(meter.tell(hub))


class Curtain(asyncio.Protocol):
    """Falls when standard input ends."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Leave at once: the hub goes too, so nobody has to say goodbye."""
        os._exit(0)


def main(args: Sequence[str]) -> None:
    """Read how many agents there are, and the seed."""
    lift_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(perform(int(args[0]), int(args[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
