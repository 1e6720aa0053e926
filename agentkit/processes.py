"""Whether a process is there."""

import os


def is_running(process: int) -> bool:
    """Say whether a process of this machine has not ended, whoever it belongs to."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
