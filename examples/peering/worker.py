"""A worker node: a process that does what the plan's `worker` agents are for.

    python worker.py worker-1

Start as many as you like, wherever the hub can be reached, before or after it. Each
does one task at a time.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agentkit import Agent, Job, Reject

LEASE = 5.0
"""Seconds after which another worker gets the task of one that is not heard of."""


def summarize(data: str) -> str:
    """Return the first sentence."""
    return data.partition(". ")[0]


def analyze(data: str) -> str:
    """Say what is in a text."""
    return f"{len(data.split())} words, {len(set(data.lower()) - {' '})} letters"


def sort(data: str) -> str:
    """Return the words in order."""
    return " ".join(sorted(data.split()))


def count(data: str) -> str:
    """Return how many words there are."""
    return str(len(data.split()))


def reverse(data: str) -> str:
    """Return the words from the last to the first."""
    return " ".join(reversed(data.split()))


SKILLS = {
    "summarize": summarize,
    "analyze": analyze,
    "sort": sort,
    "count": count,
    "reverse": reverse,
    "shout": str.upper,
}


async def answer(task: str, data: str, config: Mapping[str, Any]) -> str:
    """Do a task. Whatever this raises fails the attempt, and some worker tries again.

    Args:
        task: what to do.
        data: with what.
        config: what stands in config/worker.yml: the model and its prompts.
    """
    if task not in SKILLS:
        raise Reject(f"no worker can {task}: choose one of {', '.join(SKILLS)}")
    # ----------------------------------------------------------------------------------
    # PUT A REAL MODEL HERE: ask the one that config["model"] names, with the prompts in
    # config["system"] and config["user"], and return what it answers. Until then:
    await asyncio.sleep(config["model"]["seconds"])
    return SKILLS[task](data)
    # ----------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print a line at once and in one piece: others print beside us."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Worker:
    """Does tasks one after the other, and writes down which.

    Args:
        name: who it is.
        ledger: gets a line for each task that is begun, and for each that is done.
    """

    def __init__(self, name: str, ledger: Path) -> None:
        self.name = name
        ledger.parent.mkdir(parents=True, exist_ok=True)
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def work(self, job: Job) -> dict[str, Any]:
        """Do a task; the result says who did it."""
        given = job.body["input"]
        again = f", attempt {job.attempt}" if job.attempt > 1 else ""
        self._note("begun", job)
        await job.progress(0.0, f"{given['task']}, in {self.name}")
        say(f"  {self.name} begins {given['task']} ({job.id}{again})")
        result = await answer(given["task"], given["data"], job.body["config"])
        self._note("done", job)
        return {"result": result, "node": self.name, "attempt": job.attempt}

    def _note(self, what: str, job: Job) -> None:
        os.write(self._ledger, f"{what} {job.id} {self.name}\n".encode())


async def main(name: str, ledger: Path) -> None:
    """Work until somebody ends it; what was done and not yet told is kept on disk."""
    async with Agent(name, capabilities=["worker"], durable=True) as agent:
        agent.on_work(lease=LEASE)(Worker(name, ledger).work)
        await agent.run_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Do the tasks of a plan.")
    parser.add_argument("name", help="who it is, such as worker-1")
    parser.add_argument("--ledger", type=Path, default=Path(os.devnull), metavar="FILE")
    args = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(args.name, args.ledger))
