"""Every setting of the hub, with its bounds.

A setting has one name everywhere: ``agent_rate`` in the ``[hub]`` section of the files,
``SWARMTUI_AGENT_RATE`` in the environment, ``--agent-rate`` as a flag.
"""
# ruff: noqa: RUF009 -- `setting` is `dataclasses.field` with a few words more

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from agentkit.errors import Invalid
from agentkit.sealing import master_key
from agentkit.settings import (
    file,
    hidden,
    load,
    number,
    one_of,
    paths,
    setting,
    switch,
    text,
    whole,
    words,
)
from server.alerts.facts import ABOUT
from server.alerts.quiet import Quiet, quiet_hours
from server.alerts.targets import addresses, chosen
from server.core.rules import Rules

WEEK = 7 * 86_400
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def _host(raw: Any) -> str:
    """Read a host; the brackets of an IPv6 address belong to its URL alone."""
    host = text(raw).strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host:
        raise ValueError("is empty")
    return host


def _swarm(raw: Any) -> str:
    """Read the name of a swarm: one word that can stand in an address."""
    name = text(raw).strip()
    if not name or any(char in "@*" or char.isspace() for char in name):
        raise ValueError("is not one word without @ and *")
    return name


def _about(raw: Any) -> tuple[str, ...]:
    """Read what alerts are about: some of the few words."""
    said = words(raw)
    if not set(said) <= set(ABOUT):
        raise ValueError(f"has more than {', '.join(ABOUT)}")
    return said


