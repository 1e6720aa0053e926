"""A NATS server of our own: a process on a free port, which a test may kill."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

BINARY = Path(sys.executable).with_name("nats-server")
LISTENS = "Listening for client connections on "
READY = "Server is ready"
WITHIN = 20.0
"""Seconds that a start may take on a busy machine."""


class NatsServer:
    """One server and the folder of its configuration, its log and its streams.

    The port is picked at the first start and kept afterwards, so that clients find the
    server again after `restart`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        streams: bool = False,
        user: str = "",
        password: str = "",
        tls: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.scheme = "tls" if tls else "nats"
        self.login = f"{user}:{password}@" if user else ""
        self.port = -1
        self.log: list[str] = []
        self.settings: dict[str, Any] = {"host": "127.0.0.1", **more}
        if streams:
            self.settings["jetstream"] = {"store_dir": str(folder / "streams")}
        if user:
            self.settings["authorization"] = {"user": user, "password": password}
        if tls:
            self.settings["tls"] = dict(tls)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.login}{self.address}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    def start(self) -> Self:
        """Start, and return when clients are served."""
        config = self.folder / "nats.conf"
        config.write_text(json.dumps({"port": self.port, **self.settings}))
        self.process = subprocess.Popen(
            [BINARY, "--config", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log, ready = [], Event()
        self._reader = Thread(target=self._read, args=(ready,), daemon=True)
        self._reader.start()
        ready.wait(WITHIN)
        said = next((line for line in self.log if LISTENS in line), "")
        assert READY in str(self.log), f"nats-server did not start: {self.log}"
        self.port = int(said.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """Let it end in peace; nothing happens when it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut of the process would: without a last word."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same port, with the same streams."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Let it keep its connections and do nothing any more."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self.runs:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
        self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self, ready: Event) -> None:
        """Keep what it logs, and tell when it serves or has ended."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            if READY in line:
                ready.set()
        ready.set()
