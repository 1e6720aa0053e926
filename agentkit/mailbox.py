"""An agent's mailbox over HTTP: for agents that ask, and keep no connection."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agentkit import places
from agentkit.calls import Caller, asked_again
from agentkit.settings import Endpoint, private_folder

POLL = 30.0
"""Seconds that the hub is asked to wait in one request."""


class Mailbox:
    """What the hub has for an agent.

    Args:
        find: says where the hub is; asked again before each request.
        agent: whose mailbox it is.
    """

    def __init__(self, find: Callable[[], Endpoint], agent: str) -> None:
        self.agent = agent
        self._find = find
        self._bookmark = (
            Path(places.folder("state", os.environ)) / "inbox" / quote(agent, safe="@")
        )

    def bookmark(self) -> int:
        """Return how far this machine has read the mailbox.

        Raises:
            NotFound: the hub does not know the agent.
            HubError: the hub could not be asked.
        """
        with Caller(self._find(), POLL) as caller:
            caller.get("agents", self.agent)
        try:
            return int(self._bookmark.read_text())
        except (OSError, ValueError):
            return 0

    def poll(
        self,
        until: float,
        after: int | None = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield what comes, as it comes; end when the time is over.

        Keeps trying while the hub is away.

        Args:
            until: by `time.monotonic`, when to end.
            after: a sequence number; what is not done above it is handed out. Left
                out, it is the bookmark.
            meanwhile: is called now and then, while nothing comes.

        Raises:
            HubError: the hub was away when the time was over.
            SwarmError: it refused.
        """

        def read(left: float) -> list[dict[str, Any]]:
            nonlocal after
            after = self.bookmark() if after is None else after
            return self._read(after, min(left, POLL))

        for mail in asked_again(read, until):
            if mail:
                after = max(item["seq"] for item in mail)
                yield mail
            else:
                meanwhile()

    def keep(self, upto: int) -> None:
        """Remember on this machine that the mailbox was read up to a number."""
        private_folder(self._bookmark.parent)
        fresh = self._bookmark.with_name(f".{self._bookmark.name}.{os.getpid()}")
        fresh.write_text(json.dumps(upto))
        fresh.replace(self._bookmark)

    def sign(self, *, acked: int | None = None, done: list[int] | None = None) -> None:
        """Tell the hub what has arrived and what was handled.

        Args:
            acked: everything up to this number has arrived.
            done: what was handled.

        Raises:
            HubError: the hub could not be asked.
            SwarmError: it refused.
        """
        said = {"acked": acked, "done": done or None}
        body = {name: value for name, value in said.items() if value is not None}
        with Caller(self._find(), POLL) as caller:
            caller.post("agents", self.agent, "mailbox", body=body)

    def _read(self, after: int, wait: float) -> list[dict[str, Any]]:
        with Caller(self._find(), wait + 5) as caller:
            page = caller.get(
                "agents", self.agent, "mailbox", after=after, wait=round(wait, 3)
            )
        mail: list[dict[str, Any]] = page["mail"]
        return mail
