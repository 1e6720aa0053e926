"""``agentkit worker``: programs that do the tasks of the hub."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Coordinator, questions
from agentkit.jobs import Job
from agentkit.rows import Task
from agentkit.workers.acp import Acp
from agentkit.workers.claude import Claude
from agentkit.workers.codex import Codex
from agentkit.workers.driver import NotStarted
from agentkit.workers.program import Launch, environment
from agentkit.workers.serving import Done, Terms, serve
from tests.integration.programs.shims import install
from tests.integration.shell import Shell

Start = Callable[..., Any]

DRIVERS: dict[str, type[Claude | Codex | Acp]] = {
    "claude": Claude,
    "codex": Codex,
    "acp": Acp,
}
ANY = pytest.mark.parametrize("product", DRIVERS)
QUICK = (0.05,) * 7


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let everybody find the hub that a test starts, and the programs."""
    monkeypatch.setenv("SWARMTUI_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'bin')}:{os.environ['PATH']}")
    for name in ("SWARMTUI_URL", "SWARMTUI_TOKEN", "SWARMTUI_AGENT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def me(hub: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let everybody find the hub that all tests share; return an agent of one's own.

    Its name stands in every prompt, and says nothing to the programs.
    """
    monkeypatch.setenv("SWARMTUI_HOME", str(hub.home))
    agent = f"a{os.urandom(4).hex()}"
    hub.report(agent, "idle")
    return agent


@pytest.fixture
async def swarm(me: str) -> AsyncIterator[Coordinator]:
    assert me
    async with Coordinator() as swarm:
        yield swarm


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def ended(swarm: Coordinator, task: str, state: str) -> Task:
    await until(lambda: task in swarm.tasks and swarm.tasks[task].state == state)
    return swarm.tasks[task]


async def question(swarm: Coordinator, agent: str) -> Any:
    """Wait until somebody is asked by an agent."""

    def waiting() -> list[Any]:
        return [h for h in swarm.helps.values() if h.agent == agent and h.is_open]

    await until(waiting)
    return waiting()[0]


@dataclass
class Working:
    """A worker that runs."""

    driver: Any
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[Done] = field(default_factory=list)


@asynccontextmanager
async def working(
    product: str, agent: str, *, keep: bool = False, **terms: Any
) -> AsyncIterator[Working]:
    """Let a program do the tasks of an agent."""
    launch = Launch((product,), Path.cwd(), environment(agent))
    work = Working(DRIVERS[product](launch, keep=keep))
    serving = asyncio.create_task(
        serve(
            Agent(agent),
            work.driver,
            Terms(**{"pauses": QUICK, **terms}),
            work.stop,
            work.told.append,
        )
    )
    try:
        yield work
    finally:
        work.stop.set()
        await asyncio.wait_for(serving, 30)


# --- how a task ends -----------------------------------------------------------------


@ANY
async def test_last_words_are_the_result(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="Draw a cat", body={"text": "with a hat"})
    async with working(product, me) as work:
        task = await ended(swarm, f"{me}-T", "done")
        await until(lambda: swarm.agents[me].status == "idle")

    (done,) = work.told
    assert (done.state, done.bill.tokens_in, done.bill.tokens_out) == ("done", 100, 7)
    said = task.result["text"]
    assert said.startswith(f"done: Task {me}-T was assigned to this session by ")
    assert "through swarmtui: Draw a cat\n\n> with a hat\n\n" in said


@ANY
async def test_what_the_model_refuses_fails_the_attempt(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="no credit", max_attempts=2)
    async with working(product, me):
        task = await ended(swarm, f"{me}-T", "dead")

    assert task.attempts == 2
    assert task.reason.endswith("the credit balance is too low")


async def test_what_goose_says_of_its_model_is_no_result(
    swarm: Coordinator, me: str
) -> None:
    async with working("acp", me):
        order = await swarm.assign(me, title="an apology", max_attempts=1)
        task = await ended(swarm, order.task, "dead")

    assert task.reason == "acp: Rate limit exceeded: come back later."


@ANY
async def test_a_crash_fails_the_attempt_with_the_last_line(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="crash", max_attempts=1)
    async with working(product, me):
        task = await ended(swarm, f"{me}-T", "dead")
        await swarm.assign(me, f"{me}-U", title="go on")
        await ended(swarm, f"{me}-U", "done")

    assert task.reason == f"{product} exited with 3: out of memory"


@ANY
@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("damage", 'sent what is no JSON: {"half a mess'),
        ("nonsense", "sent what makes no sense: "),
        ("more than anybody reads", "sent a line of more than 16 MiB"),
    ],
    ids=["damage", "nonsense", "endless"],
)
async def test_what_cannot_be_read_fails_the_attempt(
    product: str, title: str, reason: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title=title, max_attempts=1)
    async with working(product, me):
        task = await ended(swarm, f"{me}-T", "dead")
        await swarm.assign(me, f"{me}-U", title="go on")
        await ended(swarm, f"{me}-U", "done")

    assert task.reason.startswith(f"{product} {reason}")


@ANY
async def test_what_others_print_in_between_is_passed_over(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="chatter")
    async with working(product, me):
        task = await ended(swarm, f"{me}-T", "done")

    assert task.result == {"text": "said amid chatter"}


@ANY
async def test_words_too_long_for_a_result_lie_beside_it(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="millions of words")
    async with working(product, me):
        task = await ended(swarm, f"{me}-T", "done")

    assert task.result["text"] == "word " * 400 + "…"
    async with Agent(f"{me}-reader") as reader:
        (address,) = task.result["whole"].values()
        whole = await reader.results.read(address)
    assert len(bytes(str(whole), "ascii")) > 2_000_000


async def test_a_task_that_takes_too_long_fails(swarm: Coordinator, me: str) -> None:
    await swarm.assign(me, f"{me}-T", title="for ever", max_attempts=1)
    async with working("claude", me, timeout=0.5):
        task = await ended(swarm, f"{me}-T", "dead")

    assert task.reason == "it took longer than the 0.5 s that it may"


async def test_the_program_itself_may_say_that_it_failed(
    swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="one that gives up", max_attempts=1)
    async with working("codex", me) as work:
        task = await ended(swarm, f"{me}-T", "dead")
        await until(lambda: work.told)

    assert task.reason == "no such file"
    assert work.told[0].state == "stopped"


# --- while it works ------------------------------------------------------------------


@ANY
async def test_what_it_does_shows_as_progress(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="use the shell")
    async with working(product, me):
        await until(lambda: "make test" in swarm.tasks[f"{me}-T"].note)
        await swarm.cancel(f"{me}-T")
        await swarm.assign(me, f"{me}-U", title="a plan")
        await until(lambda: swarm.tasks[f"{me}-U"].progress == 0.25)

        assert swarm.tasks[f"{me}-U"].note == "stepping 2"


@ANY
async def test_a_person_permits(product: str, swarm: Coordinator, me: str) -> None:
    await swarm.assign(me, f"{me}-T", title="a permission")
    async with working(product, me):
        asked = await question(swarm, me)
        assert swarm.agents[me].status == "help"
        (once,) = (name for name in asked.choices if name.lower() == "allow once")
        await swarm.answer(asked.id, once)
        task = await ended(swarm, f"{me}-T", "done")

    assert "rm -rf build" in asked.question
    assert asked.task == f"{me}-T"
    assert task.result["text"].endswith("yes")


@ANY
@pytest.mark.parametrize("answer", ["reject", "no, keep it", "allow everything"])
async def test_only_a_choice_that_permits_does(
    product: str, answer: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="a permission")
    async with working(product, me):
        asked = await question(swarm, me)
        await swarm.answer(asked.id, answer)
        task = await ended(swarm, f"{me}-T", "done")

    assert "yes" not in task.result["text"]
    assert product != "claude" or task.result["text"] == answer


@ANY
async def test_what_is_resolved_without_an_answer_is_denied(
    product: str, swarm: Coordinator, me: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "LOOK", 0.01)
    await swarm.assign(me, f"{me}-T", title="a permission")
    async with working(product, me):
        asked = await question(swarm, me)
        await swarm.resolve(asked.id)
        task = await ended(swarm, f"{me}-T", "done")

    assert "yes" not in task.result["text"]
    assert product != "claude" or task.result["text"] == "denied, nobody answered"


@ANY
@pytest.mark.parametrize(("rule", "permits"), [("allow", True), ("reject", False)])
async def test_a_rule_decides_without_a_person(
    product: str, rule: str, permits: bool, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="a permission")
    async with working(product, me, rule=rule):
        task = await ended(swarm, f"{me}-T", "done")

    assert task.result["text"].endswith("yes") is permits
    assert not [h for h in swarm.helps.values() if h.agent == me]


async def test_silence_after_a_rejection_is_no_success(
    swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="a silent permission", max_attempts=1)
    async with working("acp", me, rule="reject"):
        task = await ended(swarm, f"{me}-T", "dead")

    assert "it gave up when this was rejected: acp asks: may it do" in task.reason


@ANY
@pytest.mark.parametrize("title", ["for ever", "stubborn", "a permission"])
async def test_a_cancelled_task_stops_the_program(
    product: str, title: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title=title)
    async with working(product, me) as work:
        await ended(swarm, f"{me}-T", "leased")
        if title == "a permission":
            await question(swarm, me)
        await swarm.cancel(f"{me}-T")
        await until(lambda: work.told)
        await swarm.assign(me, f"{me}-U", title="go on")
        await ended(swarm, f"{me}-U", "done")

        assert work.told[0].state == "stopped"
        assert not [h for h in swarm.helps.values() if h.agent == me and h.is_open]


# --- conversations, and what they cost -----------------------------------------------


@ANY
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "fresh"])
async def test_a_conversation_is_kept_or_fresh(
    product: str, keep: bool, swarm: Coordinator, me: str
) -> None:
    said = []
    async with working(product, me, keep=keep):
        for number in (1, 2):
            await swarm.assign(me, f"{me}-{number}", title="which conversation")
            task = await ended(swarm, f"{me}-{number}", "done")
            said.append(task.result["text"].split(" of "))

    assert [prompt for prompt, _ in said] == ["prompt 1", f"prompt {2 if keep else 1}"]
    assert (said[0][1] == said[1][1]) is (keep or product != "claude")


DOLLARS = {"claude": 1.0, "codex": 0.0, "acp": 0.5}
"""What four prompts in two lives cost, as far as the program tells it."""


@ANY
async def test_what_it_uses_adds_up_over_workers(
    product: str, swarm: Coordinator, me: str
) -> None:
    for life in (1, 2):
        async with working(product, me, keep=True):
            for number in (1, 2):
                await swarm.assign(me, f"{me}-{life}-{number}", title="go on")
                await ended(swarm, f"{me}-{life}-{number}", "done")

    await until(lambda: swarm.agents[me].tokens_in == 400)
    assert swarm.agents[me].tokens_out == 28
    assert swarm.agents[me].cost == DOLLARS[product]


@pytest.mark.parametrize("product", ["claude"])
async def test_what_a_failed_attempt_used_counts_too(
    product: str, swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="no credit", max_attempts=1)
    async with working(product, me):
        await ended(swarm, f"{me}-T", "dead")
        await until(lambda: swarm.agents[me].tokens_in == 100)


@pytest.mark.parametrize("product", ["claude"])
async def test_a_worker_that_has_spent_its_budget_claims_no_more(
    product: str, start: Start, home: Path
) -> None:
    start("--budget", "0.3", "--store", "memory", home=home)
    async with Coordinator() as swarm, working(product, "a1", keep=True):
        for number in (1, 2):
            await swarm.enqueue("go on", task=f"T{number}")
            await ended(swarm, f"T{number}", "done")
        await until(lambda: swarm.agents["a1"].over_budget)
        await swarm.enqueue("go on", task="T3")
        async with Agent("other") as other:
            done = asyncio.Event()

            @other.on_work
            async def work(job: Job) -> None:
                assert job.id == "T3"
                done.set()

            await asyncio.wait_for(done.wait(), 30)


async def test_the_program_may_speak_as_its_agent(swarm: Coordinator, me: str) -> None:
    await swarm.assign(me, f"{me}-T", title="who are you")
    async with working("claude", me):
        task = await ended(swarm, f"{me}-T", "done")

    assert task.result == {"text": f"{me} {me}"}


def test_its_hooks_say_nothing(alone: Shell) -> None:
    began = json.dumps({"hook_event_name": "SessionStart", "session_id": "s1"})

    done = alone("hook", "claude", said=began, SWARMTUI_WORKER="a1")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (alone.cwd / "home").exists()  # else it waits there for a hub


# --- when nothing works --------------------------------------------------------------


async def test_failures_in_a_row_block_the_agent(swarm: Coordinator, me: str) -> None:
    for number in (1, 2, 3):
        await swarm.assign(me, f"{me}-{number}", title="no credit", max_attempts=1)
    async with working("acp", me, pauses=(0.05, 0.05, 600)):
        blocked = await question(swarm, me)
        await swarm.assign(me, f"{me}-U", title="go on")
        await ended(swarm, f"{me}-U", "acked")  # it knows, and leaves it there
        await swarm.answer(blocked.id, "there is credit again")
        await ended(swarm, f"{me}-U", "done")
        await until(lambda: swarm.agents[me].status == "idle")

    assert blocked.kind == "blocked"
    assert blocked.question.startswith("3 failures in a row, the last: acp: Internal")
    assert blocked.question.endswith("the credit balance is too low")


async def test_a_program_that_is_not_there_claims_nothing(
    swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="go on")
    launch = Launch(("/no/such/program",), Path.cwd(), environment(me))

    with pytest.raises(NotStarted, match="cannot be started"):
        await serve(Agent(me), Acp(launch), Terms(), asyncio.Event())

    await until(lambda: f"{me}-T" in swarm.tasks)
    assert swarm.tasks[f"{me}-T"].attempts == 0


async def test_a_program_that_is_gone_is_started_again(
    swarm: Coordinator, me: str
) -> None:
    await swarm.assign(me, f"{me}-T", title="which conversation")
    async with working("codex", me, keep=True):
        task = await ended(swarm, f"{me}-T", "done")
        os.kill(int(task.result["text"].split()[-1]), signal.SIGKILL)
        await swarm.assign(me, f"{me}-U", title="go on", max_attempts=2)
        await ended(swarm, f"{me}-U", "done")


async def test_work_outlives_an_outage_of_the_hub(start: Start) -> None:
    hub = start()
    async with working("codex", "a1"):
        async with Coordinator() as swarm:
            await until(lambda: "a1" in swarm.agents)
            await swarm.assign("a1", "T1", title="a permission")
            asked = await question(swarm, "a1")
        hub.process.kill()
        hub.process.wait()
        start()
        async with Coordinator() as swarm:
            await swarm.answer(asked.id, "allow once")
            task = await ended(swarm, "T1", "done")

    assert (task.attempts, task.result) == (1, {"text": "yes"})


# --- the command ---------------------------------------------------------------------


@pytest.fixture
def shell(me: str, home: Path) -> Shell:
    """A shell that finds the hub and the programs."""
    assert me
    return Shell(home, **{name: os.environ[name] for name in ("PATH", "SWARMTUI_HOME")})


async def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = await asyncio.to_thread(process.communicate, timeout=30)
    return process.returncode, out, err


async def test_one_task_and_what_came_of_it(
    shell: Shell, swarm: Coordinator, me: str
) -> None:
    await swarm.enqueue("Draw a cat", task=f"{me}-T", needs=[f"{me}-draws"])
    flags = ("--name", me, "--one", "--capability", f"{me}-draws", "--json")

    worker = shell.start("worker", "acp", *flags, "--", "acp", "--acp")
    code, out, err = await finished(worker)

    assert (code, err) == (0, f"agentkit: acp works as {me}\n")
    said = json.loads(out)
    told = (said["agent"], said["task"], said["state"], said["tokens_in"])
    assert told == (me, f"{me}-T", "done", 100)
    assert said["cost"] == 0.25
    await ended(swarm, f"{me}-T", "done")


async def test_one_that_is_told_to_end_gives_its_task_back(
    shell: Shell, swarm: Coordinator, me: str
) -> None:
    worker = shell.start("worker", "claude", "--name", me)
    await swarm.assign(me, f"{me}-T", title="for ever")
    await ended(swarm, f"{me}-T", "leased")
    worker.send_signal(signal.SIGTERM)
    code, _, err = await finished(worker)
    await until(lambda: swarm.tasks[f"{me}-T"].state in ("queued", "sent", "acked"))

    task = swarm.tasks[f"{me}-T"]
    assert (code, task.attempts, task.reason) == (0, 0, "the agent is leaving")
    assert f"{me}-T stopped after" in err


async def test_what_a_killed_worker_had_goes_to_the_next(
    shell: Shell, swarm: Coordinator, me: str, home: Path
) -> None:
    await swarm.enqueue("stubborn", task=f"{me}-T", needs=[me], max_attempts=2)
    flags = ("--capability", me, "--max-tasks", "1")
    first = shell.start("worker", "codex", "--name", f"{me}-1", *flags)
    held = await ended(swarm, f"{me}-T", "leased")
    first.kill()
    await finished(first)
    await swarm.requeue(f"{me}-T")
    second = shell.start("worker", "codex", "--name", f"{me}-2", *flags)
    await until(lambda: swarm.tasks[f"{me}-T"].agent == f"{me}-2")
    task = swarm.tasks[f"{me}-T"]
    second.terminate()
    code, _, _ = await finished(second)

    assert (code, task.state) == (0, "leased")
    assert task.fence > held.fence


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("acp",), 2, "no program is named: put it behind --"),
        (("acp", "--", "/no/such"), 1, "/no/such cannot be started (no such file"),
        (("acp", "--one", "--", "false"), 1, "false exited with 1"),
        (("claude", "--cwd", "/no/such"), 2, "--cwd is /no/such: name a folder"),
        (("claude", "--max-tasks", "0"), 2, "--max-tasks is 0: give 1 or more"),
        (("claude", "--timeout", "nan"), 2, "--timeout is nan: give more than 0"),
        (("--fresh", "vim"), 2, "'vim' is no product: name claude, codex, acp"),
        ((), 2, "'' is no product"),
        (("claude", "--lots"), 2, "unrecognized arguments: --lots"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: tuple[str, ...], code: int, said: str, alone: Shell
) -> None:
    done = alone("worker", *words)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("agentkit: ")
    assert done.stderr.count("\n") <= 2
    assert said in done.stderr
