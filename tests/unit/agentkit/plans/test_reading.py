"""Plans read from files: what becomes of them, and where problems are."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit.plans import Reading, compile_plan, read_plan
from agentkit.plans.sources import LARGEST, NODES, read_source

EXAMPLE = Path(__file__).parents[4] / "examples" / "peering" / "config"

MAIN = """\
spec: flatmachine
spec_version: "1.0.0"
data:
  name: demo
  context:
    tasks: "{{ input.tasks }}"
  agents:
    worker: ./worker.yml
    checker: checking
    writer: {capabilities: [text], priority: 3}
  machines:
    node: ./node.yml
    inline:
      states:
        initial: {agent: checking, transitions: [{to: end}]}
        end: {type: final}
  states:
    start:
      type: initial
      foreach: "{{ context.tasks }}"
      as: task
      machine: node
      input:
        task: "{{ task }}"
      output_to_context:
        results: "{{ output }}"
      transitions:
        - condition: "{{ context.results|length > 0 }}"
          to: two
        - to: done
    two:
      machine: [inline, other.yml, {name: ./node.yml, input: {a: 1}}]
      launch: node.yml
      launch_input: {a: 1}
      transitions:
        - to: three
    three:
      agent: ./worker.yml
      transitions: [{to: done}]
    done:
      type: final
      output:
        results: "{{ context.results }}"
metadata:
  author: somebody
"""
NODE = """\
spec: flatmachine
data:
  name: node
  machines: {demo: ./main.yml}
  states:
    run: {type: initial, machine: demo, transitions: [{to: end}]}
    end: {type: final}
"""
OTHER = """\
states:
  initial: {agent: gpu, transitions: [{to: end}]}
  end: {type: final}
"""
WORKER = """\
spec: flatagent
data:
  name: worker
  model: {name: any}
  user: "Do {{ input.task }} {% if x %}"
metadata:
  capabilities: [text, english]
  priority: 4
  title: "Do {{ index }}"
