"""Deliveries that their agents gave up on, newest first: what somebody may retry."""

from bisect import bisect_left, insort

from agentkit.rows import Delivery
from server.core import Swarm
from server.hub import Hub, Pushed


class DeadLetters:
    """Finds dead deliveries that were not retried; a subscriber of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._rows: dict[tuple[int, str], Delivery] = {}
        self._order: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._order)

    async def open(self) -> None:
        """Take in what there is, and follow what the hub commits."""
        await self._hub.ask(self._look)

    def push(self, pushed: Pushed) -> None:
        """Take in what died, and let go what was retried."""
        for row in pushed.turn.rows.deliveries.values():
            if row.state == "dead" or self._rows:
                self._put(row)

    def page(self, *, agent: str = "", after: str = "", limit: int) -> list[Delivery]:
        """Return at most `limit` dead deliveries, newest first.

        Args:
            agent: whose; empty is everybody's.
            after: the id of the last one seen.
            limit: how many at most.
        """
        seq, _, name = after.partition("@")
        end = bisect_left(self._order, (int(seq), name)) if after else len(self._order)
        found: list[Delivery] = []
        for place in reversed(range(end)):
            key = self._order[place]
            if not agent or key[1] == agent:
                found.append(self._rows[key])
            if len(found) == limit:
                break
        return found

    def _look(self, swarm: Swarm) -> None:
        self._hub.subscribe(self)
        for row in swarm.deliveries():
            self._put(row)

    def _put(self, row: Delivery) -> None:
        key = (row.seq, row.agent)
        known = key in self._rows
        if row.state == "dead" and not row.retried:
            self._rows[key] = row
            if not known:
                insort(self._order, key)
        elif known:
            del self._rows[key]
            del self._order[bisect_left(self._order, key)]
