"""``agentkit notify busy T`` against curl doing the same POST, as whole processes.

    uv run benchmarks/oneshot.py [--rounds 100]

Starts a hub of its own and runs the candidates in turn, so that noise meets all alike.
Prints the median of each in milliseconds and its ratio to curl. Bytecode is compiled.
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
from collections.abc import Iterator
from compileall import compile_dir
from contextlib import contextmanager
from pathlib import Path

import agentkit

SCRIPT = "import sys; from agentkit.cli import main; sys.exit(main())"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    if shutil.which("curl") is None:
        print("curl is not installed: there is nothing to compare with")
        return 1
    compile_dir(Path(agentkit.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as home, hub(Path(home)) as (url, token):
        environ = {**os.environ, "SWARMTUI_HOME": home}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        times = measure(candidates(url, token), environ, rounds)
    reference = statistics.median(times["curl"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:24} {median * 1000:7.2f} ms  {median / reference:5.2f} x curl")
    return 0


def candidates(url: str, token: str) -> dict[str, list[str]]:
    """Return the command lines to compare."""
    body = json.dumps({"report": "busy", "task": "T1", "via": "http"})
    script = Path(sys.executable).with_name("agentkit")
    command = [str(script)] if script.exists() else [sys.executable, "-c", SCRIPT]
    return {
        "curl": [
            *("curl", "-sf", "-o", os.devnull, "-d", body),
            *("-H", f"Authorization: Bearer {token}"),
            *("-H", "Content-Type: application/json"),
            f"{url}/v1/agents/curl/status",
        ],
        "python -c pass": [sys.executable, "-c", "pass"],
        "agentkit notify busy T1": [*command, "notify", "busy", "T1", "--agent", "a1"],
    }


def measure(
    commands: dict[str, list[str]], environ: dict[str, str], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each command, round by round but for the first."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, env=environ, check=True)
            if number:
                times[name].append(time.perf_counter() - start)
    return times


@contextmanager
def hub(home: Path) -> Iterator[tuple[str, str]]:
    """Run a hub in a folder of its own; yield its address and token."""
    command = [sys.executable, "-m", "server", "--port", "0", "--data-dir", str(home)]
    environ = {**os.environ, "SWARMTUI_HOME": str(home)}
    with (home / "hub.log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stderr=log)
    try:
        while not (home / "hub.json").exists():
            if process.poll() is not None:
                sys.exit((home / "hub.log").read_text())
            time.sleep(0.05)
        found = json.loads((home / "hub.json").read_text())
        yield found["url"], found["token"]
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