"""
FILES = {"main.yml": MAIN, "node.yml": NODE, "other.yml": OTHER, "worker.yml": WORKER}


def written(folder: Path, **changes: str) -> Path:
    """Write the files of a plan, some of them changed; return the main one."""
    for name, text in (FILES | {f"{k}.yml": v for k, v in changes.items()}).items():
        (folder / name).write_text(text)
    (folder / "folder.yml").mkdir(exist_ok=True)
    return folder / "main.yml"


def machines(reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = reading.document["machines"]
    return found


def test_a_plan_is_read_with_all_of_its_files(tmp_path: Path) -> None:
    reading = read_plan(written(tmp_path))

    assert reading.problems == ()
    assert [file.name for file in reading.files] == [
        "main.yml",
        "worker.yml",
        "node.yml",
        "other.yml",
    ]
    assert reading.document["name"] == reading.document["main"] == "demo"
    assert set(machines(reading)) == {"demo", "node", "inline", "other"}
    flow = compile_plan(reading.document)
    assert flow.machines["node"].stages["run"].calls[0].machine == "demo"


def test_files_become_names(tmp_path: Path) -> None:
    demo = machines(read_plan(written(tmp_path)))["demo"]

    assert demo["machines"] == {"node": "node", "inline": "inline"}
    two = demo["states"]["two"]
    assert two["machine"] == ["inline", "other", {"name": "node", "input": {"a": 1}}]
    assert two["launch"] == "node"
    assert demo["states"]["three"]["agent"] == "worker"
    assert "name" not in demo


def test_an_agent_is_a_file_a_word_or_what_it_takes(tmp_path: Path) -> None:
    agents = machines(read_plan(written(tmp_path)))["demo"]["agents"]

    assert agents["checker"] == {"capabilities": ["checking"]}
    assert agents["writer"] == {"capabilities": ["text"], "priority": 3}
    assert agents["worker"] == {
        "capabilities": ["text", "english"],
        "priority": 4,
        "title": "Do {{ index }}",
        "config": {
            "name": "worker",
            "model": {"name": "any"},
            "user": "Do {{ input.task }} {% if x %}",
        },
    }


def test_the_name_of_an_agent_is_its_capability_when_it_says_no_other(
    tmp_path: Path,
) -> None:
    worker = "spec: flatagent\ndata: {name: painter}\n"

    agents = machines(read_plan(written(tmp_path, worker=worker)))["demo"]["agents"]

    assert agents["worker"]["capabilities"] == ["painter"]


def test_a_file_without_its_wrapper_is_understood(tmp_path: Path) -> None:
    plain = tmp_path / "plain.yaml"
    plain.write_text(OTHER)

    reading = read_plan(plain)

    assert reading.problems == ()
    assert reading.document["main"] == "plain"


def test_two_machines_of_one_name_are_told_apart(tmp_path: Path) -> None:
    reading = read_plan(
        written(tmp_path, node=NODE.replace("name: node", "name: demo"))
    )

    assert set(machines(reading)) == {"demo", "demo_2", "inline", "other"}
    assert machines(reading)["demo"]["machines"]["node"] == "demo_2"


def test_the_example_is_sound() -> None:
    reading = read_plan(EXAMPLE / "peering_demo.yml")

    assert reading.problems == ()
    assert set(compile_plan(reading.document).machines) == {
        "peering_demo",
        "orchestrator",
        "worker_node",
        "worker_task",
    }


def test_a_document_is_the_same_wherever_its_files_lie(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()

    assert read_plan(written(one)).document == read_plan(written(two)).document


PROBLEMS = [
    (
        "main",
        "      as: task",
        "      as: output",
        (21, 11, "states.start.as", "'output' has a meaning of its own"),
    ),
    (
        "main",
        "      foreach:",
        "      for_each:",
        (20, 7, "states.start.for_each", "did you mean 'foreach'"),
    ),
    (
        "main",
        "context.results|length > 0",
        "context.results|lenght > 0",
        (28, 22, "states.start.transitions[0].condition", "did you mean 'length'"),
    ),
    (
        "main",
        "{{ context.results|length > 0 }}",
        "{{ context.results > > 0 }}",
        (28, 44, "states.start.transitions[0].condition", "unexpected"),
    ),
    (
        "main",
        "context.results|length > 0",
        "contxt.results|length > 0",
        (28, 26, "states.start.transitions[0].condition", "did you mean 'context'"),
    ),
    (
        "main",
        "          to: two",
        "          to: tow",
        (29, 15, "states.start.transitions[0].to", "did you mean 'two'"),
    ),
    (
        "main",
        "      machine: node\n",
        "      machine: nod\n",
        (22, 16, "states.start.machine", "there is no machine 'nod'"),
    ),
    (
        "main",
        "    node: ./node.yml",
        "    node: ./nod.yml",
        (12, 11, "machines.node", "./nod.yml: there is no such file"),
    ),
    (
        "main",
        "    node: ./node.yml",
        "    node: ./folder.yml",
        (12, 11, "machines.node", "./folder.yml: it is a folder"),
    ),
    (
        "main",
        "      machine: node\n",
        "      machine: ../node.yml\n",
        (22, 16, "states.start.machine", "not in the folder of the plan"),
    ),
    (
        "main",
        "    node: ./node.yml",
        "    node: /node.yml",
        (12, 11, "machines.node", "not in the folder of the plan"),
    ),
    (
        "main",
        "    node: ./node.yml",
        "    node: ./worker.yml",
        (1, 7, "spec", "it is a 'flatagent'; name a flatmachine here"),
    ),
    (
        "main",
        "      as: task",
        "      as: task\n      as: item",
        (22, 7, "states.start.as", "the key 'as' is here twice"),
    ),
    ("main", "      as: task", "      as: [task", (22, 14, "", "it is not YAML")),
    ("main", "      as: task", "\tas: task", (21, 1, "", "indent with blanks")),
    (
        "main",
        "      as: task",
        "      1: task",
        (21, 7, "states.start", "the key '1' is no text; put it in quotes"),
    ),
    (
        "main",
        "      as: task",
        "      as: !!python/name:os.system task",
        (21, 11, "states.start.as", "is not known; leave it out"),
    ),
    (
        "main",
        "{a: 1}\n      transitions",
        "{a: .inf}\n      transitions",
        (34, 25, "states.two.launch_input.a", ".inf is no number of JSON"),
    ),
    (
        "main",
        "metadata:",
        "states: {}\nmetadata:",
        (44, 1, "states", "it stands beside data"),
    ),
    (
        "node",
        "transitions: [{to: end}]",
        "transitions: []",
        (6, 10, "states.run", "nothing follows it"),
    ),
    (
        "worker",
        "  priority: 4",
        "  priority: urgent",
        (8, 13, "metadata.priority", "'urgent' is not allowed"),
    ),
    (
        "worker",
        '"Do {{ index }}"',
        '"Do {{ indx }}"',
        (9, 17, "metadata.title", "there is no 'indx' here; did you mean 'index'"),
    ),
    ("other", OTHER, "", (32, 25, "states.two.machine[1]", "other.yml: it is empty")),
    ("other", OTHER, "- a\n", (1, 1, "", "a list stands here")),
    ("other", OTHER, "spec: flatmachine\n", (1, 1, "", "it has no data")),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"), PROBLEMS, ids=[one[3][3] for one in PROBLEMS]
)
def test_a_problem_is_told_where_it_stands(
    tmp_path: Path, file: str, old: str, new: str, expected: tuple[int, int, str, str]
) -> None:
    text = FILES[f"{file}.yml"]
    assert old in text
    main = written(tmp_path, **{file: text.replace(old, new, 1)})

    problems = read_plan(main).errors

    line, column, key, told = expected
    found = [(one.line, one.column, one.key) for one in problems if told in one.text]
    assert found == [(line, column, key)], [str(one) for one in problems]
    said = next(str(one) for one in problems if told in one.text)
    assert f".yml:{line}:{column}: " in said
    assert "\n" not in said
    assert not said.endswith(".")


@pytest.mark.parametrize("wrong", ["./none.yml", "./worker.yml", "/x.yml"])
def test_what_follows_from_a_problem_is_not_told(tmp_path: Path, wrong: str) -> None:
    main = MAIN.replace("node: ./node.yml", f"node: {wrong}", 1)

    assert len(read_plan(written(tmp_path, main=main)).errors) == 1
    assert len(read_plan(written(tmp_path, other="- a\n")).errors) == 1


def test_all_problems_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    main = MAIN.replace("as: task", "as: run").replace("to: two", "to: tow")
    main = main.replace("checking", "[1]")

    problems = read_plan(written(tmp_path, main=main)).errors

    assert [one.line for one in problems] == sorted(one.line for one in problems)
    assert {9, 21, 29} <= {one.line for one in problems}


def test_a_plan_may_come_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "plan"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=(OTHER,))
    writing.start()
    reading = read_plan(pipe)
    writing.join()

    assert not reading.errors
    assert reading.document["main"] == "plan"


def test_a_machine_that_a_plan_names_is_no_pipe(tmp_path: Path) -> None:
    main = written(tmp_path)
    node = main.with_name("node.yml")
    node.unlink()
    os.mkfifo(node)

    (problem, *_) = read_plan(main).errors

    assert problem.text == "'./node.yml' is no file; only a plan itself may be a pipe"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    reading = read_plan(tmp_path / "none.yml")

    assert [str(one) for one in reading.problems] == [
        f"{tmp_path}/none.yml:1:1: there is no such file; correct the path"
    ]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.mkdir()
    main = written(plan)
    (tmp_path / "secret.yml").write_text(OTHER)
    (plan / "other.yml").unlink()
    (plan / "other.yml").symlink_to(tmp_path / "secret.yml")

    assert "not in the folder of the plan" in str(read_plan(main).errors[0])


def test_a_merge_and_an_alias_are_written_out(tmp_path: Path) -> None:
    file = tmp_path / "main.yml"
    file.write_text(
        "states:\n"
        "  a: &a\n"
        "    type: initial\n"
        "    agent: x\n"
        "    execution: &retry {type: retry, backoffs: [1]}\n"
        "    transitions: [{to: b}]\n"
        "  b:\n"
        "    <<: *a\n"
        '    type: ""\n'
        "    execution: *retry\n"
        "    transitions: [{to: c}]\n"
        "  c: {type: final}\n"
    )

    reading = read_plan(file)

    assert reading.problems == ()
    states = machines(reading)["main"]["states"]
    assert states["b"] == {
        "type": "",
        "agent": "x",
        "execution": {"type": "retry", "backoffs": [1]},
        "transitions": [{"to": "c"}],
    }
    assert states["b"]["execution"] is not states["a"]["execution"]


def laughs(depth: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, depth)]
    return "\n".join(lines)


BOMBS = [
    (laughs(12), f"more than {NODES:,} values"),
    ("a: &a [*a]", "it is inside itself"),
    ("a: &a {b: {c: *a}}", "it is inside itself"),
    ("a: &a {<<: *a}", "it is inside itself"),
    ("[" * 5000, "nested too deep"),
    ("a: " + "[" * 60 + "]" * 60, "nested too deep"),
    ("#" * (LARGEST + 1), "bytes; split it"),
    ("a: \x00", "it is not YAML"),
    ("a: 2026-01-01\n---\nb: 1", "it is not YAML"),
    ("? {a: b}\n: c", "a key is no text"),
    ("a: !!set {b}", "the tag"),
    ("a: !!binary aGk=", "the tag"),
    ("a: !x y", "the tag !x is not known"),
    ("<<: 3", "<< takes objects"),
    ("a: b\n" * 300, "more is wrong"),
]


@pytest.mark.parametrize(("text", "told"), BOMBS, ids=[told for _, told in BOMBS])
def test_a_file_that_means_harm_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "bomb.yml"
    file.write_text(text)

    assert any(told in str(flaw) for flaw in read_source(file).flaws)
    assert read_plan(file).errors


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "bytes.yml"
    file.write_bytes(b"a: 1\nb: \xff\xfe")

    assert str(read_plan(file).problems[0]).endswith(
        "bytes.yml:2:1: it is not UTF-8; save it so"
    )


def test_dates_are_texts_and_numbers_numbers(tmp_path: Path) -> None:
    file = tmp_path / "kinds.yml"
    file.write_text("[2026-01-01, 1.5, 0x10, true, null, ~, yes, 'no', 1e3]")

    assert read_source(file).value == [
        "2026-01-01",
        1.5,
        16,
        True,
        None,
        None,
        True,
        "no",
        "1e3",
    ]


LINES = MAIN.splitlines()


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.sampled_from(
                ["", "  ", "- ", "x: ", "[", "{{ ", "'", "&a ", "*a", "? "]
            ),
            st.booleans(),
        ),
        max_size=4,
    )
)
def test_whatever_a_file_holds_it_is_read_or_its_problems_are_told(
    tmp_path: Path, edits: list[tuple[int, str, bool]]
) -> None:
    lines = list(LINES)
    for at, text, drops in edits:
        lines[at] = text if drops else text + lines[at]

    reading = read_plan(written(tmp_path, main="\n".join(lines)))

    assert all(one.line >= 1 and one.column >= 1 for one in reading.problems)
    if not reading.errors:
        compile_plan(reading.document)
