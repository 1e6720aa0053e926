"""A Redis server of a test's own, that can be killed and started again."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

BESIDE = Path(sys.executable).parent / "redis-server"
PROGRAM = str(BESIDE) if BESIDE.exists() else BESIDE.name

READY = b"Ready to accept connections"


class RedisServer:
    """A server on loopback that keeps its port, and its folder if it is durable.

    It is used in a ``with``, which starts and ends it.

    Args:
        folder: an existing one, for what it writes.
        durable: whether what it was told outlives its being killed.
        password: what the default user needs, if anything.
        users: rules of further users, as in ``worker on >secret ~* &* +@all``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = False,
        password: str = "",
        users: tuple[str, ...] = (),
    ) -> None:
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"redis://{self.address}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            *(PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(folder), "--save", ""),
            *("--appendonly", "yes" if durable else "no", "--appendfsync", "everysec"),
            *(["--requirepass", password] if password else []),
            *(word for user in users for word in ("--user", *user.split())),
        ]

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self._process.stdout
        said = b""
        for line in self._process.stdout:
            said += line
            if READY in line:
                return
        self.kill()
        raise RuntimeError(f"redis-server did not start: {said.decode()}")

    def kill(self) -> None:
        """End it as a power switch would; what was not on disk is gone."""
        self._end(subprocess.Popen.kill)

    def stop(self) -> None:
        """Let it end in order."""
        self._end(subprocess.Popen.terminate)

    def freeze(self) -> None:
        """Let it keep its connections and do nothing any more."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is None:
            return
        how(self._process)
        self._process.communicate()
        self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
