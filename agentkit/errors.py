"""Everything that can go wrong, as one tree.

    SwarmError                  a wish was refused; nothing changed
      NotFound                  no such agent, task, help request or broadcast
      Conflict                  it is there, but not in a state that allows the wish
      Invalid                   the wish itself is malformed
        BadFilter               a filter that cannot be read
      NotAllowed                the token may not do this
    HubError                    the hub could not be asked
      HubUnreachable            nothing answers at the address
      HubRefused                it answers, but not to us: token, host or version
      HubUnavailable            it answers that it cannot write just now
      ConnectionLost            it went away in the middle
    Unanswered                  people let a question be
    CallTimeout                 another agent has not answered in time
    CallFailed                  another agent answered that it could not do it
    StillRunning                a run has not come to its end in time
    WrongKey, Forged            what lies sealed on disk cannot be read (see `sealing`)
    Locked                      nor what waits there for the hub (see `spool`)

Every text gives the value, the reason and the remedy, in one sentence. `code` is the
same word on the wire, in JSON output and here; `exit_code` is what a command returns.
"""

from typing import ClassVar


class AgentkitError(Exception):
    """The root: whatever this package raises on purpose."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class SwarmError(AgentkitError):
    """A wish was refused; nothing changed."""

    code = "refused"
    exit_code = 5
    http_status: ClassVar[int] = 409


class NotFound(SwarmError):
    """There is no such agent, task, help request or broadcast."""

    code = "not_found"
    exit_code = 3
    http_status = 404


class Conflict(SwarmError):
    """The state of the thing does not allow the wish."""

    code = "conflict"


class Invalid(SwarmError):
    """The wish itself is malformed."""

    code = "invalid"
    exit_code = 2
    http_status = 422


class BadFilter(Invalid):
    """A filter that cannot be read."""

    code = "bad_filter"


class NotAllowed(SwarmError):
    """The token may not do this."""

    code = "not_allowed"
    http_status = 403


class HubError(AgentkitError):
    """The hub could not be asked."""

    code = "hub_error"


class HubUnreachable(HubError):
    """Nothing answers at the hub's address."""

    code = "hub_unreachable"


class HubRefused(HubError):
    """The hub answers, but not to us: token, host name or version."""

    code = "hub_refused"
    exit_code = 5


class HubUnavailable(HubError):
    """The hub answers that it cannot write just now."""

    code = "hub_unavailable"


class ConnectionLost(HubError):
    """The connection to the hub ended in the middle of a request."""

    code = "connection_lost"


class Unanswered(AgentkitError):
    """A question was closed without an answer: none will come."""

    code = "unanswered"
    exit_code = 4


class CallTimeout(AgentkitError, TimeoutError):
    """Another agent has not answered in time; it may have done what was asked."""

    code = "call_timeout"
    exit_code = 4


class StillRunning(AgentkitError, TimeoutError):
    """A run has not come to its end in time; it goes on."""

    code = "still_running"
    exit_code = 4


class CallFailed(AgentkitError):
    """Another agent answered a call with what went wrong there."""

    code = "call_failed"


def _walk(kind: type[AgentkitError]) -> list[type[AgentkitError]]:
    return [kind, *(below for sub in kind.__subclasses__() for below in _walk(sub))]


BY_CODE: dict[str, type[AgentkitError]] = {
    kind.code: kind for kind in _walk(AgentkitError)
}
"""The class for each code on the wire."""
