"""The commands about runs as a person or a script has them."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.integration.conftest import RunningHub, Start
from tests.integration.plans import claim, complete, fan, launch, nested, view, work
from tests.integration.test_commands import Done, Terminal, run

Run: TypeAlias = Callable[..., Done]

FAN = """\
spec: flatmachine
data:
  name: fan
  agents:
    worker: {capabilities: [w], max_attempts: 1}
  states:
    work:
      type: initial
      foreach: "{{ input.items }}"
      agent: worker
      input: {n: "{{ item }}"}
      output_to_context: {outputs: "{{ output }}"}
      transitions: [{to: done}]
    done:
      type: final
      output: "{{ context.outputs }}"
"""
SAY = """\
spec: flatmachine
data:
  name: say
  states:
    say: {type: initial, transitions: [{to: done}]}
    done: {type: final, output: "{{ input }}"}
"""


@pytest.fixture(autouse=True)
def nothing_waits(hub: RunningHub) -> Iterator[None]:
    """Leave nothing to do for the next test."""
    yield
    for row in hub.get("/v1/runs?state=running").json()["runs"]:
        hub.post(f"/v1/runs/{row['id']}/cancel", {})


@pytest.fixture
def command(hub: RunningHub) -> Run:
    return lambda *args, **more: run(hub.home, *args, **more)


@pytest.fixture
def terminal(hub: RunningHub) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def begin(*args: str, **more: Any) -> Terminal:
        opened.append(Terminal(hub.home, *args, **more))
        return opened[-1]

    yield begin
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def fan_file(tmp_path: Path) -> str:
    path = tmp_path / "fan.yml"
    path.write_text(FAN)
    return str(path)


@pytest.fixture
def say_file(tmp_path: Path) -> str:
    path = tmp_path / "say.yml"
    path.write_text(SAY)
    return str(path)


# --- launching -----------------------------------------------------------------------


def test_what_a_plan_leads_to_is_printed(command: Run, say_file: str, me: str) -> None:
    done = command("run", say_file, "--set", "n=1", "--set", "t=one", "--name", me)

    assert (done.code, done.data) == (0, {"n": 1, "t": "one"})
    assert done.err == f"run {me}; Ctrl-C leaves it going\n"


def test_text_is_printed_as_it_is(command: Run, tmp_path: Path) -> None:
    plan = tmp_path / "text.yml"
    plan.write_text(SAY.replace("{{ input }}", "Hello, {{ input.name }}"))

    assert command("run", str(plan), "--set", "name=Ö").out == "Hello, Ö\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("in.json", '{"n": [1, 2], "t": "file"}'), ("in.yml", "n: [1, 2]\nt: file")],
)
def test_input_comes_from_a_file_and_what_is_set_wins(
    command: Run, say_file: str, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    source = str(tmp_path / name)

    done = command("run", say_file, "--input", source, "--set", "t=set")

    assert done.data == {"n": [1, 2], "t": "set"}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "say which PLAN, or --resume-from ADDRESS"),
        (("--resume-from", ""), "say which PLAN, or --resume-from ADDRESS"),
        (("--resume-from", "r", "--set", "a=1"), "has its own input and machine"),
        (("PLAN", "--set", "a"), "'a' sets nothing; write KEY=VALUE"),
        (("PLAN", "--input", "PLAN.json"), "PLAN.json is not an object of JSON; write"),
        (("PLAN", "--input", "no.json"), "no.json cannot be read: no such file"),
        (("PLAN", "--machine", "other"), "the plan has no machine 'other': it has say"),
        (("none.yml",), "none.yml cannot be run, it has 1 error: see above"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_remedy(
    command: Run, say_file: str, args: tuple[str, ...], told: str
) -> None:
    Path(f"{say_file}.json").write_text("[1]")

    done = command("run", *(arg.replace("PLAN", say_file) for arg in args))

    assert (done.code, done.out) == (2, "")
    assert told in done.err.replace(say_file, "PLAN")


def test_a_plan_with_mistakes_is_told_where_they_are(
    command: Run, tmp_path: Path
) -> None:
    plan = tmp_path / "bad.yml"
    plan.write_text(SAY.replace("{to: done}", "{to: dome}"))

    done = command("run", str(plan))

    assert done.code == 2
    assert re.search(r"bad\.yml:5:\d+: .*dome.*done", done.err)


def test_what_is_detached_prints_its_id_and_is_waited_for_later(
    hub: RunningHub, command: Run, fan_file: str, me: str
) -> None:
    begun = command("run", fan_file, "--set", "items=[2, 1]", "--name", me, "--detach")
    work(hub)
    waited = command("run", "wait", me)

    assert (begun.code, begun.out) == (0, f"{me}\n")
    assert waited.data == [{"n": 4}, {"n": 2}]
    assert command("run", "result", me).data == waited.data


def test_what_nobody_can_do_yet_is_doubted(command: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yml"
    plan.write_text(FAN.replace("[w]", "[unheard-of]"))

    done = command("run", str(plan), "--set", "items=[1]", "--detach")

    assert done.code == 0
    assert "note: no agent that is known can do unheard-of yet: it waits" in done.err


def test_whoever_waits_is_told_how_far_it_is(
    hub: RunningHub, terminal: Callable[..., Terminal], fan_file: str, me: str
) -> None:
    shown = terminal("run", fan_file, "--set", "items=[1, 2]", "--name", me)
    shown.until("0/2")
    complete(hub, *claim(hub))
    shown.until("1/2")
    complete(hub, *claim(hub))

    assert shown.end() == 0
    assert "━" in shown.said


def test_on_a_pipe_it_is_told_in_lines_of_json(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": [1]})

    lines = command("run", "wait", me, "--jsonl", "--timeout", "0.5").out.splitlines()

    told = json.loads(lines[0])
    assert (told["run"], told["stage"], told["total"]) == (me, "work", 1)


def test_ctrl_c_leaves_it_going_and_says_how_to_look(
    hub: RunningHub, terminal: Callable[..., Terminal], fan_file: str, me: str
) -> None:
    shown = terminal("run", fan_file, "--set", "items=[1]", "--name", me)
    shown.until("0/1")
    shown.process.send_signal(signal.SIGINT)

    assert shown.end() == 130
    assert f"run {me} goes on: swarmtui run wait {me} looks again" in shown.said
    assert f"swarmtui run cancel {me}" in shown.said
    assert view(hub, me)["run"]["state"] == "running"


def test_a_time_that_is_over_leaves_it_going(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": [1]})

    done = command("run", "wait", me, "--timeout", "0.1")

    assert (done.code, done.out) == (4, "")
    assert f"run '{me}' has not ended within 0.1 s and goes on" in done.err


def test_exit_codes_tell_how_it_ended(
    hub: RunningHub, command: Run, tmp_path: Path, me: str
) -> None:
    plan = tmp_path / "fails.yml"
    plan.write_text(SAY.replace("{{ input }}", "{{ input.nothing.at.all }}"))
    failed = command("run", str(plan))
    launch(hub, fan(), id=me, input={"items": [1]})
    cancelled = command("run", "cancel", me, "--reason", "no more")
    waited = command("run", "wait", me)

    assert (failed.code, failed.out) == (1, "")
    assert re.search(
        r"run r\d+ failed at 'done' \(ExpressionError\): .*; swarmtui run resume r",
        failed.err,
    )
    assert cancelled.code == 0
    assert (waited.code, waited.out) == (5, "")
    assert f"run {me} was cancelled, no more: swarmtui run resume {me}" in waited.err


# --- looking -------------------------------------------------------------------------


def test_runs_are_listed_as_a_filter_chooses(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=f"{me}-a", input={"items": [1]})
    launch(hub, fan(), id=f"{me}-b", input={"items": []})

    both = command("runs", me, "--json").data["runs"]
    done = command("runs", me, "--state", "done", "--jsonl").out.splitlines()
    table = command("runs", f"id:{me}-*", "state:running").out.splitlines()

    assert [row["id"] for row in both] == [f"{me}-b", f"{me}-a"]
    assert [json.loads(line)["id"] for line in done] == [f"{me}-b"]
    assert table[0].split()[:3] == ["STATE", "RUN", "MACHINE"]
    assert table[1].split()[:5] == ["●", "running", f"{me}-a", "main", "work"]


def test_a_run_is_shown_with_what_is_below_it(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, nested(), id=me, input={"parts": [[1], [2, 3]]})
    complete(hub, *claim(hub), n=1)

    shown = command("run", "show", me).out
    told = command("run", "show", me, "--items", "--json").data

    assert re.search(r"^progress +▰▰▰▰▱▱▱▱ +50%$", shown, re.MULTILINE)
    assert re.search(r"^below it +1 \w+, 1 \w+$", shown, re.MULTILINE)
    assert re.search(rf"^  {me}\.2 +● running +part +work +0/2", shown, re.MULTILINE)
    assert told["run"]["id"] == me
    assert told["progress"] == 0.5
    assert [item["state"] for item in told["items"]] == ["done", "running"]


def test_items_that_failed_are_shown_with_why(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": [1, 2, 3]})
    work(hub, 2)

    lines = command("run", "show", me, "--state", "failed").out.splitlines()

    assert lines[-1].split()[:4] == ["1", "×", "failed", "worker"]  # noqa: RUF001
    assert lines[-1].endswith("TaskFailed: 2 is bad")


def test_checkpoints_are_where_a_new_run_may_begin(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": []})

    first, last = command("run", "checkpoints", me, "--json").data["checkpoints"]
    again = command("run", "--resume-from", last["address"], "--name", f"{me}-2")

    assert (first["number"], last["number"]) == (1, 0)
    assert again.data == {"outputs": []}
    assert view(hub, f"{me}-2")["run"]["resumed_from"] == f"swarm://{me}/checkpoint/0"


def test_what_is_running_has_no_result_yet(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": [1]})

    done = command("run", "result", me)

    assert (done.code, done.out) == (4, "")
    assert f"swarmtui run wait {me} waits for it" in done.err


@pytest.mark.parametrize("word", ["show", "wait", "checkpoints", "result", "cancel"])
def test_a_run_that_is_not_there_is_not_found(
    hub: RunningHub, command: Run, me: str, word: str
) -> None:
    launch(hub, fan(), id=me)

    done = command("run", word, f"{me}x")

    assert (done.code, done.out) == (3, "")
    assert f"no run '{me}x' is known" in done.err
    assert f"did you mean {me}?" in done.err


# --- changing ------------------------------------------------------------------------


def test_a_run_goes_on_with_what_it_had_not_done(
    hub: RunningHub, command: Run, me: str
) -> None:
    launch(hub, fan(), id=me, input={"items": [1, 2]})
    complete(hub, *claim(hub), n=1)
    command("run", "cancel", me)

    resumed = command("run", "resume", me, "--json").data["resumed"]
    work(hub)

    assert [(row["id"], row["state"]) for row in resumed] == [(me, "running")]
    assert view(hub, me)["run"]["output"] == {"outputs": [{"n": 1}, {"n": 4}]}


def test_what_failed_is_done_again(hub: RunningHub, command: Run, me: str) -> None:
    launch(hub, fan(), id=me, input={"items": [1, 2]})
    work(hub, 2)

    retried = command("run", "retry-failed", me)
    work(hub)

    assert retried.code == 0
    assert view(hub, me)["run"]["output"] == {"outputs": [{"n": 2}, {"n": 4}]}


def test_of_several_what_is_refused_keeps_nobody_back(
    hub: RunningHub, command: Run, me: str
) -> None:
    for name in ("a", "b"):
        launch(hub, fan(), id=f"{me}-{name}", input={"items": [1]})

    done = command("run", "cancel", f"{me}-a", "nobody", f"{me}-b")

    assert done.code == 3
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == [
        f"{me}-a",
        f"{me}-b",
    ]
    assert "no run 'nobody' is known" in done.err


def test_without_a_hub_it_is_said_in_a_sentence(tmp_path: Path, say_file: str) -> None:
    done = run(tmp_path / "home", "run", say_file)

    assert (done.code, done.out) == (1, "")
    assert "no hub answers at" in done.err


def test_whoever_waits_outlives_a_killed_hub(start: Start, fan_file: str) -> None:
    hub = start()
    shown = Terminal(hub.home, "run", fan_file, "--set", "items=[1, 2]", "--name", "R")
    shown.until("0/2")
    complete(hub, *claim(hub), n=7)
    hub.process.kill()
    hub.process.wait()

    again = start("--port", str(hub.port))
    work(again)

    assert shown.end() == 0
    assert '"n": 7' in shown.said
    assert '"n": 4' in shown.said
