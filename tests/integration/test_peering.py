"""The example of peering does what its page says, also when parts of it are killed."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.terminals import Terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "peering"

SECONDS = 0.5
"""How long a task takes here."""

SECTIONS = [
    "=== 1. Orchestrator launch ===",
    "=== 2. Worker processing ===",
    "=== 3. Checkpoint demo ===",
    "=== 4. Distributed results ===",
]

RESULTS = [
    ("summarize", "Agents push what they do to one hub"),
    ("analyze", "7 words, 18 letters"),
    ("sort", "apple fig pear quince"),
    ("count", "7"),
    ("reverse", "once each task was done"),
    ("shout", "NOTHING WAS LOST"),
]
"""What comes of each task, the delegated ones first."""


class Peering:
    """The example in a folder of its own, and a machine without a hub."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.here = folder / "peering"
        self.home = folder / "home"
        self._stack = stack
        without = shutil.ignore_patterns("data", "__pycache__")
        shutil.copytree(EXAMPLE, self.here, ignore=without)
        self.tasks_take(SECONDS)
        page = (self.here / "README.md").read_text()
        self._blocks = re.findall(r"```sh\n(.*?)\n```", page, re.DOTALL)

    def tasks_take(self, seconds: float) -> None:
        self._change("config/worker.yml", "seconds: [0-9.]+", f"seconds: {seconds}")

    def leases_last(self, seconds: float) -> None:
        self._change("worker.py", "LEASE = [0-9.]+", f"LEASE = {seconds}")

    def _change(self, name: str, pattern: str, text: str) -> None:
        file = self.here / name
        changed, count = re.subn(pattern, text, file.read_text())
        assert count == 1
        file.write_text(changed)

    def begin(self, block: str, *words: str) -> Terminal:
        """Run a line of the page, with words of our own behind it."""
        assert any(one.startswith(block) for one in self._blocks), block
        line = f"exec {block} {' '.join(words)}"
        terminal = Terminal(self.here, line, SWARMTUI_HOME=str(self.home))
        self._stack.callback(terminal.close)
        return terminal

    def hub(self) -> Terminal:
        hub = self.begin("swarmtui serve")
        hub.until('"ready"')
        return hub

    def worker(self, number: int) -> Terminal:
        name = f"worker-{number}"
        return self.begin("python worker.py", name, "--ledger", "ledger")

    def begun(self) -> Counter[str]:
        """Return how often each task was begun, as the workers wrote it down."""
        return self._ledger("begun")

    def done(self) -> Counter[str]:
        return self._ledger("done")

    def _ledger(self, what: str) -> Counter[str]:
        lines = (self.here / "ledger").read_text().splitlines()
        return Counter(line.split()[1] for line in lines if line.startswith(what))


@pytest.fixture
def peering(tmp_path: Path) -> Iterator[Peering]:
    with ExitStack() as stack:
        yield Peering(stack, tmp_path)


def sections(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("===")]


def results(lines: list[str]) -> list[tuple[str, str]]:
    """Return the results that were shown, by task, in their order."""
    shown = lines[lines.index(SECTIONS[-1]) :]
    found = (re.fullmatch(r"  (\w+) +(worker-\d): (.*)", line) for line in shown)
    return [(one[1], one[3]) for one in found if one]


def nodes(lines: list[str]) -> set[str]:
    return set(re.findall(r"^  \w+ +(worker-\d): ", "\n".join(lines), re.MULTILINE))


def test_one_command_shows_all_four_outputs_and_does_each_task_once(
    peering: Peering,
) -> None:
    program = peering.begin("python run.py")

    assert program.end() == 0, program.lines
    said = "\n".join(program.lines)
    assert sections(program.lines) == SECTIONS
    assert results(program.lines) == RESULTS
    assert len(nodes(program.lines)) > 1
    run = found(r"launched peering_demo as (\w+)", said)
    assert f"resumed {run}, which was done: nothing ran" in said
    fresh = found(r"checkpoint/1 as (\w+),", said)
    assert f"{fresh} has the same results as {run}" in said
    assert "9 tasks were begun 9 times and done 9 times." in said


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def test_it_uses_the_hub_that_is_there(
    peering: Peering, start: Callable[..., Any]
) -> None:
    peering.home.mkdir()
    hub = start(home=peering.home)
    program = peering.begin("python run.py")

    assert program.end() == 0, program.lines
    runs = hub.get("/v1/runs").json()["runs"]
    assert {run["state"] for run in runs} == {"done"}
    assert len(runs) == 3  # the plan, what it launched, and the one from a checkpoint
    assert not list((peering.here / "data").glob("hub.db"))


