"""The example of two programs that share a broker, over every broker there is."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from uuid import uuid4

import pytest

from tests.contract.hub_server import HubServer
from tests.contract.nats_server import NatsServer
from tests.contract.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "distributed_transport"
LINE = re.compile(r"task [0-9a-f]{8} done: \d words")


@pytest.fixture(params=["hub", "redis", "streams", "nats", "jetstream"])
def url(request: pytest.FixtureRequest) -> str:
    lasting = "&persistent=1" if request.param in ("streams", "jetstream") else ""
    query = f"?prefix=example-{uuid4().hex}{lasting}"
    match request.param:
        case "hub":
            hub: HubServer = request.getfixturevalue("hub_server")
            return hub.endpoint.url
        case "redis" | "streams":
            redis: RedisServer = request.getfixturevalue("redis_server")
            return redis.url + query
        case _:
            nats: NatsServer = request.getfixturevalue("nats_server")
            return nats.url + query


class Programs:
    """The two programs, at one URL."""

    def __init__(self, url: str, environ: dict[str, str]) -> None:
        self.url = url
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("SWARMTUI_")},
            "PYTHONPATH": str(ROOT),
            **environ,
        }
        self.processes = ExitStack()

    def start(self, name: str) -> IO[str]:
        """Start a program; return what it says."""
        process = subprocess.Popen(
            [sys.executable, EXAMPLE / f"{name}.py", self.url],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout
        self.processes.enter_context(process)
        self.processes.callback(process.kill)
        return process.stdout


@pytest.fixture
def programs(url: str, hub_server: HubServer) -> Iterator[Programs]:
    environ = {"SWARMTUI_TOKEN": hub_server.endpoint.token}
    started = Programs(url, environ)
    with started.processes:
        yield started


def test_the_worker_may_be_first(programs: Programs) -> None:
    worker = programs.start("worker")
    assert worker.readline() == "worker: waiting for tasks\n"

    said = programs.start("coordinator").read().splitlines()

    assert said[0] == "coordinator: 3 tasks"
    assert len(said) == 4
    assert all(LINE.fullmatch(line) for line in said[1:]), said


def test_the_coordinator_may_be_first(programs: Programs) -> None:
    coordinator = programs.start("coordinator")
    assert coordinator.readline() == "coordinator: 3 tasks\n"

    worker = programs.start("worker")
    said = coordinator.read().splitlines()

    assert len(said) == 3
    assert all(LINE.fullmatch(line) for line in said), said
    assert worker.readline() == "worker: waiting for tasks\n"
    done = [worker.readline() for _ in said]
    assert sorted(line.split(":")[2].strip() for line in done) == sorted(
        ("Analyze the data", "Write the report", "Tell everybody")
    )


@pytest.mark.parametrize("name", ["worker", "coordinator"])
@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "nats://127.0.0.1:1", "x:"])
def test_without_a_broker_they_say_so_in_a_line(
    programs: Programs, name: str, url: str
) -> None:
    (said,) = programs.start(name).read().splitlines()

    assert said.startswith(f"{name}: ")
    assert "Traceback" not in said
