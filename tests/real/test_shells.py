"""What a session says in its shell, with agentkit, it says as the agent that it is."""

import json
import sys
from pathlib import Path

import pytest

from tests.real.bench import Bench
from tests.real.dialects import Call

pytestmark = pytest.mark.timeout(400)

PROMPT = "say what it cost"

ALONE = {
    "claude": ("-p", "--allowedTools", "Bash", "--"),
    "codex": (
        *("exec", "--skip-git-repo-check", "--dangerously-bypass-hook-trust"),
        "--dangerously-bypass-approvals-and-sandbox",
    ),
    "copilot": ("--allow-all-tools", "-p"),
    "opencode": ("run",),
    "goose": ("run", "-t"),
}
"""How a prompt is done without anybody in front of it, who would be asked."""

FREE = {"GOOSE_MODE": "auto", "OPENCODE_PERMISSION": '{"bash":"allow"}'}
"""How some are told that nobody is there."""


@pytest.mark.parametrize("word", ALONE)
def test_a_session_that_says_what_it_used_says_it_for_itself(bench: Bench) -> None:
    said = bench.cwd / "said"
    # by its path: Codex starts a login shell, which has a PATH of its own
    line = f"{Path(sys.executable).parent}/agentkit spend --tokens-in 7 --json > {said}"
    bench.agentkit("hooks", "install", bench.program.word)
    bench.environ |= FREE
    call = bench.program.shell(line)
    if bench.program.word == "codex":  # nobody is asked, so it may not ask for more
        call = Call(call.tool, {"cmd": line})
    bench.model.when(PROMPT, call, "It is said.")

    bench.headless(*ALONE[bench.program.word], PROMPT)

    assert json.loads(said.read_text())["agent"] == bench.agent["id"]
    assert bench.agent["tokens_in"] >= 7
