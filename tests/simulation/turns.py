"""Turns as a hub makes them: the real core, random commands, a clock of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from agentkit import protocol as p
from agentkit.errors import SwarmError
from agentkit.protocol import Command, Logged
from agentkit.rows import Receipt, Task
from server.core import Rules, Swarm, Turn, carry_out

RULES: Final = Rules(keep_settled=20, keep_receipts=20)
SPOOLS: Final = tuple(f"s{n}" for n in range(12))
AGENTS: Final = ("a", "b", "c", "d")
TASKS: Final = tuple(f"T{n}" for n in range(8))
SKILLS: Final = ("x", "y")
MOMENTS: Final = (0, 0, 0, 0.5, 1, 40, 400, 2000)
"""Seconds that may pass before a command."""
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOBODYS: Final = Task(id="none", state="done", created=START, agent="a")


def _agent(_swarm: Swarm, dice: Random) -> str:
    return dice.choice(AGENTS)


def _task(_swarm: Swarm, dice: Random) -> str:
    return dice.choice(TASKS)


def _held(swarm: Swarm, dice: Random) -> Mapping[str, object]:
    """Name a task with who has it, and its fence; sometimes a fence that is stale."""
    held = [task for task in swarm.tasks.values() if task.fence] or [NOBODYS]
    task = dice.choice(held)
    stale = dice.random() < 0.1
    return {"agent": task.agent, "task": task.id, "fence": task.fence - stale}


def _mail(swarm: Swarm, dice: Random, *, dead: bool = False) -> tuple[str, int]:
    waiting = [
        (row.agent, row.seq)
        for row in swarm.deliveries()
        if (row.state == "dead") is dead
    ]
    return dice.choice(waiting or [("a", 1)])


def _help(swarm: Swarm, dice: Random) -> str:
    waiting = [row.id for row in swarm.helps.values() if row.is_open]
    return dice.choice(waiting or ["none"])


def _notify(swarm: Swarm, dice: Random) -> Command:
    agent = _agent(swarm, dice)
    spool = dice.choice(("", "s", "s", *SPOOLS))
    accepted = swarm.spools.get((agent, spool))
    seq = 1 + (accepted.accepted if accepted else 0)
    return p.Notify(
        agent=agent,
        report=dice.choice(("idle", "busy", "blocked", "completed", "help")),
        task=dice.choice((None, *TASKS)),
        message=dice.choice((None, "why", "wörter " * 20)),
        capabilities=dice.choice((None, (), ("x",), SKILLS)),
        cost=dice.choice((None, 1.5)),
        spool=spool,
        seq=seq,
    )


def _later(dice: Random, now: datetime) -> datetime | None:
    return dice.choice((None, None, now + timedelta(seconds=30)))


def _deliveries(swarm: Swarm, dice: Random) -> Command:
    agent, seq = _mail(swarm, dice)
    return dice.choice(
        (
            p.Sent(deliveries=((agent, seq),)),
            p.Ack(agent=agent, upto=seq),
            p.Done(agent=agent, seq=seq),
            p.GiveUp(agent=agent, seq=seq, reason="it failed too often"),
        )
    )


def _settle(swarm: Swarm, dice: Random) -> Command:
    fields: dict[str, object] = dict(_held(swarm, dice))
    kind: Callable[..., Command] = dice.choice((p.Complete, p.Fail, p.Nack, p.Extend))
    return kind(**fields)


def _desk(swarm: Swarm, dice: Random, now: datetime) -> Command:
    key, agent = _help(swarm, dice), _agent(swarm, dice)
    return dice.choice(
        (
            p.Answer(help=key, text="like this", by="me"),
            p.Take(help=key, by="me"),
            p.AssignHelper(help=key, helper=agent, by="me"),
            p.Snooze(help=key, until=now + timedelta(seconds=60), by="me"),
            p.Resolve(help=key, by="me"),
        )
    )


def _manage(swarm: Swarm, dice: Random) -> Command:
    task = _task(swarm, dice)
    agent, seq = _mail(swarm, dice, dead=True)
    return dice.choice(
        (
            p.Cancel(id=task, by="me"),
            p.Requeue(id=task, by="me"),
            p.Retry(agent=agent, seq=seq, by="me"),
        )
    )


PLAN: Final[Mapping[str, object]] = {
    "name": "films",
    "main": "films",
    "machines": {
        "films": {
            "machines": {"scene": "scene"},
            "states": {
                "start": {"type": "initial", "transitions": [{"to": "cut"}]},
                "cut": {
                    "agent": "x",
                    "foreach": "input.parts",
                    "mode": "settled",
                    "output_to_context": {"parts": "{{ output }}"},
                    "transitions": [{"to": "play"}],
                },
                "play": {
                    "machine": "scene",
                    "foreach": "input.parts",
                    "transitions": [{"to": "end"}],
                },
                "end": {"type": "final", "output": {"n": "{{ context.parts }}"}},
            },
        },
        "scene": {
            "states": {
                "start": {"type": "initial", "transitions": [{"to": "play"}]},
                "play": {"agent": "y", "transitions": [{"to": "end"}]},
                "end": {"type": "final", "output": {"ok": True}},
            },
        },
    },
}


def _run(swarm: Swarm, dice: Random) -> Command:
    key = dice.choice((*swarm.runs.rows, "none"))
    return dice.choice(
        (
            p.CancelRun(id=key, by="me"),
            p.ResumeRun(id=key, by="me"),
            p.WriteResult(run=key, name="note", value={"at": swarm.cursor}),
            p.WriteResult(run="mine", name="film", value=None, file="f" * 64),
            p.DeleteResult(run=dice.choice((key, "mine")), name="note"),
        )
    )


COMMANDS: Final[tuple[Callable[[Swarm, Random, datetime], Command], ...]] = (
    lambda swarm, dice, _: _notify(swarm, dice),
    lambda swarm, dice, _: _notify(swarm, dice),
    lambda swarm, dice, _: p.Link(agent=_agent(swarm, dice), capabilities=SKILLS),
    lambda swarm, dice, _: p.Unlink(agent=_agent(swarm, dice), reason="gone"),
    lambda swarm, dice, now: p.Assign(
        agent=_agent(swarm, dice),
        id=_task(swarm, dice),
        body={"text": "x" * dice.randrange(2000)},
        not_before=_later(dice, now),
    ),
    lambda swarm, dice, now: p.Enqueue(
        id=_task(swarm, dice),
        needs=dice.choice(((), ("x",), SKILLS)),
        priority=dice.randrange(3),
        not_before=_later(dice, now),
    ),
    lambda swarm, dice, _: p.Claim(
        agent=_agent(swarm, dice), tasks=dice.randrange(1, 4), lease=60
    ),
    lambda swarm, dice, _: _settle(swarm, dice),
    lambda swarm, dice, _: _settle(swarm, dice),
    lambda swarm, dice, _: _deliveries(swarm, dice),
    lambda swarm, dice, _: _deliveries(swarm, dice),
    _desk,
    lambda swarm, dice, _: _manage(swarm, dice),
    lambda swarm, dice, _: p.SendBroadcast(
        id=f"B{swarm.cursor}", text="hello", where=dice.choice(("", "cap:x"))
    ),
    lambda swarm, dice, _: p.Bury(
        id=f"L{swarm.cursor}",
        message={"name": "job.made", "data": {"text": "x" * dice.randrange(2000)}},
        subscription="works",
        reason="ValueError: no",
        attempts=3,
    ),
    lambda swarm, dice, _: dice.choice((p.Unbury, p.Discard))(
        id=dice.choice((*swarm.letters, "L0")), by="me"
    ),
    lambda swarm, dice, _: p.CreateToken(
        id=f"K{swarm.cursor}", role="viewer", digest="0" * 64
    ),
    lambda swarm, dice, _: p.RevokeToken(
        id=dice.choice((*swarm.tokens, "viewer")), by="me"
    ),
    lambda _swarm, dice, _: p.Launch(
        id="", plan=PLAN, input={"parts": list(range(dice.randrange(4)))}
    ),
    lambda swarm, dice, _: _run(swarm, dice),
    lambda swarm, dice, _: _run(swarm, dice),
    lambda _swarm, _dice, _now: p.Tick(),
    lambda _swarm, _dice, _now: p.Start(version="1"),
)


@dataclass
class Turns:
    """Makes one turn after the other; `dice` decides what is commanded."""

    dice: Random
    swarm: Swarm = field(default_factory=lambda: Swarm(RULES))
    now: datetime = START

    def turn(self, commands: int) -> Turn:
        """Decide some commands, as the pump does; some of them under a key."""
        events: list[Logged] = []
        for _ in range(commands):
            events += self._command()
        return Turn(tuple(events), self.swarm.take())

    def _command(self) -> list[Logged]:
        self.now += timedelta(seconds=self.dice.choice(MOMENTS))
        command = self.dice.choice(COMMANDS)(self.swarm, self.dice, self.now)
        first = self.swarm.cursor + 1
        try:
            logged = carry_out(self.swarm, command, self.now)
        except SwarmError:
            return []
        if self.dice.random() < 0.2:
            receipt = Receipt(
                key=f"k{first}", at=self.now, first=first, last=self.swarm.cursor
            )
            self.swarm.put_receipt(receipt)
        return logged
