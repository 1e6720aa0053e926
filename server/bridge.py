"""A bridge to a broker: agents that report there are agents of the hub.

    agent.<id>.<report>   up: what the webhook takes; the subject says who, and which
    agent.<id>.ack        up: everything up to ``seq`` has arrived
    agent.<id>.done       up: ``seq`` was handled
    agent.<id>.dead       up: ``seq`` will not be handled, for a ``reason``
    agent.<id>.fetch      up: what is not done above ``after`` is wanted once more
    mailbox.<id>          down: a delivery, as the WebSocket has it
    refused.<id>          down: what was sent up and not taken, and why
    hub.here              down: the hub has come to the broker, or back

The id is one segment, by `agentkit.subjects.as_segment`. Whoever may publish at the
broker under an agent's subjects is that agent: the broker sees to that.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import urlsplit

import orjson

from agentkit.backoff import delays
from agentkit.errors import AgentkitError, Invalid
from agentkit.subjects import as_segment
from agentkit.traffic import Tapped
from agentkit.transports import Event, Limits, Retry, TransportError, open_transport
from agentkit.transports.base import Courier
from agentkit.transports.broker_agent import HERE
from agentkit.transports.events import DEAD, LINK, Direction, read_event
from agentkit.transports.metrics import Metrics, State
from server.bridge_intake import PATTERN, Intake, code_of
from server.bridge_mail import Carrier
from server.office import Office
from server.taps import shown

TICK: Final = 1.0
"""Seconds between looks at the connection, at who taps, and at mail that is late."""

CHORES: Final = 256
"""Letters and refusals that may be on their way; beyond that they are counted only."""

SCHEMES: Final = ("redis", "rediss", "nats", "tls")
"""What the url of a broker may begin with."""

WAITING: Final = Limits(messages=10_000, bytes=64 << 20)
"""What agents may have said that was not taken in yet.

