"""What is left when the dashboard meets an error nobody expected: a file."""

import traceback
from datetime import datetime
from pathlib import Path


def write_crash(error: BaseException, folder: Path, at: datetime) -> Path | None:
    """Write an error with its traceback into a folder and return the file.

    Returns None when the folder cannot be written: then there is nothing to point to.
    """
    path = folder / f"crash-{at:%Y%m%dT%H%M%S}.log"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return None
    return path


def last_words(error: BaseException, path: Path | None) -> str:
    """Return the one sentence that is said on leaving."""
    kind = type(error).__name__
    if path is None:
        return f"swarmtui stopped: an unexpected {kind}, and its log cannot be written."
    return f"swarmtui stopped: an unexpected {kind}; please report {path}."
