"""Check an installed wheel as a user has it: what is in it, and that it works.

Run by the interpreter of a fresh environment, outside of the checkout:

    python check_wheel.py dist/swarmtui-0.1.0-py3-none-any.whl
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

BIN = Path(sys.executable).parent
PACKAGES = {"agentkit", "server", "swarmtui"}
PATIENCE = 30.0


def main() -> None:
    """Check everything, or leave with what is wrong."""
    contents(Path(sys.argv[1]))
    with TemporaryDirectory() as home:
        os.environ["SWARMTUI_HOME"] = home
        commands(Path(home))
    sys.stdout.write("the wheel is whole and works\n")


def contents(wheel: Path) -> None:
    """Check that the three packages are in it, whole, and nothing else."""
    names = set(ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    expect(
        {top for top in tops if not top.endswith(".dist-info")} == PACKAGES,
        f"other packages than {PACKAGES} are in the wheel: {tops}",
    )
    for package in PACKAGES:
        expect(
            f"{package}/py.typed" in names, f"{package}/py.typed is not in the wheel"
        )
    expect(any(name.endswith(".tcss") for name in names), "no .tcss is in the wheel")
    expect(
        any(name.endswith("licenses/LICENSE") for name in names),
        "the licence is not in the wheel",
    )


def commands(home: Path) -> None:
    """Check that the two commands start, and that a report reaches a hub."""
    expect(said("swarmtui", "--version").startswith("swarmtui "), "no version")
    with hub(home):
        said("agentkit", "notify", "busy", "T1", "--agent", "a1")
        listed = json.loads(said("swarmtui", "agents", "--json"))["agents"]
    expect(
        [(agent["id"], agent["status"], agent["task"]) for agent in listed]
        == [("a1", "busy", "T1")],
        f"one report should make one busy agent, not {listed}",
    )


@contextmanager
def hub(home: Path) -> Iterator[None]:
    """Run a hub until the end of the block."""
    with subprocess.Popen([BIN / "swarmtui", "serve", "--port", "0"]) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not (home / "hub.json").exists():
                expect(process.poll() is None, "the hub ended at once")
                expect(time.monotonic() < end, "the hub does not announce itself")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
    expect(process.returncode == 0, f"the hub left with {process.returncode}")


def said(command: str, *args: str) -> str:
    """Run a command of the wheel and return its standard output."""
    done = subprocess.run(
        [BIN / command, *args], check=False, capture_output=True, text=True
    )
    expect(done.returncode == 0, f"{command} {args}: {done.stdout}{done.stderr}")
    return done.stdout


def expect(holds: bool, otherwise: str) -> None:
    """Leave with a sentence unless something holds."""
    if not holds:
        sys.exit(f"check_wheel: {otherwise}")


if __name__ == "__main__":
    main()
