"""What keeps a hub from starting."""

from agentkit.errors import HubError


class CannotServeError(HubError):
    """The hub cannot start; the text says why and what helps."""

    code = "cannot_serve"
