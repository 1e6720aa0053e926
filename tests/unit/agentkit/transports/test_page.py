"""What docs/transports.md shows works."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from agentkit.transports.limits import Policy

PAGE = (Path(__file__).parents[4] / "docs" / "transports.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_program_of_the_page_runs(block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_has_each_policy() -> None:
    for policy in get_args(Policy):
        assert f"| `{policy}` |" in PAGE
