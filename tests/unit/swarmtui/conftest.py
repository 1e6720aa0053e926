"""Rows for the tests of the dashboard, and a swarm that stands still."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from agentkit.coordinator import Change, Coordinator, Heard, Link, Stats
from agentkit.protocol import AgentReported, HelpAsked, HelpTaken, Logged, TaskAssigned
from agentkit.rows import Agent, Broadcast, Delivery, HelpRequest, Task
from agentkit.settings import Endpoint

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SKILLS = ("docs", "infra", "ndi", "python", "review", "rust", "sql", "video")
QUESTIONS = (
    "integration test deadlocks while it holds the database lock",
    "which of the two API names is final?",
    "waiting for the schema migration",
    "the encoder panics on 10-bit input",
)


def agent(key: str, **fields: Any) -> Agent:
    """Return an idle agent that has just reported."""
    given: dict[str, Any] = {
        "status": "idle",
        "since": NOW,
        "heard": NOW,
        "joined": NOW,
    }
    return Agent(id=key, **(given | fields))


def request(key: str, asker: str = "a", **fields: Any) -> HelpRequest:
    """Return an open question."""
    given: dict[str, Any] = {
        "kind": "help",
        "state": "open",
        "question": "why?",
        "opened": NOW,
    }
    return HelpRequest(id=key, agent=asker, **(given | fields))


def task(key: str, holder: str, **fields: Any) -> Task:
    """Return a task that has not been sent yet."""
    given: dict[str, Any] = {"state": "queued", "created": NOW}
    return Task(id=key, agent=holder, **(given | fields))


class StillSwarm(Coordinator):
    """A coordinator without a hub: what it holds changes when a test says so."""

    def __init__(self, *agents: Agent, link: Link | None = None) -> None:
        super().__init__(Endpoint("http://127.0.0.1:8765"), batch_ms=100)
        self.agents = {one.id: one for one in agents}
        self._still_link = link or Link("live")
        self.hub = {"started": (NOW - timedelta(hours=3, minutes=12)).isoformat()}
        self.given: list[tuple[str, ...]] = []
        """The orders that were given, in words."""
        self._changes: asyncio.Queue[Change] = asyncio.Queue()

    @property
    def link(self) -> Link:
        """The link that the test wants."""
        return self._still_link

    async def __aenter__(self) -> Self:
        return self

    async def close(self) -> None:
        """Have nothing to close."""

    async def changes(self) -> AsyncIterator[Change]:
        """Yield the snapshot, then what `change` and `relink` are told."""
        if self.link.state == "live":
            yield self._whole()
        else:
            yield Change(kind="link")
        while True:
            yield await self._changes.get()

    def change(self, *rows: Agent | HelpRequest | Task | Broadcast) -> None:
        """Change rows, as one turn."""
        tables: dict[type, tuple[str, dict[str, Any]]] = {
            Agent: ("agents", self.agents),
            HelpRequest: ("helps", self.helps),
            Task: ("tasks", self.tasks),
            Broadcast: ("broadcasts", self.broadcasts),
        }
        changed: dict[str, list[Any]] = {}
        for row in rows:
            name, held = tables[type(row)]
            held[row.id] = row
            changed.setdefault(name, []).append(row)
        named: Mapping[str, Any] = {name: tuple(on) for name, on in changed.items()}
        self._changes.put_nowait(Change(kind="turn", **named))

    def hear(self, *heard: Heard) -> None:
        """Let events arrive."""
        self._changes.put_nowait(Change(kind="turn", events=heard))

    def beat(self, rate: float, delay: float) -> None:
        """Let a second of figures arrive."""
        self.stats = Stats(at=NOW, in_rate=rate, out_rate=rate, p99_ms=delay)
        self._changes.put_nowait(Change(kind="stats"))

    def relink(self, link: Link) -> None:
        """Change the link to the hub; live comes with a snapshot."""
        self._still_link = link
        live = link.state == "live"
        self._changes.put_nowait(self._whole() if live else Change(kind="link"))

    def _whole(self) -> Change:
        return Change(
            kind="snapshot",
            agents=tuple(self.agents.values()),
            helps=tuple(self.helps.values()),
            tasks=tuple(self.tasks.values()),
            broadcasts=tuple(self.broadcasts.values()),
        )

    async def assign(
        self, agent: str, task: str = "", *, title: str = "", **_: Any
    ) -> TaskAssigned:
        """Note the order and hold the task."""
        self.given.append(("assign", agent, task, title))
        self.change(Task(id=task, agent=agent, title=title, state="sent", created=NOW))
        return TaskAssigned(
            at=NOW, agent=agent, task=task, title=title, body={}, by="you"
        )

    async def take(self, request: str, **_: Any) -> HelpTaken:
        """Note the order and take the request."""
        self.given.append(("take", request))
        held = self.helps[request]
        self.change(replace(held, state="taken", by="you"))
        return HelpTaken(at=NOW, agent=held.agent, help=request, by="you")

    async def history(self, agent: str, **_: Any) -> list[Logged]:
        """Return a day in the life of any agent."""
        day = (
            (3, "busy", "P2.0.53-webrtc", ""),
            (9, "completed", "P1.4.07-sql", ""),
            (20, "blocked", "P1.4.07-sql", "waiting for P1.4.06"),
            (31, "busy", "P1.4.07-sql", ""),
            (40, "idle", "", ""),
        )
        return [
            Logged(
                90 - number,
                AgentReported(
                    at=NOW - timedelta(minutes=minutes),
                    agent=agent,
                    report=report,  # type: ignore[arg-type]
                    task=work,
                    message=message,
                    capabilities=(),
                    cost=1.0,
                    completed=1,
                    reported_at="",
                    waiting_since=None,
                    via="ws",
                ),
            )
            for number, (minutes, report, work, message) in enumerate(day)
        ]

    async def mailbox(self, agent: str, **_: Any) -> list[Delivery]:
        """Return two deliveries."""
        then = NOW - timedelta(minutes=3)
        soon = then + timedelta(milliseconds=3)
        return [
            Delivery(
                agent=agent,
                seq=2,
                kind="task",
                ref="T3",
                state="acked",
                queued=then,
                acked=soon,
            ),
            Delivery(
                agent=agent,
                seq=1,
                kind="broadcast",
                ref="b1",
                state="sent",
                queued=then,
            ),
        ]


def lively(count: int = 240) -> StillSwarm:
    """Return a swarm of many agents in all states, the same every time."""
    dice = Random(7)
    swarm = StillSwarm(*(_anybody(number, dice) for number in range(count)))
    for number, one in enumerate(swarm.agents.values()):
        if one.help:
            swarm.helps[one.help] = _question(one, number, dice)
    for number, name in enumerate(list(swarm.agents)[::29]):
        swarm.tasks[f"T{number}"] = task(
            f"T{number}",
            name,
            title=("Encode the intro", "Review the patch")[number % 2],
            state=("queued", "sent", "acked", "working", "done")[number % 5],
            created=NOW - timedelta(minutes=4 * number),
        )
    swarm.broadcasts["b1"] = Broadcast(
        id="b1", text="freeze main", where="", at=NOW, recipients=count
    )
    for number in range(40):
        swarm.beat(1500 + 400 * Random(number).random(), 1 + Random(-number).random())
    return swarm


def _anybody(number: int, dice: Random) -> Agent:
    status = dice.choices(("idle", "busy", "blocked", "help"), (18, 70, 4, 3))[0]
    skills = tuple(sorted(dice.sample(SKILLS, 3)))
    since = NOW - timedelta(seconds=dice.randrange(3600))
    asks = status in ("blocked", "help")
    return agent(
        f"session-{number:04}-{skills[0]}",
        status=status,
        since=since,
        heard=NOW - timedelta(seconds=dice.randrange(20)),
        joined=since,
        task=f"P{dice.randrange(4)}.{dice.randrange(9)}.{dice.randrange(99):02}-{skills[1]}",
        message=QUESTIONS[number % len(QUESTIONS)] if asks else "",
        capabilities=skills,
        cost=dice.randrange(3000) / 100,
        completed=dice.randrange(50),
        ticket=number + 1 if status == "idle" else 0,
        linked=dice.random() < 0.8,
        lost=status == "busy" and dice.random() < 0.02,
        help=f"h{number}" if asks else "",
        cause=90,
        version=number,
    )


def _question(asker: Agent, number: int, dice: Random) -> HelpRequest:
    state = dice.choice(("open", "open", "open", "taken", "snoozed", "answered"))
    settled = state == "answered"
    return request(
        asker.help,
        asker.id,
        kind=asker.status,
        state=state,
        question=asker.message,
        opened=asker.since,
        severity=dice.choice(("normal", "normal", "high", "critical")),
        choices=("restart it", "wait for the lock") if number % 2 else (),
        wanted=asker.capabilities[:2],
        task=asker.task,
        by="" if state == "open" else "you",
        answer="use a smaller batch" if settled else "",
        settled=NOW if settled else None,
        snoozed_until=NOW + timedelta(hours=1) if state == "snoozed" else None,
        version=number,
    )


def asked(asker: str, question: str) -> Heard:
    """Return the event of a question."""
    event = HelpAsked(
        at=NOW,
        agent=asker,
        help="h1",
        kind="help",
        question=question,
        severity="normal",
        choices=(),
        wanted=(),
        task="",
    )
    return Heard(200, event, 212, 0.4)
