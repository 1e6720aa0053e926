"""The way to the hub when something about it is unusual: TLS, settings, a full spool.

It does what `line` does with what the other commands use.
"""

import os
import time
from typing import Any

from agentkit.calls import Caller
from agentkit.errors import AgentkitError, HubError, HubRefused
from agentkit.integrations.line import Away, Refused, Setup
from agentkit.oneshot import send
from agentkit.settings import KitSettings, endpoint, load
from agentkit.spool import Letter


def general(deadline: float) -> Setup:
    """Return how to report, as it is set.

    Args:
        deadline: by `time.monotonic`, when the hub has had its time.

    Raises:
        Invalid: a setting cannot be read.
    """
    line = GeneralLine(deadline)
    kit = line.settings
    return Setup(line, kit.agent, kit.capabilities, disabled=kit.disable)


class GeneralLine:
    """A way to whichever hub is set.

    Args:
        deadline: by `time.monotonic`, when the hub has had its time.

    Raises:
        Invalid: a setting cannot be read.
    """

    def __init__(self, deadline: float) -> None:
        self.settings = load(KitSettings).values
        self._deadline = deadline

    @property
    def left(self) -> float:
        """The seconds that are left, a few milliseconds at least."""
        return max(self._deadline - time.monotonic(), 0.005)

    def tell(
        self, agent: str, path: tuple[str, ...], body: dict[str, Any], key: str = ""
    ) -> bool:
        """Say something that must not be lost; see `QuickLine.tell`."""
        letter = Letter(agent, key or os.urandom(16).hex(), body, path=path)
        try:
            return send(letter, self.settings, self.left).delivered
        except AgentkitError as error:
            raise Refused(str(error)) from None

    def ask(
        self, path: tuple[str, ...], body: dict[str, Any] | None, key: str = ""
    ) -> dict[str, Any]:
        """Ask for something that is lost if the hub is away; see `QuickLine.ask`."""
        *above, last = path
        name, _, question = last.partition("?")
        try:
            with Caller(endpoint(self.settings), self.left) as caller:
                if body is not None:
                    return caller.post(*path, body=body, key=key)
                asked = dict(part.split("=", 1) for part in question.split("&") if part)
                return caller.get(*above, name, **asked)
        except HubRefused as error:
            raise Refused(str(error)) from None
        except HubError as error:
            raise Away(str(error)) from None
        except AgentkitError as error:
            raise Refused(str(error)) from None
