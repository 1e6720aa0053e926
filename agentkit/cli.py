"""``agentkit``: where the command starts.

A report takes the short way of `agentkit.quick` whenever it can; whatever is unusual,
and every other command, is left to `agentkit.commands`, which is imported only then.
"""

import os
import sys
import time

BUDGET = 1.0
"""Seconds that a report may keep its caller waiting, whatever the hub does."""


def main() -> int:
    """Run the command that the arguments ask for; return its exit code."""
    try:
        return _main(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _main(words: list[str]) -> int:
    key, deadline = os.urandom(16).hex(), time.monotonic() + BUDGET
    if words and words[0] == "notify":
        from agentkit import quick

        if quick.notify(words[1:], key, deadline):
            return 0
    from agentkit.commands import run

    return run(words, key=key, deadline=deadline)
