"""``agentkit hook`` against curl posting a report, as whole processes.

    uv run benchmarks/hooks.py [--rounds 50] [--quick]

Starts a hub of its own and runs the candidates in turn, so that noise meets all alike:
a prompt is one report and a look at the mailbox, the end of a turn is that and a claim,
a tool is told of once a minute and otherwise looked at here alone. Prints the median of
each in milliseconds and its ratio to curl. Bytecode is compiled.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from compileall import compile_dir
from pathlib import Path
from typing import Final

from figures import machine, table, verdict
from oneshot import SCRIPT, hub

import agentkit

BAR: Final = 3.0
"""How many times as long as curl a hook may take."""

SAID: Final[dict[str, tuple[str, str, dict[str, object]]]] = {
    "a prompt": ("claude", "UserPromptSubmit", {"prompt": "mend the fence"}),
    "a tool": ("claude", "PostToolUse", {"tool_name": "Bash"}),
    "the end of a turn": ("claude", "Stop", {"stop_hook_active": False}),
    "a prompt of Codex": ("codex", "UserPromptSubmit", {"prompt": "mend the fence"}),
    "a tool of Codex": ("codex", "PostToolUse", {"tool_name": "shell"}),
    "the end of a turn of Codex": ("codex", "Stop", {"stop_hook_active": False}),
    "a prompt of Gemini CLI": ("gemini", "BeforeAgent", {"prompt": "mend the fence"}),
    "a tool of Gemini CLI": ("gemini", "AfterTool", {"tool_name": "shell"}),
    "the end of a turn of Gemini CLI": ("gemini", "AfterAgent", {}),
}
"""Of which product, which event, and what goes with it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if shutil.which("curl") is None:
        print("curl is not installed: there is nothing to compare with")
        return 1
    compile_dir(Path(agentkit.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as home, hub(Path(home)) as (url, token):
        environ = {**os.environ, "SWARMTUI_HOME": home}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        commands = candidates(url, token)
        times = measure(commands, environ, 10 if args.quick else args.rounds)
    print(machine())
    told(times)
    return 0


def candidates(url: str, token: str) -> dict[str, tuple[list[str], str]]:
    """Return the command lines to compare, each with its standard input."""
    body = json.dumps({"report": "busy", "task": "T1", "via": "http"})
    script = Path(sys.executable).with_name("agentkit")
    command = [str(script)] if script.exists() else [sys.executable, "-c", SCRIPT]
    session = {"session_id": "5e551011-0000-benchmark", "cwd": str(Path.cwd())}
    return {
        "curl": (
            [
                *("curl", "-sf", "-o", os.devnull, "-d", "@-"),
                *("-H", f"Authorization: Bearer {token}"),
                *("-H", "Content-Type: application/json"),
                f"{url}/v1/agents/curl/status",
            ],
            body,
        ),
        "python -c pass": ([sys.executable, "-c", "pass"], ""),
        **{
            name: (
                [*command, "hook", product],
                json.dumps({**session, "hook_event_name": event, **said}),
            )
            for name, (product, event, said) in SAID.items()
        },
    }


def measure(
    commands: dict[str, tuple[list[str], str]], environ: dict[str, str], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each command, round by round but for the first."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, (command, said) in commands.items():
            start = time.perf_counter()
            subprocess.run(command, env=environ, input=said.encode(), check=True)
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def told(times: dict[str, list[float]]) -> None:
    """Print the medians and ratios, and whether the bar was met."""
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    ratios = {name: median / medians["curl"] for name, median in medians.items()}
    rows = [
        (name, f"{medians[name] * 1000:.1f}", f"{ratios[name]:.2f}") for name in times
    ]
    print(table(("one process", "ms", "x curl"), rows))
    for name in SAID:
        claim = f"a hook for {name} takes at most {BAR:g} x curl: {ratios[name]:.2f}"
        print(verdict(claim, holds=ratios[name] <= BAR))


if __name__ == "__main__":
    sys.exit(main())
