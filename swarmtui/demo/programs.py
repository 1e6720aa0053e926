"""Programs beside the agents, which talk over the hub's bus: builds and who hears them.

One builds, one deploys what passed, one keeps the logs, and sometimes cannot.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import count
from random import Random

from agentkit.settings import Endpoint
from agentkit.transports import Event, Retry, TransportError
from agentkit.transports.hub import HubTransport

REPOSITORIES = ("web", "api", "docs", "shop")
HOSTS = ("blue", "green")
SPOILT = 9
"""One of so many logs cannot be kept, however often that is tried."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build; the same for the same seed."""

    number: int
    repository: str
    after: float
    """Seconds after the one before has begun."""
    takes: float
    failed: int
    """How many of its tests fail."""

    @property
    def is_spoilt(self) -> bool:
        """Whether its log cannot be kept."""
        return self.number % SPOILT == 2

    def event(self, step: str, **data: object) -> Event:
        """Return what is published at a step of it."""
        return Event(f"build.{self.repository}.{step}", {"build": self.number, **data})


def builds(seed: int) -> Iterator[Build]:
    """Yield one build after the other, as long as it is asked."""
    rng = Random(f"{seed} builds")  # noqa: S311  # a play, not a secret
    for number in count(1):
        yield Build(
            number=number,
            repository=rng.choice(REPOSITORIES),
            after=rng.uniform(0.3, 1.6),
            takes=round(rng.uniform(0.4, 2.5), 1),
            failed=rng.choice((0, 0, 0, 0, 2)),
        )


async def converse(hub: Endpoint, seed: int) -> None:
    """Build, deploy and keep logs, until cancelled."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as running:
        ci, deployer, archive = [
            await stack.enter_async_context(HubTransport(hub, name=name))
            for name in ("ci", "deployer", "archive")
        ]

        async def deploy(event: Event) -> None:
            repository = event.name.split(".")[1]
            host = HOSTS[event.data["build"] % 2]
            told = Event(f"deploy.{repository}.done", {**event.data, "host": host})
            await deployer.publish(told)

        await deployer.subscribe("build.*.passed", deploy, name="deploys")
        await archive.subscribe("build.**", keep, name="logs", retry=Retry(first=0.3))
        for build in builds(seed):
            await asyncio.sleep(build.after)
            running.create_task(_run(ci, build))


async def keep(event: Event) -> None:
    """Keep the log of a build; of some that is not possible."""
    if event.data.get("log") == "spoilt":
        raise ValueError(f"the log of build {event.data['build']} is cut off")


async def _run(ci: HubTransport, build: Build) -> None:
    """Publish what becomes of a build; what the hub does not take is lost."""
    with suppress(TransportError):
        await ci.publish(build.event("started", branch="main"))
        await asyncio.sleep(build.takes)
        step = "failed" if build.failed else "passed"
        log = "spoilt" if build.is_spoilt else "whole"
        tests = {"run": 412, "failed": build.failed}
        told = build.event(step, seconds=build.takes, tests=tests, log=log)
        await ci.publish(told)
