"""``agentkit``: where the command starts.

A report takes the short way of `agentkit.quick` whenever it can, and a hook that of
`agentkit.integrations`; whatever is unusual, and every other command, is left to
`agentkit.commands`, which is imported only then.
"""

import sys

from agentkit import quick


def main() -> int:
    """Run the command that the arguments ask for; return its exit code."""
    try:
        return _main(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


def _main(words: list[str]) -> int:
    attempt = quick.Attempt()
    if words and words[0] == "notify" and quick.notify(words[1:], attempt):
        return 0
    if words and words[0] == "hook":
        from agentkit.integrations import hook

        code = hook.main(words[1:])
        if code is not None:
            return code
    from agentkit.commands import run

    return run(words, attempt)
