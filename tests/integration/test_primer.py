"""What an AI agent is told to do works, word for word, against a real hub."""

import json
import re
import shlex
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from agentkit.commands import COMMANDS
from agentkit.commands.primer import primer
from agentkit.integrations.events import PRODUCTS
from tests.integration.shell import Done, Shell

NAME = "builder-1"
WORDS = {"REF": "T1", "NAME": NAME}
"""What stands in a command for what an agent knows."""


def commands(text: str) -> list[str]:
    """Return every command line in a text, those within sentences too."""
    lines = re.findall(r"^    (agentkit .*?)(?:  .*)?$", text, re.MULTILINE)
    inside = re.findall(r"`(agentkit [^`]+)`", text)
    return [*lines, *(line for line in inside if "Never run" not in line)]


def told_to_run(product: str) -> list[str]:
    text = primer(product)
    return commands(
        "\n".join(line for line in text.splitlines() if "Never" not in line)
    )


EVERY = sorted({line for product in ("", *PRODUCTS) for line in told_to_run(product)})


def _task(hub: Any, run: Shell) -> None:
    """Have the agent hold T1."""
    _ready(hub, run)
    assert run("claim", "--task", "T1").returncode == 0


def _ready(hub: Any, _run: Shell) -> None:
    wish = {"id": "T1", "title": "Read the parser"}
    hub.post("/v1/tasks", wish).raise_for_status()


def _mail(hub: Any, _run: Shell) -> None:
    hub.report(NAME, "idle")
    hub.post("/v1/broadcasts", {"text": "freeze"}).raise_for_status()


def _others(hub: Any, _run: Shell) -> None:
    hub.report("builder-2", "idle", capabilities=["review"])


def _answer(hub: Any, _run: Shell) -> None:
    """Answer as soon as the question is there."""

    def answer() -> None:
        while not (asked := hub.get("/v1/help").json()["helps"]):
            time.sleep(0.05)
        hub.post(f"/v1/help/{asked[0]['id']}/answer", {"text": "no"})

    threading.Thread(target=answer, daemon=True).start()


def _nothing(_hub: Any, _run: Shell) -> None:
    return


BEFORE: dict[str, Callable[[Any, Shell], None]] = {
    "claim": _ready,
    "extend": _task,
    "done": _task,
    "fail": _task,
    "wait": _mail,
    "inbox": _mail,
    "send": _others,
    "ask": _answer,
}
"""What has to be the case before a command."""


@pytest.mark.parametrize("line", EVERY)
def test_every_command_that_it_names_works(line: str, fresh: Any) -> None:
    for word, meant in WORDS.items():
        line = line.replace(word, meant)
    run = Shell(fresh.home, SWARMTUI_HOME=str(fresh.home), SWARMTUI_AGENT=NAME)
    words = shlex.split(line)[1:]
    BEFORE.get(words[0], _nothing)(fresh, run)
    done: Done = run(*words)

    assert (done.returncode, done.stderr) == (0, "")
    if words[0] == "ask":
        assert done.stdout == "no\n"


def test_all_that_an_agent_needs_is_among_them() -> None:
    named = {line.split()[1] for line in EVERY}

    work, talk = {"claim", "extend", "done", "fail"}, {"ask", "send", "wait", "inbox"}
    assert named == work | talk | {"notify", "ping"}
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize("product", ["", *PRODUCTS])
def test_it_is_one_page_and_fits_a_line(product: str) -> None:
    lines = primer(product).splitlines()

    assert len(lines) <= 60
    assert max(map(len, lines)) <= 88
    assert not re.search(r"[{}]", primer(product).replace('{"pull_request": 17}', ""))


def test_a_session_with_hooks_is_not_told_to_report_or_to_claim() -> None:
    for product in PRODUCTS.keys() - {"tmux"}:
        named = {line.split()[1] for line in told_to_run(product)}
        assert named == {"fail", "ask", "send", "inbox", "ping"}
    assert primer("tmux") == primer()


@pytest.mark.parametrize(
    ("product", "told", "untold"),
    [
        ("claude", ["After 8 in a", "may wake you", "next prompt or task"], []),
        ("codex", ["next prompt or task"], ["in a row", "wake"]),
        ("goose", ["After 8 in a", "with your next task"], ["wake"]),
        ("cursor", ["After 20 in a"], ["wake"]),
        ("opencode", ["may wake you"], ["in a row"]),
    ],
)
def test_what_differs_between_products_is_told(
    product: str, told: list[str], untold: list[str]
) -> None:
    text = " ".join(primer(product).split())

    assert [words for words in told if words not in text] == []
    assert [words for words in untold if words in text] == []


def test_a_task_is_known_by_the_words_that_hooks_have_for_it() -> None:
    from agentkit.integrations.work import told

    task = {"id": "T1", "title": "Read the parser", "by": "ada", "body": {}}
    words = told(task, NAME)

    assert words.startswith("Task T1 was assigned to this session by ada through")
    assert words.endswith(f"agentkit fail T1 'the reason' --agent {NAME}")
    text = " ".join(primer("claude").split())
    assert '"Task T1 was assigned to this session by … through swarmtui: …"' in text


def test_the_skill_is_a_file_that_claude_code_reads(fresh: Any) -> None:
    run = Shell(fresh.home, SWARMTUI_HOME=str(fresh.home))
    skill = run("primer", "--product", "claude", "--skill").stdout
    as_json = json.loads(run("primer", "--json").stdout)
    _, head, body = skill.split("---\n", 2)
    about = yaml.safe_load(head)

    assert about["name"] == "swarm"
    assert 50 < len(about["description"]) <= 1024
    assert body.strip() == primer("claude").strip()
    assert as_json["primer"] == primer()
