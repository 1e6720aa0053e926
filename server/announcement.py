"""The announcement: tells this user's programs where the hub is, and its token."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agentkit.settings import private_folder
from server.errors import CannotServeError


class Announcement:
    """``hub.json`` while the hub runs; only this user can read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: dict[str, object] = {}

    def publish(self, said: Mapping[str, object]) -> None:
        """Say this from now on, beside what was said already.

        Raises:
            CannotServeError: the file cannot be written.
        """
        self._said = {**self._said, **said}
        _write_privately(self._path, json.dumps(self._said))

    def withdraw(self) -> None:
        """Say no more, unless another hub speaks there now."""
        with suppress(OSError, ValueError):
            if json.loads(self._path.read_text()) == self._said:
                self._path.unlink()


def _write_privately(path: Path, text: str) -> None:
    """Replace a file, at once, by one that only this user can read."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        private_folder(path.parent)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise CannotServeError(
            f"{path} cannot be written ({error.strerror}): make its folder writable "
            "with room on its disk, or choose another with SWARMTUI_HOME"
        ) from None
