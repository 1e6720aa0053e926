"""A hub of a test session's own, that can be killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

from agentkit.settings import Endpoint

HOST: Final = "127.0.0.1"


class HubServer:
    """A hub on loopback, in a process, that keeps its port and its folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        with socket.create_server((HOST, 0)) as listener:
            self._port: int = listener.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it is, with the operator's token."""
        found = json.loads((self._home / "hub.json").read_text())
        return Endpoint(found["url"], found["token"])

    def start(self) -> None:
        """Start it unless it runs, and wait until it says that it is ready."""
        if self._process is not None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "--port", str(self._port)],
            env={**os.environ, "SWARMTUI_HOME": str(self._home)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if '"ready"' in line:
                return
        raise AssertionError(f"the hub ended with {self._process.wait()}")

    def kill(self) -> None:
        """End it without a word to anybody."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
            assert process.stderr is not None
            process.stderr.close()
