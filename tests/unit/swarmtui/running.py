"""Plans and runs for the tests of the mode Runs, and a swarm that has them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from agentkit.errors import NotFound
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, Plan, Run
from tests.unit.swarmtui.conftest import NOW, SKILLS, StillSwarm, agent, lively, task

DOCUMENT: dict[str, Any] = {
    "name": "lessons",
    "main": "lessons",
    "machines": {
        "lessons": {
            "context": {"lessons": "{{ input.lessons }}"},
            "agents": {"planner": {"capabilities": ["docs"]}},
            "machines": {"lesson": "lesson"},
            "states": {
                "outline": {
                    "type": "initial",
                    "agent": "planner",
                    "transitions": [{"to": "record"}],
                    "on_error": "give_up",
                },
                "record": {
                    "foreach": "context.lessons",
                    "as": "lesson",
                    "machine": "lesson",
                    "transitions": [
                        {"condition": "output", "to": "check"},
                        {"to": "outline"},
                    ],
                },
                "check": {
                    "foreach": "context.films",
                    "as": "film",
                    "agent": "reviewer",
                    "launch": "publish",
                    "transitions": [{"to": "done"}],
                },
                "done": {"type": "final"},
                "give_up": {"type": "final"},
            },
        },
        "lesson": {
            "states": {
                "film": {
                    "type": "initial",
                    "agent": "camera",
                    "transitions": [{"to": "cut"}],
                },
                "cut": {"agent": "editor", "transitions": [{"to": "done"}]},
                "done": {"type": "final"},
            }
        },
        "publish": {"states": {"done": {"type": "initial"}}},
    },
}
"""A plan with a nested machine, a fork, a launch and a way out."""

PLAN = Plan(id="sha-lessons", name="lessons", document=DOCUMENT, kept=NOW)


def run(key: str, **fields: Any) -> Run:
    """Return a run that was launched a minute ago and is about to begin."""
    given: dict[str, Any] = {
        "plan": PLAN.id,
        "machine": "lessons",
        "state": "running",
        "created": NOW - timedelta(minutes=1),
        "stage": "outline",
        "root": key,
        "by": "you",
        "changed": NOW,
    }
    return Run(id=key, **(given | fields))


def item(owner: str, index: int, visit: int = 1, **fields: Any) -> Item:
    """Return an item that is done by a task."""
    given: dict[str, Any] = {
        "state": "running",
        "kind": "agent",
        "name": "reviewer",
        "ref": f"{owner}.{index + 1}",
        "attempt": 1,
        "began": NOW - timedelta(seconds=20 + index),
        "version": index + 1,
    }
    return Item(run=owner, visit=visit, index=index, **(given | fields))


def checkpoint(owner: str, number: int, stage: str) -> Checkpoint:
    """Return a checkpoint of some minutes ago."""
    at = NOW - timedelta(minutes=9 - number)
    return Checkpoint(run=owner, number=number, stage=stage, context={}, at=at)


class RunningSwarm(StillSwarm):
    """A swarm that stands still, and the runs in it."""

    def __init__(self, *runs: Run, base: StillSwarm | None = None) -> None:
        super().__init__(*(base.agents.values() if base else ()))
        if base is not None:
            self.tasks.update(base.tasks)
            self.helps.update(base.helps)
            self.broadcasts.update(base.broadcasts)
        self.runs.update((one.id, one) for one in runs)
        self.known_plans: dict[str, Plan] = {PLAN.id: PLAN}
        self.held: dict[str, list[Item]] = {}
        """The items of each run."""
        self.points: dict[str, list[Checkpoint]] = {}
        self.children: dict[str, tuple[Run, ...]] = {}
        self.outputs: dict[str, Any] = {}
        """What runs led to, which their rows do not say."""

    def _any(self, key: str) -> Run:
        below = {one.id: one for kids in self.children.values() for one in kids}
        found = self.runs.get(key) or below.get(key)
        if found is None:
            raise NotFound(f"there is no run {key!r}")
        return replace(found, output=self.outputs.get(key))

    async def run(self, run: str) -> RunView:
        """Return a run, however deep."""
        found = self._any(run)
        children: dict[str, int] = {}
        for one in self.children.get(run, ()):
            children[one.state] = children.get(one.state, 0) + 1
        return RunView(
            run=found,
            plan="lessons",
            progress=0.42,
            eta=None if found.is_settled else 190.0,
            children=children,
            launched=found.launched,
        )

    async def tree(self, run: str) -> RunTree:
        """Return a run with those below it."""
        below = [await self.tree(one.id) for one in self.children.get(run, ())]
        found = self._any(run)
        part = 1.0 if found.state == "done" else 0.1 * (found.item + 2)
        return RunTree(run=found, progress=part, eta=None, children=tuple(below))

    async def items(self, run: str, **given: Any) -> list[Item]:
        """Return the items of one visit."""
        rows = self.held.get(run, [])
        return [one for one in rows if one.visit == given["visit"]][: given["limit"]]

    async def checkpoints(self, run: str, **_: Any) -> list[Checkpoint]:
        """Return the checkpoints of a run, the newest first."""
        return self.points.get(run, [])[::-1]

    async def plan(self, plan: str) -> Plan:
        """Return a plan."""
        if plan not in self.known_plans:
            raise NotFound(f"there is no plan {plan!r}")
        return self.known_plans[plan]

    async def launch(
        self,
        plan: Mapping[str, Any],
        input: Mapping[str, Any] | None = None,  # noqa: A002  # as a plan calls it
        **fields: Any,
    ) -> str:
        """Note the order and begin a run."""
        key = fields.get("run") or f"r{len(self.runs) + 1}"
        self.given.append(("launch", str(plan["name"]), str(dict(input or {})), key))
        self.change(run(key, created=NOW, version=900))
        return key

    async def launch_from(self, address: str, **_: Any) -> str:
        """Note the order and begin a run."""
        self.given.append(("launch_from", address))
        key = f"r{len(self.runs) + 1}"
        self.change(run(key, created=NOW, version=901, resumed_from=address))
        return key

    async def cancel_run(self, run: str, **_: Any) -> Run:
        """Note the order and call the run off."""
        return self._turn("cancel_run", run, state="cancelled", ended=NOW)

    async def resume_run(self, run: str, **_: Any) -> Run:
        """Note the order and let the run go on."""
        return self._turn("resume_run", run, state="running", ended=None)

    async def retry_failed(self, run: str, **_: Any) -> Run:
        """Note the order and let the run go on."""
        return self._turn("retry_failed", run, state="running", ended=None, failed=0)

    def _turn(self, do: str, key: str, **fields: Any) -> Run:
        self.given.append((do, key))
        row = replace(self.runs[key], version=self.runs[key].version + 1000, **fields)
        self.change(row)
        return row


def busy_runs() -> RunningSwarm:
    """Return a swarm with runs in all states, one of them with runs below it."""
    ago = timedelta(minutes=9)
    swarm = RunningSwarm(
        run(
            "r1",
            stage="record",
            created=NOW - ago,
            entered=True,
            visit=2,
            total=20,
            started=16,
            active=4,
            done=11,
            failed=1,
            version=11,
            changed=NOW - timedelta(seconds=50),
        ),
        run(
            "export",
            state="done",
            stage="done",
            visit=4,
            entered=True,
            created=NOW - timedelta(hours=2),
            ended=NOW - timedelta(hours=1),
            by="ci",
            version=5,
        ),
        run(
            "r2",
            state="failed",
            stage="check",
            visit=3,
            entered=True,
            total=40,
            done=31,
            failed=9,
            created=NOW - timedelta(minutes=31),
            ended=NOW - timedelta(minutes=22),
            error={"_error": "550 no such user", "_error_type": "TaskFailed"},
            version=6,
        ),
        run(
            "r3",
            state="cancelled",
            stage="record",
            visit=2,
            created=NOW - timedelta(hours=5),
            ended=NOW - timedelta(hours=4),
            reason="not needed any more",
            version=7,
        ),
        run("r4", stage="outline", entered=True, visit=1, total=1, version=8),
        run("r5", plan="sha-unknown", machine="restore", stage="begin", version=9),
        base=lively(),
    )
    _fill(swarm)
    return swarm


def _fill(swarm: RunningSwarm) -> None:
    children = []
    for n in range(16):
        state = "done" if n < 11 else "failed" if n == 11 else "running"
        children.append(
            run(
                f"r1.{n + 2}",
                machine="lesson",
                stage=("film", "cut")[n % 2] if state == "running" else "done",
                state=state,
                parent="r1",
                item=n % 8,
                total=1,
                entered=True,
                visit=1,
            )
        )
    swarm.children["r1"] = tuple(children)
    swarm.held["r1"] = [
        *(_lesson(n, one) for n, one in enumerate(children)),
        item("r1", 0, name="planner", state="done", ended=NOW, output={"parts": 20}),
    ]
    swarm.points["r1"] = [
        checkpoint("r1", 0, "outline"),
        checkpoint("r1", 1, "record"),
    ]
    swarm.points["r2"] = [
        checkpoint("r2", n, stage)
        for n, stage in enumerate(("outline", "record", "check"))
    ]
    swarm.held["r2"] = [_review(n) for n in range(40)]
    for one in swarm.held["r2"]:
        who = f"session-{one.index:04}-{SKILLS[one.index % len(SKILLS)]}"
        swarm.tasks[one.ref] = task(one.ref, who, state="done", version=3)
        swarm.agents.setdefault(who, agent(who))
    swarm.outputs["export"] = {"films": ["intro.mp4", "end.mp4"], "minutes": 214}


def _lesson(n: int, child: Run) -> Item:
    fields: dict[str, Any] = {"output": None}
    if child.state == "done":
        fields = {"output": {"film": f"lesson-{n}.mp4", "minutes": 7 + n}}
    if child.state == "failed":
        fields = {"error": {"_error": "no sound", "_error_type": "TaskFailed"}}
    ended = NOW - timedelta(seconds=9) if child.is_settled else None
    return item(
        "r1",
        n,
        2,
        kind="machine",
        name="lesson",
        ref=child.id,
        state=child.state,
        began=NOW - timedelta(seconds=60 + 4 * n),
        ended=ended,
        **fields,
    )


def _review(n: int) -> Item:
    failed = n % 5 == 4 and n > 2
    fields: dict[str, Any] = {"output": {"verdict": "good", "notes": n}}
    if failed:
        fields = {"error": {"_error": "550 no such user", "_error_type": "TaskFailed"}}
    return item(
        "r2",
        n,
        3,
        state="failed" if failed else "done",
        key=f"film-{n}",
        attempt=3 if failed else 1,
        ended=NOW - timedelta(minutes=22),
        began=NOW - timedelta(minutes=23, seconds=n),
        **fields,
    )
