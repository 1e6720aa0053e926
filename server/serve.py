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
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import uvicorn
import uvloop

from agentkit import __version__
from agentkit.errors import AgentkitError
from agentkit.settings import paths
from server.alerts.desk import desk_of
from server.announcement import Announcement
from server.auth import Gate, Keys
from server.bridge import bridges_of
from server.connection import Connection
from server.edge import Edge
from server.errors import CannotServeError
from server.hub import Hub
from server.keyring import Keyring
from server.limits import Crowd, Rates
from server.lines import Lines
from server.mailroom import Mailroom
from server.office import Office
from server.ports import who_holds
from server.pulse import Pulse
from server.retention import Retention
from server.settings import Settings, load_settings
from server.store.base import Store
from server.store.memory import MemoryStore
from server.store.sqlite import SQLiteStore
from server.tls import Tls
from server.visits import Visits
from server.watchers import Watchers

BACKLOG: Final = 4096
SPARE: Final = 1000
"""Connections for plain requests that are open beside the WebSockets."""

DRAIN: Final = 5
"""Seconds that open requests may take to end when the hub stops."""

IDLE: Final = 20
"""Seconds that a connection stays open between two requests: longer than clients keep
theirs, most of them 5, or one would send into a connection that is being closed."""

log = logging.getLogger("swarmtui.hub")


async def serve(settings: Settings) -> None:
    """Run a hub until SIGTERM or SIGINT, or until standard input ends if embedded.

    Raises:
        CannotServeError: the address cannot be listened on, or a file not be used.
        StoreError: the store cannot be opened.
    """
    tls = Tls.of(settings)
    hub = Hub(
        make_store(settings),
        rules=settings.rules,
        version=__version__,
    )
    listener = listen(settings)
    try:
        keys = _keys(settings)
        await hub.start()
    except BaseException:
        listener.close()
        raise
    try:
        office = furnish(settings, hub, keys)
        office.url = settings.url(listener.getsockname()[1])
        await run(office, listener, tls)
    finally:
        await hub.stop()
        log.info("stopped")


async def run(office: Office, listener: socket.socket, tls: Tls | None) -> None:
    """Answer on a socket until told to stop, and announce it meanwhile."""
    pulse = Pulse(office)
    retention = Retention(
        office.hub,
        timedelta(days=office.settings.keep_days),
        office.settings.keep_size,
        office.results.sweep,
    )
    server = Server(office, tls)
    bridges = bridges_of(office)
    alerts = desk_of(office)
    await office.keyring.open(office.hub)
    await office.open()
    try:
        for bridge in bridges:
            await bridge.open()
        if alerts:
            await alerts.open()
        with (
            _told_to_stop(server),
            _announced(office, tls),
            _told_to_renew(office, tls),
        ):
            if office.settings.embedded:
                await _end_with_stdin(server)
            pulse.start()
            retention.start()
            log.info("ready", extra={"url": office.url})
            await server.serve(sockets=[listener])
    finally:
        pulse.stop()
        await retention.stop()
        await asyncio.gather(*(bridge.close() for bridge in bridges))
        if alerts:
            await alerts.close()
        await office.mailroom.close()


def furnish(settings: Settings, hub: Hub, keys: Keys) -> Office:
    """Put together what the endpoints share."""
    visits = Visits()
    keyring = Keyring(keys, visits, hub.now)
    gate = Gate(
        keyring.identify,
        hosts=settings.allowed_hosts,
        origins=settings.allowed_origins,
        anyone=settings.auth == "off",
    )
    return Office(
        hub=hub,
        settings=settings,
        gate=gate,
        keyring=keyring,
        visits=visits,
        mailroom=Mailroom(hub),
        watchers=Watchers(),
        agent_rates=Rates(settings.agent_rate, settings.agent_burst),
        client_rates=Rates(settings.client_rate, settings.client_burst),
        crowd=Crowd(settings.max_connections + SPARE, settings.max_per_client),
        announcement=Announcement(paths().hub_file),
    )


def make_store(settings: Settings) -> Store:
    """Return the store that the settings ask for."""
    if settings.store == "memory":
        return MemoryStore()
    master, previous = settings.master_keys
    return SQLiteStore(settings.database, master=master, previous=previous)


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
    """uvicorn, without its own idea of connections, signals and logs."""

    def __init__(self, office: Office, tls: Tls | None) -> None:
        self._office = office
        self._tls = tls
        self.servers: list[asyncio.base_events.Server] = []
        super().__init__(
            uvicorn.Config(
                Edge(office),
                ws=Connection,
                ws_max_size=office.settings.max_frame,
                ws_ping_interval=None,
                ws_per_message_deflate=False,
                lifespan="off",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=DRAIN,
                timeout_keep_alive=IDLE,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets."""
        loop = asyncio.get_running_loop()
        within = self._office.settings.request_within

        def line() -> Lines:
            return Lines(self._office, self.config, self.server_state, loop)

        for listener in sockets or ():
            server = await loop.create_server(
                line,
                sock=listener,
                ssl=self._tls.context if self._tls else None,
                ssl_handshake_timeout=within if self._tls else None,
                backlog=BACKLOG,
            )
            self.servers.append(server)
        self.started = True

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


@contextmanager
def _announced(office: Office, tls: Tls | None) -> Iterator[None]:
    """Tell this user's programs where the hub is, and with which token, in hub.json."""
    office.announcement.publish(
        {
            "url": office.url,
            "token": office.keyring.keys.operator,
            "pid": os.getpid(),
            "version": __version__,
            "started": office.hub.started.isoformat(),
            **({"certificate": tls.certificate} if tls else {}),
        }
    )
    try:
        yield
    finally:
        office.announcement.withdraw()


@contextmanager
def _told_to_renew(office: Office, tls: Tls | None) -> Iterator[None]:
    """Read the certificate again on SIGHUP, which ends a hub without TLS as usual.

    On a terminal SIGHUP says that the terminal is gone, and nothing else.
    """
    if tls is None or sys.stdin.isatty():
        yield
        return

    def renew() -> None:
        try:
            tls.renew()
            office.announcement.publish({"certificate": tls.certificate})
        except CannotServeError as error:
            log.error("the certificate was not renewed: %s", error)  # noqa: TRY400
        else:
            log.info("the certificate was renewed")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, renew)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


# --- the end -------------------------------------------------------------------------


@contextmanager
def _told_to_stop(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop(number: signal.Signals) -> None:
        # A second signal does not wait for open requests.
        again = server.force_exit = server.should_exit
        server.should_exit = True
        waits = "" if again else "; finishing what is open, a second signal does not"
        log.info("told to stop by %s%s", number.name, waits)

    for number in signals:
        loop.add_signal_handler(number, stop, number)
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


TOLD: Final = ("url", "address", "what", "code", "reason", "count")
"""What a record may have beside its text."""


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
        said = record.__dict__
        line |= {name: said[name] for name in TOLD if name in said}
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