def test_a_killed_worker_and_a_killed_hub_cost_one_task_another_attempt(
    peering: Peering,
) -> None:
    peering.tasks_take(1)
    peering.leases_last(15.0)  # On a busy machine a worker is away for long.
    program = peering.begin("python run.py --crash")

    assert program.end() == 0, program.lines
    said = "\n".join(program.lines)
    task = found(r"\*\*\* kill -9 worker-\d, which works on (\S+)", said)
    assert "*** kill -9 the hub" in said
    assert sections(program.lines) == SECTIONS
    assert results(program.lines) == RESULTS
    assert f"9 tasks were begun 10 times and done 9 times: {task} 2 times." in said


def test_the_orchestrator_may_be_first_and_the_hub_last(peering: Peering) -> None:
    orchestrator = peering.begin("python orchestrator.py")
    workers = [peering.worker(number) for number in (1, 2)]
    peering.hub()

    assert orchestrator.end() == 0, orchestrator.lines
    assert sections(orchestrator.lines) == SECTIONS
    assert results(orchestrator.lines) == RESULTS
    assert all(worker.process.poll() is None for worker in workers)
    assert set(peering.begun().values()) == {1}


def test_what_was_launched_waits_for_workers_that_come_later(peering: Peering) -> None:
    peering.hub()
    orchestrator = peering.begin("python orchestrator.py")
    orchestrator.until("nobody waits for them")
    for number in (1, 2):
        peering.worker(number)

    assert orchestrator.end() == 0, orchestrator.lines
    assert results(orchestrator.lines) == RESULTS


def test_a_run_goes_on_without_the_orchestrator_that_launched_it(
    peering: Peering,
) -> None:
    peering.hub()
    first = peering.begin("python orchestrator.py")
    run = first.until("launched peering_demo").rpartition(" ")[2]
    first.until("nobody waits for them")
    first.kill()
    peering.worker(1)
    second = peering.begin("python orchestrator.py", run)

    assert second.end() == 0, second.lines
    assert results(second.lines) == RESULTS
    assert set(peering.begun().values()) == {1}


def test_the_task_of_a_worker_that_never_comes_back_is_done_by_another(
    peering: Peering,
) -> None:
    peering.tasks_take(1)
    peering.hub()
    worker = peering.worker(1)
    orchestrator = peering.begin("python orchestrator.py")
    worker.until("worker-1 begins")
    worker.kill()
    (lost,) = peering.begun() - peering.done()
    for number in (2, 3):
        peering.worker(number)

    assert orchestrator.end() == 0, orchestrator.lines
    assert results(orchestrator.lines) == RESULTS
    assert peering.begun()[lost] == 2
    assert set(peering.done().values()) == {1}


def test_the_plan_runs_from_a_shell(peering: Peering) -> None:
    peering.hub()
    for number in (1, 2):
        peering.worker(number)
    shell = peering.begin("swarmtui run config/peering_demo.yml")

    assert shell.end() == 0, shell.lines
    assert "NOTHING WAS LOST" in "\n".join(shell.lines)


def test_programs_end_without_a_word_when_somebody_presses_ctrl_c(
    peering: Peering,
) -> None:
    hub = peering.hub()
    worker = peering.worker(1)
    orchestrator = peering.begin("python orchestrator.py")
    worker.until("worker-1 begins")
    for terminal in (orchestrator, worker, hub):
        terminal.interrupt()
        assert terminal.end() == 0, terminal.lines

    assert not [line for line in orchestrator.lines if "Traceback" in line]
    assert not [line for line in worker.lines if not line.startswith("  worker-1")]
