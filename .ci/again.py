"""Run the few tests that failed once more, one after the other, and nothing beside.

Screens and processes of a test run share the machine with hundreds of others, so that
one of them may be late once. What draws its cases at random is not tried again: another
case would say nothing of the one that failed.

    .venv/bin/python .ci/again.py      # after a test run; fails unless all pass now
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
FAILED: Final = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
MOST: Final = 3
"""More than so many at once are no accident."""

LATE: Final = (
    "tests/integration/",
    "tests/contract/",
    "tests/snapshot/",
    "tests/unit/swarmtui/",
)
"""Where a test may have been late."""

RANDOM: Final = ("fuzz", "kill", "propert", "restarts")
"""What is in the names of modules there that draw at random."""


def main() -> None:
    """Decide what to run again, and do."""
    failed = list(json.loads(FAILED.read_text())) if FAILED.exists() else []
    final = [name for name in failed if not may_be_late(name)]
    if not failed or final or len(failed) > MOST:
        sys.exit(f"{len(failed)} failed, and nothing of it is tried again")
    command = [sys.executable, "-m", "pytest", "-n", "0", *failed]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def may_be_late(name: str) -> bool:
    """Say whether a test may have failed because the machine was busy."""
    module = name.split("::", maxsplit=1)[0]
    return module.startswith(LATE) and not any(word in module for word in RANDOM)


if __name__ == "__main__":
    main()
