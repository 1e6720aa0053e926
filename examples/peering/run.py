"""Starts workers and the orchestrator, and a hub if none answers; ends what it started.

    python run.py [--workers 3] [--crash] [--home FOLDER]

With --crash it starts a hub of its own, and kills a worker and that hub in the middle.
What is kept lies in FOLDER/data, else beside this file.
"""

import argparse
import asyncio
import os
import sys
from asyncio.subprocess import Process, create_subprocess_exec
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from agentkit import Coordinator
from agentkit.errors import HubError
from agentkit.rows import Task

HERE = Path(__file__).resolve().parent

HUB = (sys.executable, "-m", "swarmtui", "serve", "--port", "0")
WORKER = (sys.executable, HERE / "worker.py")
ORCHESTRATOR = (sys.executable, HERE / "orchestrator.py")


class Program:
    """A process that can be killed, and started once more."""

    def __init__(self, *words: object, **options: Any) -> None:
        self._words = [str(word) for word in words]
        self._options = options

    async def start(self) -> None:
        """Start it, or start it once more."""
        self.process = await create_subprocess_exec(*self._words, **self._options)

    async def end(self, how: Callable[[Process], None] = Process.terminate) -> None:
        """Have it end, if it has not, and wait until it has."""
        with suppress(ProcessLookupError):
            how(self.process)
        await self.process.wait()

    async def crash(self) -> None:
        """End it as a power cut would, and start it once more."""
        await self.end(Process.kill)
        await self.start()


@asynccontextmanager
async def running(*words: object, **options: Any) -> AsyncIterator[Program]:
    """Run a program until the block ends."""
    program = Program(*words, **options)
    await program.start()
    try:
        yield program
    finally:
        await program.end()


# --- the hub --------------------------------------------------------------------------


async def answers() -> bool:
    """Say whether there is a hub: on this machine, or where the settings say."""
    try:
        async with Coordinator():
            return True
    except HubError:
        return False


@asynccontextmanager
async def own_hub(data: Path) -> AsyncIterator[Program]:
    """Run a hub that everything we start finds; what it says goes to a file."""
    os.environ["SWARMTUI_HOME"] = str(data)
    os.environ.pop("SWARMTUI_URL", None)
    with (data / "hub.log").open("ab") as log:
        async with running(*HUB, stderr=log) as hub:
            async with Coordinator(patient=True) as swarm:
                await there(swarm)
            yield hub


async def there(swarm: Coordinator) -> None:
    """Wait for the hub."""
    async for change in swarm.changes():
        if change.kind == "snapshot":
            return


def say(text: str) -> None:
    """Print a line at once and in one piece: others print beside us."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# --- the crash ------------------------------------------------------------------------


async def disturb(hub: Program, workers: dict[str, Program]) -> None:
    """Kill a worker over its task, and the hub when some tasks are done."""
    async with Coordinator(patient=True) as swarm:
        first = (await tasks(swarm, lambda task: task.is_held and bool(task.note), 1))[
            0
        ]
        say(f"  *** kill -9 {first.agent}, which works on {first.id}")
        await workers[first.agent].crash()
        done = await tasks(swarm, lambda task: task.state == "done", 2)
        say(f"  *** kill -9 the hub, {len(done)} tasks are done")
        await hub.crash()


async def tasks(
    swarm: Coordinator, holds: Callable[[Task], bool], count: int
) -> list[Task]:
    """Wait for so many tasks of which something holds; of none that is settled now."""
    changes = swarm.changes()
    await anext(changes)
    before = {key for key, task in swarm.tasks.items() if task.is_settled}
    while True:
        new = [task for key, task in swarm.tasks.items() if key not in before]
        found = [task for task in new if holds(task)]
        if len(found) >= count:
            return found
        await anext(changes)


def told(ledger: Path) -> str:
    """Return how often each task was begun and done, as the workers wrote it down."""
    lines = [line.split() for line in ledger.read_text().splitlines()]
    begun = Counter(task for what, task, _ in lines if what == "begun")
    done = Counter(task for what, task, _ in lines if what == "done")
    again = [f"{task} {times} times" for task, times in begun.items() if times > 1]
    return (
        f"{len(begun)} tasks were begun {begun.total()} times and done {done.total()} "
        f"times{': ' if again else ''}{', '.join(again)}"
    )


# --- all of it ------------------------------------------------------------------------


async def main(home: Path, workers: int, *, crash: bool) -> int:
    """Run the plan once; return what the orchestrator ended with."""
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    ledger = data / "ledger"
    ledger.unlink(missing_ok=True)
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        if crash or not await answers():
            hub = await start(own_hub(data))
        names = [f"worker-{number + 1}" for number in range(workers)]
        started = {
            name: await start(running(*WORKER, name, "--ledger", ledger))
            for name in names
        }
        orchestrator = await start(running(*ORCHESTRATOR))
        if crash:
            await disturb(hub, started)
        code = await orchestrator.process.wait()
    say(f"\nBy the workers' own account {told(ledger)}.")
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run the plan, with all it takes.")
    parser.add_argument("--workers", type=int, default=3, metavar="N")
    parser.add_argument(
        "--crash", action="store_true", help="kill a worker and the hub"
    )
    parser.add_argument("--home", type=Path, default=HERE, metavar="FOLDER")
    args = parser.parse_args()
    with suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main(args.home.resolve(), args.workers, crash=args.crash)))
