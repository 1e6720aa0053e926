"""Starts, announces, drains and stops the hub as a process of its own."""

import asyncio
import json
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvicorn
import uvloop

from agentkit import __version__
from agentkit.errors import AgentkitError, HubError
from agentkit.settings import paths, private_folder
from server.auth import Gate, Keys
from server.connection import Connection
from server.edge import Edge
from server.hub import Hub
from server.limits import Rates
from server.lines import Lines
from server.mailroom import Mailroom
from server.office import Office
from server.ports import who_holds
from server.pulse import Pulse
from server.settings import Settings, load_settings
from server.store.base import Store
from server.store.memory import MemoryStore
from server.store.sqlite import SQLiteStore
from server.watchers import Watchers

BACKLOG: Final = 4096
DRAIN: Final = 5
"""Seconds that open requests may take to end when the hub stops."""

log = logging.getLogger("swarmtui.hub")


class CannotServeError(HubError):
    """The hub cannot start; the text says why and what helps."""

    code = "cannot_serve"


async def serve(settings: Settings) -> None:
    """Run a hub until SIGTERM or SIGINT, or until standard input ends if embedded.

    Raises:
        CannotServeError: the address cannot be listened on, or a file not be used.
        StoreError: the store cannot be opened.
    """
    listener = listen(settings)
    hub = Hub(
        make_store(settings),
        rules=settings.rules,
        version=__version__,
    )
    try:
        keys = _keys(settings)
        await hub.start()
    except BaseException:
        listener.close()
        raise
    try:
        office = furnish(settings, hub, keys)
        office.url = settings.url(listener.getsockname()[1])
        await run(office, listener, keys)
    finally:
        await hub.stop()
        log.info("stopped")


async def run(office: Office, listener: socket.socket, keys: Keys) -> None:
    """Answer on a socket until told to stop, and announce it meanwhile."""
    pulse = Pulse(office)
    server = Server(office)
    await office.mailroom.open()
    try:
        with _told_to_stop(server), _announced(office, keys):
            if office.settings.embedded:
                await _end_with_stdin(server)
            pulse.start()
            log.info("ready", extra={"url": office.url})
            await server.serve(sockets=[listener])
    finally:
        pulse.stop()
        await office.mailroom.close()


def furnish(settings: Settings, hub: Hub, keys: Keys) -> Office:
    """Put together what the endpoints share."""
    gate = Gate(
        keys,
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        anyone=settings.auth == "off",
    )
    rates = Rates(settings.agent_rate, settings.agent_burst)
    return Office(hub, settings, gate, Mailroom(hub), Watchers(), rates)


def make_store(settings: Settings) -> Store:
    """Return the store that the settings ask for."""
    if settings.store == "memory":
        return MemoryStore()
    return SQLiteStore(settings.folder / "hub.db")


def listen(settings: Settings) -> socket.socket:
    """Bind the address.

    Raises:
        CannotServeError: it cannot be had; the text says who holds it.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if _is_taken(error):
            raise CannotServeError(who_holds(*address)) from None
        raise CannotServeError(
            f"{settings.host}:{settings.port} cannot be listened on "
            f"({error.strerror}): choose another with --host and --port"
        ) from None


class Server(uvicorn.Server):
    """uvicorn, without its own idea of signals and logs."""

    def __init__(self, office: Office) -> None:
        settings = office.settings
        self._office = office
        super().__init__(
            uvicorn.Config(
                Edge(office),
                http=Lines,
                ws=Connection,
                ws_max_size=1 << 20,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                limit_concurrency=settings.max_connections + 1000,
                timeout_graceful_shutdown=DRAIN,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
            )
        )
        try:
            self.config.load()
        except OSError as error:
            raise CannotServeError(
                f"{settings.tls_cert} and {settings.tls_key} are not a certificate and "
                f"its key in PEM ({error.strerror or error}): check both files"
            ) from None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what waits, then let uvicorn end the rest."""
        self._office.release()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`: a hub that was told to stop has not failed."""
        yield


def _keys(settings: Settings) -> Keys:
    try:
        return Keys.load(settings.folder, settings.token_file)
    except OSError as error:
        raise CannotServeError(
            f"{error.filename or settings.folder} cannot be used ({error.strerror}): "
            "make it writable with room on its disk, or choose another folder with "
            "--data-dir"
        ) from None
    except ValueError as error:
        raise CannotServeError(str(error)) from None


def _is_taken(error: OSError) -> bool:
    return "in use" in (error.strerror or str(error)).lower()


# --- the announcement ----------------------------------------------------------------


@contextmanager
def _announced(office: Office, keys: Keys) -> Iterator[None]:
    """Tell this user's programs where the hub is, and with which token, in hub.json."""
    path = paths().hub_file
    mine = {
        "url": office.url,
        "token": keys.operator,
        "pid": os.getpid(),
        "version": __version__,
        "started": office.hub.started.isoformat(),
    }
    _write_privately(path, json.dumps(mine))
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if json.loads(path.read_text()) == mine:
                path.unlink()


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


# --- the end -------------------------------------------------------------------------


@contextmanager
def _told_to_stop(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop() -> None:
        # A second signal does not wait for open requests.
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _end_with_stdin(server: uvicorn.Server) -> None:
    """Stop when whoever started us closes our standard input, or ends."""

    class Lifeline(asyncio.Protocol):
        def connection_lost(self, _exc: Exception | None) -> None:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(Lifeline, sys.stdin)


# --- the process ---------------------------------------------------------------------


class JsonLines(logging.Formatter):
    """One object of JSON per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if "url" in record.__dict__:
            line["url"] = record.__dict__["url"]
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_to_stderr(level: str) -> None:
    """Log as lines of JSON; uvicorn's news of every connection is left out."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def allow_many_connections() -> None:
    """Raise the number of open files to what this system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(flags: Mapping[str, Any] | None = None) -> int:
    """Run a hub with settings from flags, environment and files; return an exit code.

    0 after a stop that was asked for, else that of the error, told in one sentence on
    standard error.
    """
    try:
        settings = load_settings(flags)
        log_to_stderr(settings.log_level)
        allow_many_connections()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except AgentkitError as error:
        print(f"swarmtui serve: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception:
        log.exception("the hub ended on an error of its own")
        return 1
    return 0
