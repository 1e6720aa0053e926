"""What can go wrong between a program and its transport, as one tree.

    TransportError              a wish that the transport cannot fulfil
      ConnectionError           nothing answers, it refuses us, or it went away
      PublishError              an event was not published; publishing it again may help

An event, a pattern or an option that is malformed is an `agentkit.errors.Invalid`.
"""

import builtins
from typing import Final

from agentkit.errors import AgentkitError

LONGEST_QUOTE: Final = 80
"""Characters that are quoted of what a server said."""


class TransportError(AgentkitError):
    """A wish that the transport cannot fulfil; the root of the others."""

    code = "transport_error"


class ConnectionError(TransportError, builtins.ConnectionError):  # noqa: A001
    """The broker does not answer, refuses us, or went away.

    It is a builtin ConnectionError too, so that an import that was forgotten does not
    let it pass.
    """

    code = "connection_error"


class PublishError(TransportError):
    """The event was not published: nobody has received it, or will."""

    code = "publish_error"


def quoted(text: str) -> str:
    """Return what a server said, as it can stand in an error: a short, safe line."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"
