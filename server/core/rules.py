"""The numbers that the core decides by."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """Times, shares and sizes; every one is a setting of the hub."""

    swarm: str = "swarm"
    """What the swarm is called in addresses: ``name@swarm``."""
    escalate_after: timedelta = timedelta(minutes=30)
    """How long an agent may stay blocked before a person is told (IF.notify)."""
    lost_after: timedelta = timedelta(seconds=330)
    """How long an agent's WebSocket may stay away: a lease of 300 s and a grace."""
    lease: timedelta = timedelta(seconds=300)
    """How long a lease on a task lasts from each sign of life, unless asked for more
    or less."""
    max_attempts: int = 3
    """After how many failed attempts a task is dead, unless it says otherwise."""
    claim_share: float = 0.7
    """The share of the capabilities that a task needs which its claimer covers."""
    retry_first: timedelta = timedelta(seconds=1)
    """How long a task waits after its first failed attempt; doubled with each."""
    retry_most: timedelta = timedelta(minutes=5)
    """How long a task waits at most before it is tried again."""
    max_mailbox: int = 10_000
    """How many deliveries may wait in one mailbox; messages of agents take at most half
    of them, so that there is room for tasks and for what people say."""
    mailbox_bytes: int = 64 << 20
    """How many bytes of messages may wait in one mailbox; of agents, half of them."""
    helper_share: float = 0.5
    """The share of the wanted capabilities that a helper covers (IF.notify)."""
    id_length: int = 256
    text_length: int = 16_384
    """Characters in a message, question, answer or broadcast."""
    budget: float = 0.0
    """US dollars that an agent may spend on one UTC day before it gets no new work; 0
    is no limit."""
    max_hops: int = 8
    """How many agents may hand work on before a person has to give it."""
    result_bytes: int = 65_536
    """Bytes that the result of a task may have as JSON."""
    message_bytes: int = 262_144
    """Bytes that the body of a message may have as JSON."""
    letter_bytes: int = 262_144
    """Bytes that the message of a letter may have as JSON."""
    context_bytes: int = 8 << 20
    """Bytes that the input, the context or the output of a run may have as JSON."""
    run_items: int = 100_000
    """How many items a stage of a run may have."""
    run_depth: int = 16
    """How many runs may be above another, or lead to one that launches more."""
    capabilities: int = 64
    """How many capabilities one agent may name."""
    keep_settled: int = 1000
    """How many settled rows of each table stay in memory."""
    keep_receipts: int = 50_000
    """How many idempotency keys stay in memory."""
    keep_spools: int = 8
    """How many spools of an agent stay in memory, those it used last."""
