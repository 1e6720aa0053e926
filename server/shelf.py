"""Tasks in order of their ids, by state: a page of them costs a page, not all."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from agentkit.rows import Task, TaskState
from server.core import Swarm
from server.hub import Hub, Pushed, count_tasks

BLOCK: Final = 512
"""How many ids lie together; a block that has twice as many is cut in two."""

LOOK: Final = 2000
"""Tasks that are looked at before others get their turn."""


class Ids:
    """Ids in order: adding, removing and reading on from one cost little, always."""

    __slots__ = ("_blocks", "_lasts")

    def __init__(self, keys: Sequence[str] = ()) -> None:
        """Begin with ids that are in order."""
        starts = range(0, len(keys), BLOCK)
        self._blocks = [list(keys[start : start + BLOCK]) for start in starts]
        self._lasts = [block[-1] for block in self._blocks]

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, key: str) -> None:
        """Take in an id that is not there yet."""
        if not self._blocks:
            self._blocks, self._lasts = [[key]], [key]
            return
        place = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[place]
        insort(block, key)
        if len(block) >= 2 * BLOCK:
            self._blocks.insert(place, block[:BLOCK])
            self._lasts.insert(place, block[BLOCK - 1])
            del block[:BLOCK]
            place += 1
        self._lasts[place] = block[-1]

    def remove(self, key: str) -> None:
        """Take out an id that is there."""
        place = bisect_left(self._lasts, key)
        block = self._blocks[place]
        del block[bisect_left(block, key)]
        if block:
            self._lasts[place] = block[-1]
        else:
            del self._blocks[place], self._lasts[place]

    def after(self, key: str, count: int) -> list[str]:
        """Return at most `count` ids that come after one."""
        found: list[str] = []
        start = bisect_right(self._lasts, key)
        for block in self._blocks[start : start + 2 + 2 * count // BLOCK]:
            found += block[bisect_right(block, key) :][: count - len(found)]
            if len(found) >= count:
                break
        return found


class Shelf:
    """Finds tasks by id and state; a subscriber of the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._all = Ids()
        self._by_state: defaultdict[str, Ids] = defaultdict(Ids)
        self._states: dict[str, TaskState] = {}
        self._settled: defaultdict[bool, dict[str, None]] = defaultdict(dict)
        """Settled tasks, the dead ones apart, oldest first: as long as the hub keeps
        them in memory."""

    async def open(self) -> None:
        """Take in what there is, and follow what the hub commits."""
        await self._hub.ask(self._look)

    def push(self, pushed: Pushed) -> None:
        """Put every task where it belongs now."""
        for task in pushed.turn.rows.tasks.values():
            self._put(task)

    async def page(
        self, question: dict[str, Any], limit: int
    ) -> tuple[list[Task], str | None, dict[str, int]]:
        """Return a page of tasks by id, the id to go on from, and tasks by state.

        Args:
            question: `state` and `agent` narrow the tasks; `after` is an id.
            limit: how many at most.
        """
        agent, state = question.get("agent"), question.get("state")
        after, found = question.get("after", ""), list[Task]()
        ids = self._all if state is None else self._by_state[state]
        size = limit + 1 if agent is None else LOOK
        while len(found) <= limit and (keys := ids.after(after, size)):
            rows = await self._hub.ask(partial(_rows, keys))
            found += [
                row
                for row in rows
                if (state is None or row.state == state)
                and (agent is None or row.agent == agent)
            ]
            after = keys[-1]
        counts = await self._hub.ask(count_tasks)
        more = found[limit - 1].id if len(found) > limit else None
        return found[:limit], more, counts

    def _look(self, swarm: Swarm) -> None:
        self._hub.subscribe(self)
        self._states = {task.id: task.state for task in swarm.tasks.values()}
        keys = sorted(self._states)
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            groups[self._states[key]].append(key)
        self._all = Ids(keys)
        self._by_state.update((state, Ids(group)) for state, group in groups.items())
        for dead in (False, True):
            newest_first = [task.id for task in swarm.settled(dead=dead)]
            self._settled[dead] = dict.fromkeys(reversed(newest_first))

    def _put(self, task: Task) -> None:
        old = self._states.get(task.id)
        if old == task.state:
            return
        if old is None:
            self._all.add(task.id)
        else:
            self._by_state[old].remove(task.id)
            for order in self._settled.values():
                order.pop(task.id, None)
        self._by_state[task.state].add(task.id)
        self._states[task.id] = task.state
        if task.is_settled:
            self._settle(task)

    def _settle(self, task: Task) -> None:
        """Forget the oldest settled task when there are more than the hub keeps."""
        order = self._settled[task.state == "dead"]
        order[task.id] = None
        if len(order) > self._hub.rules.keep_settled:
            oldest = next(iter(order))
            del order[oldest]
            self._all.remove(oldest)
            self._by_state[self._states.pop(oldest)].remove(oldest)


def _rows(keys: list[str], swarm: Swarm) -> list[Task]:
    return [swarm.tasks[key] for key in keys if key in swarm.tasks]
