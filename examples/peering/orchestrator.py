"""Launches the plan, follows it, goes on from its checkpoints, and shows its results.

    python orchestrator.py [EXECUTION]

It may be started before the workers and before the hub. What it launched goes on
without it: killed, and started again with the id that it told, it shows the same.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentkit import Coordinator
from agentkit.errors import AgentkitError
from agentkit.plans import read_plan
from agentkit.results import ResultBackend
from agentkit.rows import Task

PLAN = Path(__file__).resolve().parent / "config" / "peering_demo.yml"

STEP = 1
"""The checkpoint between the two halves of the plan."""


def say(text: str) -> None:
    """Print a line at once and in one piece: workers print beside us."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Orchestrator:
    """Shows what a run does.

    Args:
        swarm: the connection to the hub.
        results: where results are read and written.
    """

    def __init__(self, swarm: Coordinator, results: ResultBackend) -> None:
        self._swarm = swarm
        self._results = results

    async def show(self, execution: str = "") -> None:
        """Run the plan, or look at a run of it, from the beginning to the end."""
        say("=== 1. Orchestrator launch ===")
        execution = execution or await self.launch()
        delegated = await self.delegated(execution)
        say("\n=== 2. Worker processing ===")
        await self.follow([execution, *delegated])
        say("\n=== 3. Checkpoint demo ===")
        await self.resume(execution)
        await self.resume_from(execution)
        say("\n=== 4. Distributed results ===")
        await self.collect(execution, delegated)

    async def launch(self) -> str:
        """Launch the plan; the id is here at once, whoever is there to work on it."""
        execution = await self._swarm.launch(read_plan(PLAN).document)
        say(f"launched {PLAN.stem} as {execution}")
        return execution

    async def delegated(self, execution: str) -> list[str]:
        """Return the runs that were launched on the way, and are not waited for."""
        changes = self._swarm.changes()
        while not (found := await self._launched_below(execution)):
            await anext(changes)
        for run in found:
            say(f"tasks delegated to worker nodes as {run}: nobody waits for them")
        return found

    async def _launched_below(self, execution: str) -> list[str]:
        tree = await self._swarm.tree(execution)
        views = [await self._swarm.run(node.run.id) for _, node in tree.walk()]
        return [run for view in views for run in view.launched]

    async def follow(self, runs: Iterable[str]) -> None:
        """Tell who has done what, until all runs have ended."""
        told: set[str] = set()
        async for _ in self._swarm.changes():
            for task in self._done(runs):
                if task.id not in told:
                    told.add(task.id)
                    say(f"  {task.agent} has done {task.id}")
            if all(self._is_settled(run) for run in runs):
                return

    def _done(self, runs: Iterable[str]) -> list[Task]:
        """Return the tasks that are done, of some runs and of those below them."""
        begin = tuple(f"{run}." for run in runs)
        tasks = self._swarm.tasks.values()
        return [
            one for one in tasks if one.state == "done" and one.id.startswith(begin)
        ]

    def _is_settled(self, run: str) -> bool:
        row = self._swarm.runs.get(run)
        return row is not None and row.is_settled

    async def resume(self, execution: str) -> None:
        """Resume a run that has ended: nothing runs."""
        say(f"execution ID: {execution}")
        for checkpoint in reversed(await self._swarm.checkpoints(execution)):
            say(f"  {checkpoint.address} goes to {checkpoint.stage}")
        before = (await self._swarm.run(execution)).run
        after = await self._swarm.resume_run(execution)
        ran = "nothing ran" if after.version == before.version else "it goes on"
        say(f"resumed {execution}, which was {before.state}: {ran}")

    async def resume_from(self, execution: str) -> None:
        """Begin a new run at a checkpoint: only what comes after it is done again."""
        address = f"swarm://{execution}/checkpoint/{STEP}"
        fresh = await self._swarm.launch_from(address)
        say(f"resumed from {address} as {fresh}, a run of its own")
        await self.follow([fresh])
        first, again = [await self.answers(run) for run in (execution, fresh)]
        same = [each["result"] for each in first] == [each["result"] for each in again]
        say(f"{fresh} has {'the same' if same else 'other'} results as {execution}")

    async def collect(self, execution: str, delegated: Iterable[str]) -> None:
        """Show what all nodes gave, and write it down as a result of our own."""
        found = [each for run in delegated for each in await self.answers(run)]
        found += await self.answers(execution)
        for each in found:
            say(f"  {each['task']:<10} {each['node']}: {each['result']}")
        address = f"flatagents://{execution}/report"
        await self._results.write(address, found)
        nodes = {each["node"] for each in found}
        say(f"{len(found)} results from {len(nodes)} nodes, written to {address}")

    async def answers(self, run: str) -> list[dict[str, Any]]:
        """Return what the tasks of a run led to, in the order of the plan."""
        output = await self._results.read(f"flatagents://{run}/result")
        worker_node = output.get("worker_node_result", output)
        answers: list[dict[str, Any]] = worker_node["processed_tasks"]
        return answers


async def main(execution: str) -> None:
    """Show a run of the plan, as soon as there is a hub."""
    async with Coordinator(patient=True) as swarm:
        async for change in swarm.changes():
            if change.kind == "snapshot":
                break
        await Orchestrator(swarm, ResultBackend()).show(execution)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the plan, and show what it does.")
    parser.add_argument("execution", nargs="?", default="", help="a run to look at")
    args = parser.parse_args()
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(args.execution))
    except AgentkitError as error:
        sys.exit(f"orchestrator: {error}")
