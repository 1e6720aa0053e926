"""What nats-py's errors mean, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError

from agentkit.transports.errors import TransportError, quoted


@contextmanager
def failing_as(
    kind: type[TransportError],
    what: str,
    *,
    refusal: type[TransportError] | None = None,
) -> Iterator[None]:
    """Raise an error of ours in place of nats-py's, and say what was not done.

    Raises:
        TransportError: of that kind, or of the other if the server does not let us.
    """
    try:
        yield
    except Exception as error:
        if not is_of_nats(error):
            raise
        if refusal and _is_refusal(error):
            kind = refusal
        raise kind(f"{what} ({said(error)}): {_remedy(error)}") from None


def is_of_nats(error: BaseException) -> bool:
    """Say whether an error is one of nats-py or of the network."""
    from nats.errors import Error

    return isinstance(error, Error | OSError)


def said(error: BaseException) -> str:
    """Return what an error says, to be put in brackets."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = getattr(error, "description", None) or str(error)
    if isinstance(error, SSLError):
        text = (error.reason or text).replace("_", " ").lower()
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower()
    text = quoted(text.strip().removeprefix("nats: ")).rstrip(".")
    return text or type(error).__name__


def _is_refusal(error: BaseException) -> bool:
    return "permissions violation" in str(error)


def _remedy(error: BaseException) -> str:
    from nats import errors
    from nats.js import errors as js

    table = (
        (
            (js.ServiceUnavailableError, errors.NoRespondersError),
            "start the server with JetStream (-js), or leave persistent out",
        ),
        ((errors.MaxPayloadError,), "send less, such as where the rest can be read"),
        ((js.APIError,), "change what is asked for, or the limits at the server"),
        ((TimeoutError,), "try again; what was stored nevertheless is kept once"),
    )
    if _is_refusal(error):
        return (
            "let this user publish and subscribe below the prefix, with and without _"
        )
    for kinds, remedy in table:
        if isinstance(error, kinds):
            return remedy
    return "try again when the connection is back"
