"""What can go wrong with an agent that speaks A2A, as one tree.

    AgentkitError
      PeerError                 it could not be asked, or refused
        PeerUnreachable         nothing answers, or it hung up
        TaskFailed              it said that it could not do a task

Every text gives the value, the reason and the remedy, in one sentence.
"""

from typing import ClassVar

from agentkit.errors import AgentkitError


class PeerError(AgentkitError):
    """An A2A agent could not be asked, or refused."""

    code = "peer_error"

    UNKNOWN_TASK: ClassVar[int] = -32001
    NO_PUSH: ClassVar[int] = -32003
    WRONG_VERSION: ClassVar[int] = -32009

    def __init__(self, text: str, number: int = 0) -> None:
        super().__init__(text)
        self.number = number
        """Of the JSON-RPC error; 0 when it was another."""


class PeerUnreachable(PeerError):
    """Nothing answers at an agent's address, or it hung up."""

    code = "peer_unreachable"


class TaskFailed(PeerError):
    """An agent said that it could not do a task; it may, when it is asked again."""

    code = "task_failed"
