"""One hub per store: a lock that the system releases when its holder dies."""

import fcntl
import os
from pathlib import Path

from server.store.base import StoreError


class StoreLock:
    """Holds an exclusive lock on the file beside the store.

    The file stays when the lock is gone: removing it would let two hubs lock two files
    of one name.
    """

    def __init__(self, store: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: another hub has it; the text gives its process id.
            OSError: the file cannot be opened or written.
        """
        path = store.with_name(store.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(store)
        except BaseException:
            self.release()
            raise

    def _take(self, store: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip()
            raise StoreError(
                f"the store {store} is in use by the hub with process id "
                f"{holder or 'unknown'}: use that hub, stop it, or name another folder "
                "with --data-dir"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another hub have the store."""
        os.close(self._file)
