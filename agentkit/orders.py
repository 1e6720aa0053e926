"""What a coordinator orders and asks: one method for each, over whatever carries it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from agentkit.codec import decode, decode_event
from agentkit.errors import HubUnavailable
from agentkit.protocol import (
    BroadcastSent,
    DeliveryRetried,
    HelpAnswered,
    HelperAssigned,
    HelpResolved,
    HelpSnoozed,
    HelpTaken,
    LetterDiscarded,
    LetterRequeued,
    Logged,
    MessageSent,
    TaskAssigned,
    TaskCancelled,
    TaskEnqueued,
    TaskRequeued,
)
from agentkit.rows import Delivery, Letter

T = TypeVar("T")


class Orders(ABC):
    """Orders to the hub and questions.

    An order returns the event that it led to. With the same `key` it has no second
    effect and gives the same event.

    Raises:
        SwarmError: the hub refuses.
        HubError: it cannot be asked.
    """

    @abstractmethod
    async def _request(
        self, do: str, args: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        """Have the hub do something, and return its reply when it has."""

    # --- orders ---

    async def assign(
        self,
        agent: str,
        task: str = "",
        *,
        title: str = "",
        body: Mapping[str, Any] | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
        max_attempts: int | None = None,
        watchers: Iterable[str] = (),
        giver: str = "",
        key: str = "",
    ) -> TaskAssigned:
        """Hand a task to an agent; the hub makes an id when there is none.

        Args:
            agent: whose it is.
            task: its id; one that is there already moves over to the agent.
            title: what to do, in a line.
            body: whatever the agent is to get with it.
            priority: a higher one is claimed first.
            not_before: when it goes to the agent; at once if left out.
            max_attempts: how often it may fail; else as the hub is set.
            watchers: agents that are told what becomes of it.
            giver: the agent that gives it; empty when a person does. What agents give
                each other goes on for so long only, as the hub is set.
            key: an idempotency key.
        """
        args: dict[str, Any] = {"agent": agent, "id": task, "title": title}
        args |= {"body": body, "watchers": list(watchers) or None}
        args |= {"giver": giver or None}
        args |= _when(priority, not_before, max_attempts)
        return await self._order("assign", TaskAssigned, args, key)

    async def enqueue(
        self,
        title: str = "",
        *,
        task: str = "",
        needs: Iterable[str] = (),
        body: Mapping[str, Any] | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
        max_attempts: int | None = None,
        giver: str = "",
        key: str = "",
    ) -> TaskEnqueued:
        """Queue a task for whoever has the capabilities that it needs.

        The other arguments are those of `assign`.
        """
        args = {"id": task, "title": title, "needs": list(needs), "body": body}
        args |= {"giver": giver or None}
        args |= _when(priority, not_before, max_attempts)
        return await self._order("enqueue", TaskEnqueued, args, key)

    async def cancel(
        self, task: str, *, reason: str = "", key: str = ""
    ) -> TaskCancelled:
        """Call a task off; whoever has it loses it."""
        args = {"id": task, "reason": reason}
        return await self._order("cancel", TaskCancelled, args, key)

    async def requeue(self, task: str, *, key: str = "") -> TaskRequeued:
        """Begin a task anew, with all its attempts."""
        return await self._order("requeue", TaskRequeued, {"id": task}, key)

    async def retry(self, delivery: str, *, key: str = "") -> DeliveryRetried:
        """Send a dead delivery (`Delivery.id`) once more, as a new one."""
        return await self._order("retry", DeliveryRetried, {"id": delivery}, key)

    async def broadcast(
        self, text: str, *, where: str = "", key: str = ""
    ) -> BroadcastSent:
        """Tell every agent that the filter `where` matches."""
        args = {"text": text, "where": where}
        return await self._order("broadcast", BroadcastSent, args, key)

    async def send(
        self,
        to: str,
        text: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> MessageSent:
        """Send agents a message.

        Args:
            to: a name, ``name@swarm``, ``cap:capability`` for one of those who have
                it, or a pattern of names.
            text: what to say.
            body: whatever the agents are to get with it.
            key: an idempotency key.
        """
        args = {"to": to, "text": text, "body": body}
        return await self._order("send", MessageSent, args, key)

    async def answer(self, request: str, text: str, *, key: str = "") -> HelpAnswered:
        """Answer a help request."""
        args = {"help": request, "text": text}
        return await self._order("answer", HelpAnswered, args, key)

    async def take(self, request: str, *, key: str = "") -> HelpTaken:
        """Take a help request on."""
        return await self._order("take", HelpTaken, {"help": request}, key)

    async def assign_helper(
        self, request: str, helper: str, *, note: str = "", key: str = ""
    ) -> HelperAssigned:
        """Send an agent to help another."""
        args = {"help": request, "helper": helper, "note": note}
        return await self._order("assign_helper", HelperAssigned, args, key)

    async def snooze(
        self, request: str, until: datetime, *, key: str = ""
    ) -> HelpSnoozed:
        """Put a help request aside until a time."""
        args = {"help": request, "until": until.isoformat()}
        return await self._order("snooze", HelpSnoozed, args, key)

    async def resolve(
        self, request: str, *, note: str = "", key: str = ""
    ) -> HelpResolved:
        """Close a help request without an answer."""
        args = {"help": request, "note": note}
        return await self._order("resolve", HelpResolved, args, key)

    async def unbury(self, letter: str, *, key: str = "") -> LetterRequeued:
        """Give a letter to its subscription once more."""
        return await self._order("unbury", LetterRequeued, {"id": letter}, key)

    async def discard(self, letter: str, *, key: str = "") -> LetterDiscarded:
        """Let a letter be: nobody tries it again."""
        return await self._order("discard", LetterDiscarded, {"id": letter}, key)

    # --- questions ---

    async def history(
        self, agent: str, *, before: int | None = None, limit: int = 100
    ) -> list[Logged]:
        """Return the newest events of an agent, newest first."""
        args = {"agent": agent, "before": before, "limit": limit}
        return [decode_event(frame) for frame in await self._ask("history", args)]

    async def events(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
        subject: str | None = None,
        agent: str | None = None,
        newest_first: bool = False,
    ) -> list[Logged]:
        """Return a part of the log: events with cursors in (after, before)."""
        args = {
            "after": after,
            "before": before,
            "limit": limit,
            "subject": subject,
            "agent": agent,
            "newest_first": newest_first,
        }
        return [decode_event(frame) for frame in await self._ask("events", args)]

    async def ledger(
        self, ref: str, *, after: str | None = None, limit: int = 1000
    ) -> list[Delivery]:
        """Return the deliveries of a task, broadcast or help request, by agent."""
        args = {"ref": ref, "after": after, "limit": limit}
        return [decode(Delivery, row) for row in await self._ask("ledger", args)]

    async def mailbox(self, agent: str, *, limit: int = 100) -> list[Delivery]:
        """Return the deliveries of an agent, newest first."""
        rows = await self._ask("mailbox", {"agent": agent, "limit": limit})
        return [decode(Delivery, row) for row in rows]

    async def dead(
        self, agent: str = "", *, after: str = "", limit: int = 100
    ) -> list[Delivery]:
        """Return dead deliveries, newest first: of an agent, or all.

        Those that were retried are among them, and `retried` tells as what.

        Args:
            agent: whose; empty is everybody's.
            after: the id of the last one seen.
            limit: how many at most, up to 1000.
        """
        args = {"agent": agent or None, "after": after or None, "limit": limit}
        return [decode(Delivery, row) for row in await self._ask("dead", args)]

    async def letters(
        self, *, dead: bool = True, before: int = 0, limit: int = 100
    ) -> list[Letter]:
        """Return messages that subscriptions gave up, those that changed last first.

        Args:
            dead: those alone that wait for somebody; else the settled ones too.
            before: the version of the last one seen; 0 begins.
            limit: how many at most, up to 1000.
        """
        args = {"state": "dead" if dead else None, "before": before or None}
        rows = await self._ask("letters", {**args, "limit": limit})
        return [decode(Letter, row) for row in rows]

    async def ping(self) -> float:
        """Return the seconds to the hub and back."""
        start = time.perf_counter()
        await self._ask("ping", {})
        return time.perf_counter() - start

    # --- how they are put ---

    async def _order(
        self, do: str, kind: type[T], args: Mapping[str, Any], key: str
    ) -> T:
        given = {name: value for name, value in args.items() if value not in ("", None)}
        reply = await self._request(do, given, key)
        for frame in reply["events"]:
            event = decode_event(frame).event
            if isinstance(event, kind):
                return event
        raise HubUnavailable(f"the hub did {do} and did not say how: look at the log")

    async def _ask(self, do: str, args: Mapping[str, Any]) -> list[Any]:
        given = {name: value for name, value in args.items() if value is not None}
        result: list[Any] = (await self._request(do, given))["result"]
        return result


def _when(
    priority: int, not_before: datetime | None, max_attempts: int | None
) -> dict[str, Any]:
    """Return the fields that say when a task is tried, and how often."""
    return {
        "priority": priority or None,
        "not_before": not_before.isoformat() if not_before else None,
        "max_attempts": max_attempts,
    }
