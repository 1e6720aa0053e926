"""Which processes are there."""

import os
import subprocess
import sys

from agentkit.processes import is_running


def test_what_runs_is_told_from_what_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as child:
        assert is_running(child.pid)
    assert not is_running(child.pid)


def test_others_processes_run_too() -> None:
    assert is_running(os.getpid())
    assert is_running(1)


def test_no_process_has_a_number_like_that() -> None:
    assert not is_running(1 << 80)
