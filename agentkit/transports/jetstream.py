"""JetStream: a stream that keeps what is published, and who has handled how much of it.

The stream of a prefix keeps events for a time, whoever wants them. A durable consumer
is where one subscription has got to; all processes that have its name share it. A new
one begins with the oldest event that is kept.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from agentkit.subjects import as_segment, read_pattern
from agentkit.transports.errors import ConnectionError  # noqa: A004
from agentkit.transports.events import DEAD, is_reserved
from agentkit.transports.nats_address import TIMEOUT
from agentkit.transports.nats_errors import failing_as
from agentkit.transports.nats_link import Link
from agentkit.transports.worker import Subscription

if TYPE_CHECKING:
    from nats.js.api import StreamConfig

LONGEST: Final = 200
"""Bytes in the name of a stream or consumer; longer ones are cut and made unique."""

OTHERWISE: Final = 10058
"""The server's code for a stream that is there already, with other settings."""


def subject_of(prefix: str, pattern: str) -> str:
    """Return NATS' pattern for what one of ours matches, and perhaps for more.

    A ``*`` means the same in both; their ``>`` is our ``**`` as the last segment. What
    is reserved is apart, since a stream keeps everything below its prefix.
    """
    words = read_pattern(pattern)
    if "**" in words:
        words = (*words[: words.index("**")], ">")
    return ".".join((f"_{prefix}" if is_reserved(pattern) else prefix, *words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Where the events of a prefix are kept, and for how long.

    Args:
        prefix: of their subjects.
        shown: the server, for people.
        max_age: seconds that an event is kept.
        max_bytes: of all events; the oldest go first.
        replicas: servers of a cluster that keep a copy.
        ack_wait: seconds after which what a silent process had goes to another.
    """

    prefix: str
    shown: str
    max_age: float
    max_bytes: int
    replicas: int
    ack_wait: float

    @property
    def name(self) -> str:
        """Its name at the server."""
        return _plain(self.prefix)

    async def make(self, link: Link) -> None:
        """See that the stream is there; one that is there stays as it is.

        Raises:
            ConnectionError: there is none, and none can be made.
        """
        from nats.js.errors import BadRequestError

        manager, wanted = link.client.jsm(timeout=TIMEOUT), self._config()
        with failing_as(ConnectionError, f"no stream {self.name!r} at {self.shown}"):
            try:
                info = await link.answered(manager.add_stream(wanted))
            except BadRequestError as error:
                if error.err_code != OTHERWISE:
                    raise
                info = await link.answered(manager.stream_info(self.name))
        if missing := set(wanted.subjects or ()) - set(info.config.subjects or ()):
            raise ConnectionError(
                f"the stream {self.name!r} at {self.shown} does not keep the subjects "
                f"{', '.join(sorted(missing))}: add them to it, or use another prefix"
            )

    async def put(self, link: Link, subject: str, payload: bytes, key: str) -> bool:
        """Store a payload, once for each key; return whether there is a stream for it.

        What else it raises is what nats-py raises.
        """
        from nats.js.api import Header
        from nats.js.errors import NoStreamResponseError

        context = link.client.jetstream(timeout=TIMEOUT)
        headers = {Header.MSG_ID.value: key}
        try:
            await link.answered(context.publish(subject, payload, headers=headers))
        except NoStreamResponseError:
            return False
        return True

    async def consumer(self, link: Link, subscription: Subscription) -> str:
        """See that the durable consumer is there; return the subject to ask it on.

        Raises:
            ConnectionError: there is none, and none can be made.
        """
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        name = _plain(subscription.name)
        config = ConsumerConfig(
            name=name,
            durable_name=name,
            filter_subject=subject_of(self.prefix, subscription.pattern),
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait,
            max_ack_pending=-1,
            max_deliver=-1,
        )
        what = f"no consumer {subscription.name!r} at {self.shown}"
        with failing_as(ConnectionError, what):
            manager = link.client.jsm(timeout=TIMEOUT)
            await link.answered(manager.add_consumer(self.name, config))
        return f"$JS.API.CONSUMER.MSG.NEXT.{self.name}.{name}"

    def _config(self) -> "StreamConfig":
        from nats.js.api import StreamConfig

        return StreamConfig(
            name=self.name,
            subjects=[subject_of(self.prefix, each) for each in ("**", DEAD)],
            max_age=self.max_age,
            max_bytes=self.max_bytes,
            num_replicas=self.replicas,
        )


def _plain(name: str) -> str:
    """Return a name as the server can have it: as one word that a file could have."""
    word = as_segment(name).replace("/", "%2F").replace("\\", "%5C").encode()
    if len(word) <= LONGEST:
        return word.decode()
    start = word[: LONGEST - 17].decode(errors="ignore")
    return f"{start}-{sha256(word).hexdigest()[:16]}"