For what is only looked at too: it takes no time, and must not seem to be lost.
"""

ECHOES: Final = 4096
"""Events of ours that may be on their way back to us, to be known as ours."""

UNTIL_TAKEN: Final = Retry(attempts=2**31, first=0.2, most=5.0)
"""Only while the hub cannot write is anything not taken in at once."""

log = logging.getLogger("swarmtui.hub")


class Bridge:
    """One broker, and what the hub does there.

    Args:
        office: the hub's.
        name: of the bridge; agents that reported over it last have it as their `via`.
        transport: to the broker, not connected.
    """

    def __init__(self, office: Office, name: str, transport: Courier) -> None:
        self.name = name
        self.refused = 0
        """What agents sent and the hub did not take."""
        self.lost = 0
        """Letters and refusals that nobody was told of: they were too many."""
        self._office = office
        self._transport = transport
        self._mail = Carrier(name, office.mailroom, self._post)
        self._intake = Intake(
            office,
            name,
            persistent=transport.persistent,
            fetch=self._mail.fetch,
            refuse=self._refuse,
        )
        self._looking = ""
        """The subscription to everything, while somebody taps."""
        self._sent: OrderedDict[str, str] = OrderedDict()
        """The subject of each event that we published of late, by its id."""
        self._echoes = 0
        self._echoed_bytes = 0
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._chores: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin; if the broker is away, it is asked until it answers."""
        transport, office = self._transport, self._office
        office.links.bridges[self.name] = self.metrics
        office.dead_letters.outlets[self.name] = self._give_back
        transport.observe(self._look_on)
        await transport.overhear(self._overhear)
        name = f"hub of {office.hub.rules.swarm}"
        await transport.subscribe(
            PATTERN, self._intake.take, name=name, limits=WAITING, retry=UNTIL_TAKEN
        )
        await self._mail.open()
        self._tasks = [
            asyncio.create_task(self._connect(), name=f"bridge {self.name}"),
            asyncio.create_task(self._watch(), name=f"watch of {self.name}"),
        ]

    async def close(self) -> None:
        """End; what a broker keeps and was not taken in stays there."""
        self._closing = True
        tasks, self._tasks = [*self._tasks, *self._chores], []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._mail.close()
        await self._transport.disconnect()
        self._office.links.bridges.pop(self.name, None)
        self._office.dead_letters.outlets.pop(self.name, None)

    def metrics(self) -> Metrics:
        """Return the link in figures; what of ours came back to us is not received."""
        figures = self._transport.metrics()
        figures = replace(
            figures,
            name=self.name,
            received=figures.received - self._echoes,
            bytes_in=figures.bytes_in - self._echoed_bytes,
        )
        if self._tasks and figures.state == "closed":
            return replace(figures, state="reconnecting")
        return figures

    # --- the connection ---------------------------------------------------------------

    async def _connect(self) -> None:
        """Connect as soon as the broker is there; the transport stays connected.

        To be cancelled need not end it (see `Connection._reconnect`).
        """
        told = ""
        for pause in delays():
            if self._closing:
                return
            try:
                await self._transport.connect()
            except TransportError as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("the bridge %s has no broker: %s", self.name, told)
                await asyncio.sleep(pause)
            else:
                return

    async def _watch(self) -> None:
        """Tell how the connection is, look on while somebody taps, remind agents."""
        state: State = "reconnecting"
        while True:
            if state != (now := self.metrics().state):
                state = now
                log.info("the bridge %s is %s", self.name, state)
                self._say_here()
            self._mail.remind()
            with suppress(TransportError):
                await self._look_if_wanted()
            await asyncio.sleep(TICK)

    async def _look_if_wanted(self) -> None:
        """Have everything at the broker go by while somebody taps.

        A broker that keeps events would keep them all for us: there only what is for
        the hub is seen.
        """
        wanted = bool(self._office.taps) and not self._transport.persistent
        if wanted and not self._looking:
            self._looking = await self._transport.subscribe(
                "**", _pass_by, name="taps", limits=WAITING
            )
        elif self._looking and not wanted:
            looking, self._looking = self._looking, ""
            await self._transport.unsubscribe(looking)

    # --- what goes down ---------------------------------------------------------------

    async def _post(self, agent: str, data: Mapping[str, Any]) -> None:
        """Publish mail of an agent.

        Raises:
            TransportError: the broker did not take it.
        """
        await self._publish(Event(f"mailbox.{as_segment(agent)}", data, source="hub"))

    async def _publish(self, event: Event) -> None:
        """Publish an event and remember it: its echo may be here before the reply is.

        Raises:
            TransportError: the broker did not take it.
        """
        self._sent[event.id] = event.name
        if len(self._sent) > ECHOES:
            self._sent.popitem(last=False)
        await self._transport.publish(event)

    def _say_here(self) -> None:
        """Have agents say how they are, if nobody kept it for us."""
        if self.metrics().state == "connected" and not self._transport.persistent:
            swarm = {"swarm": self._office.hub.rules.swarm}
            self._run(self._publish(Event(HERE, swarm, source="hub")))

    def _refuse(self, event: Event, refusal: AgentkitError) -> None:
        """Tell an agent what was not taken of what it published."""
        self.refused += 1
        log.debug("%s was not taken over %s: %s", event.name, self.name, refusal)
        _, agent, _ = event.name.split(".")
        data = {
            "subject": event.name,
            "event": event.id,
            "code": code_of(refusal),
            "detail": str(refusal),
        }
        refused = Event(f"refused.{agent}", data, source="hub")
        self._run(self._publish(refused))

    # --- what others tell -------------------------------------------------------------

    def _overhear(self, event: Event) -> None:
        """Take in letters and figures of the transports at the broker."""
        if event.name == DEAD:
            bury = self._office.dead_letters.bury
            self._run(bury(self.name, _named(event.source), event.data))
        elif event.name == LINK and event.source != self._transport.name:
            self._office.links.tell(self.name, _named(event.source), event.data)

    def _give_back(self, event: Mapping[str, Any]) -> None:
        """Publish that a letter is requeued."""
        self._run(self._transport.tell(read_event(event)))

    def _look_on(self, direction: Direction, event: Event, size: int) -> None:
        """Show what goes by to whoever taps, and what we published once only."""
        if direction == "in" and self._is_echo(event):
            self._echoes += 1
            self._echoed_bytes += size
            return
        if not self._office.taps:
            return
        top, _, rest = event.name.partition(".")
        tapped = Tapped(
            at=self._office.hub.now(),
            link=self.name,
            direction=direction,
            subject=event.name,
            id=_named(event.id),
            source=_named(event.source),
            to=rest if direction == "out" and top in ("mailbox", "refused") else "",
            size=size,
            data=_shown(event.data),
        )
        self._office.taps.see(tapped)

    def _is_echo(self, event: Event) -> bool:
        """Say whether we published an event, and it was not back yet."""
        if self._sent.get(event.id) != event.name:
            return False
        del self._sent[event.id]
        return True

    def _run(self, chore: Coroutine[Any, Any, None]) -> None:
        if len(self._chores) >= CHORES:
            self.lost += 1
            chore.close()
            return
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AgentkitError):
            self.lost += 1
            log.info("over %s not everything was told: %s", self.name, error)
        elif error is not None:
            log.error("the bridge %s failed", self.name, exc_info=error)


def bridges_of(office: Office) -> list[Bridge]:
    """Return the bridges that the settings ask for, not open.

    The first to Redis is called ``redis``, the next one ``redis-2``.

    Raises:
        Invalid: a url leads to no broker, or has an option that there is not, or is
            said twice.
        TransportError: the package for it is not installed.
    """
    counts: Counter[str] = Counter()
    bridges = []
    for url in office.settings.bridge:
        if (scheme := urlsplit(url).scheme) not in SCHEMES:
            raise Invalid(
                f"a bridge cannot lead to {scheme or 'nowhere'}: write --bridge with a "
                f"url that begins with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}"
            )
        transport = cast(Courier, open_transport(url))
        if office.settings.bridge.count(url) > 1:
            raise Invalid(
                f"the bridge to {transport.metrics().url} is there twice, and would "
                "take in every report twice: write --bridge once for it"
            )
        counts[transport.kind] += 1
        number = counts[transport.kind]
        name = transport.kind if number == 1 else f"{transport.kind}-{number}"
        bridges.append(Bridge(office, name, transport))
    return bridges


async def _pass_by(_: Event) -> None:
    """Do nothing: it was looked at as it arrived."""


def _named(said: str) -> str:
    """Return what somebody at the broker calls something, as it can be told on."""
    return said[:256].encode(errors="replace").decode()


def _shown(data: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Return what is shown of an event's data, which may be what nobody can tell on."""
    try:
        return shown(data)
    except orjson.JSONEncodeError:
        return str(data)[:1000].encode(errors="replace").decode()