@dataclass(frozen=True)
class Settings:
    """What a hub is started with."""

    SECTION: ClassVar[str] = "hub"

    host: str = setting("127.0.0.1", "The address to listen on.", read=_host)
    port: int = setting(
        8765, "The port to listen on; 0 lets the system choose.", read=whole(0, 65535)
    )
    data_dir: Path | None = setting(
        None, "The folder of the store, the token and the secret.", read=file
    )
    store: str = setting(
        "sqlite", "Where everything is kept.", read=one_of("sqlite", "memory")
    )
    auth: str = setting(
        "token",
        "off makes everybody on this machine an operator; loopback only.",
        read=one_of("token", "off"),
    )
    token_file: Path | None = setting(
        None, "A file with the operator's token; else one is made.", read=file
    )
    seed_api: str = setting(
        "",
        "Who may use the webhook endpoints: everybody (open), holders of a token, "
        "nobody (off); else open on a loopback address and off on any other.",
        read=one_of("open", "token", "off"),
    )
    bridge: tuple[str, ...] = setting(
        (),
        "Brokers over which agents report too, redis:// or nats:// with options behind "
        "a ?; the flag may be given several times.",
        read=words,
        personal=True,
        shown=hidden,
    )
    alerts: tuple[str, ...] = setting(
        (),
        "Where alerts go, as Apprise writes it: slack://, ntfy://, mailto://, json://, "
        "…; the flag may be given several times.",
        read=addresses,
        personal=True,
        shown=hidden,
    )
    alerts_file: Path | None = setting(
        None,
        "A file with more of them, one a line, that only its owner can read.",
        read=file,
        personal=True,
    )
    alerts_about: tuple[str, ...] = setting(
        (), f"What alerts are about: {', '.join(ABOUT)}; else all of it.", read=_about
    )
    alerts_quiet: str = setting(
        "",
        "When only critical requests for help are told, on this machine's clock, as in "
        "22:00-07:00.",
        read=quiet_hours,
    )
    alerts_per_hour: int = setting(
        20,
        "Messages in any hour; what comes up beyond that is gathered into the next.",
        read=whole(1, 1000),
    )
    tls_cert: Path | None = setting(None, "The certificate, in PEM.", read=file)
    tls_key: Path | None = setting(None, "Its key, in PEM.", read=file)
    tls_client_ca: Path | None = setting(
        None,
        "Certificates, in PEM, one of which must have signed each client's.",
        read=file,
    )
    insecure: bool = setting(
        False, "Allow an address that others can reach, without TLS.", read=switch
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), "More names that the hub answers to.", read=words
    )
    allowed_origins: tuple[str, ...] = setting(
        (), "Web pages, as https://host:port, that may talk to the hub.", read=words
    )
    max_connections: int = setting(
        20_000, "WebSockets that may be open at once.", read=whole(1, 1_000_000)
    )
    max_per_client: int = setting(
        1000,
        "Connections that one address may hold open; this machine's are not counted.",
        read=whole(1, 1_000_000),
    )
    client_rate: float = setting(
        500.0,
        "Requests a second that one token may make for long, beside its reports.",
        read=number(0.1, 1e6),
    )
    client_burst: int = setting(
        2000, "Requests that one token may make at once.", read=whole(1, 1_000_000)
    )
    max_body: int = setting(
        MIB, "Bytes that the body of a request may have.", read=whole(KIB, 64 * MIB)
    )
    max_result: int = setting(
        64 * MIB, "Bytes that a result may have.", read=whole(KIB, 64 * GIB)
    )
    max_head: int = setting(
        64 * KIB,
        "Bytes that a request's line and headers may have.",
        read=whole(KIB, MIB),
    )
    max_frame: int = setting(
        MIB, "Bytes that a message of a WebSocket may have.", read=whole(KIB, 64 * MIB)
    )
    request_within: float = setting(
        30.0,
        "Seconds that a request may take to arrive, and its answer to be read on.",
        read=number(0.1, 3600),
    )
    agent_rate: float = setting(
        200.0,
        "Reports a second that one agent may send for long.",
        read=number(0.1, 1e6),
    )
    agent_burst: int = setting(
        1000, "Reports that one agent may send at once.", read=whole(1, 1_000_000)
    )
    bus_rate: float = setting(
        5000.0,
        "Messages a second that one connection may publish on the bus for long.",
        read=number(0.1, 1e6),
    )
    bus_burst: int = setting(
        10_000,
        "Messages that one connection may publish on the bus at once.",
        read=whole(1, 1_000_000),
    )
    hello_within: float = setting(
        10.0,
        "Seconds that a connection may take to say who it is.",
        read=number(0.1, 3600),
    )
    ping_interval: float = setting(
        20.0,
        "Seconds between pings of a connection; one unanswered closes it.",
        read=number(0.1, 3600),
    )
    swarm: str = setting(
        "swarm",
        "What the swarm is called in the addresses of agents, as in name@swarm.",
        read=_swarm,
    )
    escalate_after: float = setting(
        1800.0,
        "Seconds an agent may be blocked before a person is told.",
        read=number(0.1, WEEK),
    )
    lease: float = setting(
        300.0,
        "Seconds an agent's connection may be gone before its grace begins.",
        read=number(0.1, WEEK),
    )
    grace: float = setting(
        30.0, "Seconds from then until the agent is lost.", read=number(0, WEEK)
    )
    task_lease: float = setting(
        300.0,
        "Seconds that a claimed task is its agent's from each sign of life.",
        read=number(1, 86_400),
    )
    max_attempts: int = setting(
        3, "Failed attempts after which a task is dead.", read=whole(1, 1000)
    )
    claim_share: float = setting(
        0.7,
        "The share of the capabilities a task needs that its claimer must have.",
        read=number(0, 1),
    )
    retry_first: float = setting(
        1.0,
        "Seconds that a task waits after its first failed attempt; doubled each time.",
        read=number(0, 86_400),
    )
    retry_most: float = setting(
        300.0,
        "Seconds that a task waits at most before it is tried again.",
        read=number(0, WEEK),
    )
    budget: float = setting(
        0.0,
        "US dollars an agent may spend on one UTC day before it gets no new work; 0 "
        "is no limit.",
        read=number(0, 1e9),
    )
    max_hops: int = setting(
        8,
        "Agents that may hand work on to each other before a person has to give it.",
        read=whole(0, 1000),
    )
    max_mailbox: int = setting(
        10_000,
        "Deliveries that may wait in one mailbox.",
        read=whole(1, 10_000_000),
    )
    mailbox_bytes: int = setting(
        64 * MIB,
        "Bytes of messages that may wait in one mailbox.",
        read=whole(MIB, 2**40),
    )
    keep_days: float = setting(
        7.0,
        "Days that events are kept, and what is settled.",
        read=number(1 / 1440, 36_500),
    )
    keep_size: int = setting(
        1024 * MIB,
        "Bytes that the store may take up; beyond them the oldest events go first.",
        read=whole(MIB, 2**50),
    )
    storage_master_key: str = setting(
        "",
        "What the store is sealed with: long, random and not lost.",
        env=("FAME_STORAGE_MASTER_KEY",),
        personal=True,
        shown=hidden,
    )
    storage_master_key_file: Path | None = setting(
        None, "A file with it.", read=file, personal=True
    )
    storage_master_key_previous: str = setting(
        "",
        "The one before, until swarmtui rekey has run.",
        personal=True,
        shown=hidden,
    )
    embedded: bool = setting(
        False, "End when standard input ends, with whoever started it.", read=switch
    )
    log_level: str = setting(
        "info",
        "The least that is logged.",
        read=one_of("debug", "info", "warning", "error"),
    )

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the hub."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def webhook(self) -> str:
        """Who may use the webhook endpoints: ``open``, ``token`` or ``off``."""
        return self.seed_api or ("open" if self.loopback else "off")

    @property
    def folder(self) -> Path:
        """The folder of the store, the token and the secret."""
        return self.data_dir or paths().database.parent

    @property
    def master_keys(self) -> tuple[str, str]:
        """The store's master key and the one before it; empty where there is none.

        Raises:
            Invalid: one is too short, or its file cannot be read.
        """
        return (
            master_key(self.storage_master_key, self.storage_master_key_file),
            master_key(
                self.storage_master_key_previous, name="storage_master_key_previous"
            ),
        )

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        """Where alerts go: what is set, and what stands in the file.

        Raises:
            Invalid: the file cannot be read, or others can read it.
        """
        return chosen(self.alerts, self.alerts_file)

    @property
    def alerted(self) -> tuple[str, ...]:
        """What alerts are about."""
        return self.alerts_about or ABOUT

    @property
    def quiet(self) -> Quiet | None:
        """The quiet hours, if there are any."""
        return Quiet.read(self.alerts_quiet) if self.alerts_quiet else None

    @property
    def database(self) -> Path:
        """The file of the store, when it is on disk."""
        return self.folder / "hub.db"

    @property
    def rules(self) -> Rules:
        """The numbers that the core decides by."""
        return Rules(
            swarm=self.swarm,
            escalate_after=timedelta(seconds=self.escalate_after),
            lost_after=timedelta(seconds=self.lease + self.grace),
            lease=timedelta(seconds=self.task_lease),
            max_attempts=self.max_attempts,
            claim_share=self.claim_share,
            retry_first=timedelta(seconds=self.retry_first),
            retry_most=timedelta(seconds=self.retry_most),
            budget=self.budget,
            max_hops=self.max_hops,
            max_mailbox=self.max_mailbox,
            mailbox_bytes=self.mailbox_bytes,
        )

    def url(self, port: int) -> str:
        """Return the address under which this machine reaches the hub."""
        scheme = "https" if self.tls_cert else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Fill the settings from flags, environment and files.

    Raises:
        Invalid: a value will not do, or leaves the hub open to others.
    """
    return checked(load(Settings, flags=flags).values)


def checked(settings: Settings) -> Settings:
    """Return settings that are safe together.

    Raises:
        Invalid: they leave the hub open to others; the text says what helps.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise Invalid("--tls-cert and --tls-key go together: give both")
    if settings.tls_client_ca and settings.tls_cert is None:
        raise Invalid("--tls-client-ca takes TLS: give --tls-cert and --tls-key too")
    if settings.loopback:
        return settings
    reach = f"--host {settings.host} can be reached from other machines"
    if settings.tls_cert is None and not settings.insecure:
        raise Invalid(
            f"{reach} and has no TLS: give --tls-cert and --tls-key, or say --insecure"
        )
    if settings.auth == "off" or settings.seed_api == "open":
        raise Invalid(
            f"{reach}, so a token is needed: leave out --auth off and --seed-api open"
        )
    return settings
