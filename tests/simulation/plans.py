"""Random plans, and what becomes of each of their items: always the same.

A plan that falls out of the dice comes to its end, whoever works on it: its loops are
bounded, and whether an item fails depends on nothing but what it is given. So does what
a plan leads to, also where whoever is first decides: then all would say the same.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias
from zlib import crc32

Fates: TypeAlias = Callable[[Mapping[str, Any]], "Fate"]
Document: TypeAlias = dict[str, Any]
Stage: TypeAlias = dict[str, Any]

AGENTS: Final = {
    "echo": {"capabilities": ["x"], "title": "echo {{ index }}", "max_attempts": 1000},
    "same": {"capabilities": ["y"], "priority": 1, "max_attempts": 1000},
    "never": {"capabilities": ["nobody"]},
}
"""Who does items: says what it is given, says always the same, is not there."""
NESTED: Final = [[1, 2], [], [[3], 4, 5]]
ROWS: Final = [{"id": "b", "v": 1}, {"id": "a", "v": [2]}, {"id": "c", "v": None}]
VALUES: Final[tuple[Any, ...]] = (0, 7, "wörd", [1, [2]], {"k": [None, True]}, None)
LISTS: Final[tuple[list[Any], ...]] = (
    *([], [1], [3, 1, 2], ["a", [], {"b": 1}, None, 0.5]),
    *([0, 0], list(range(6))),
)
WRONG: Final = "{{ context.missing.word }}"
FOR_EVER: Final = 1_000_000


@dataclass(frozen=True)
class Fate:
    """What becomes of an item of an agent."""

    fails: int
    """How many attempts fail before one succeeds."""
    value: Any


def fate(salt: int, body: Mapping[str, Any]) -> Fate:
    """Return what becomes of an item.

    Args:
        salt: other salts give other fates; 0 lets everything succeed.
        body: of the task that does it.
    """
    given = body["input"]
    index = body["item"] if body["agent"] == "echo" else 0
    named = json.dumps([salt, body["agent"], given, index], sort_keys=True)
    dice = crc32(named.encode()) % 1000
    spare = given.get("spare", 0)
    fails = FOR_EVER if dice < 120 else 1 + dice % spare if spare and dice < 400 else 0
    value = [body["agent"], given.get("x"), index]
    return Fate(fails if salt else 0, "same" if body["agent"] == "same" else value)


def fates(salt: int) -> Fates:
    """Return what gives the fate of a task by its body."""
    return lambda body: fate(salt, body)


class Planner:
    """Draws plans.

    Each machine is given ``{"x": anything, "xs": a list}``, counts in ``context.n`` the
    stages that went well, and puts what stage I led to under ``context.rI``.
    """

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def plan(self) -> Document:
        """Return a document; its main machine may call each other one."""
        machines: dict[str, Any] = {"steady": _steady(), "down": _down()}
        for number in range(self._dice.randrange(3)):
            machines[f"m{number}"] = self._machine([*machines])
        machines["main"] = self._machine([*machines])
        return {"name": "drawn", "main": "main", "machines": machines}

    def input(self) -> dict[str, Any]:
        """Return what a plan is given."""
        dice = self._dice
        return {"x": dice.choice(VALUES), "xs": dice.choice(LISTS)}

    def _machine(self, others: list[str]) -> Document:
        count = self._dice.randrange(1, 5)
        names = [f"s{number}" for number in range(count)]
        known: dict[str, Any] = {f"r{number}": None for number in range(count)}
        given = {"x": "{{ input.x }}", "xs": "{{ input.xs }}", "last_error_type": None}
        stages = {
            name: self._stage(number, [*names[number + 1 :], "end"], others)
            for number, name in enumerate(names)
        }
        stages["s0"]["type"] = "initial"
        said = {key: f"{{{{ context.{key} }}}}" for key in ("n", *known)}
        wrong = "{{ context.last_error_type }}"
        end = {"type": "final", "output": {**said, "wrong": wrong}}
        return {
            "context": {"n": 0, "nested": NESTED, "rows": ROWS, **given, **known},
            "persistence": {"enabled": self._dice.random() < 0.8},
            "settings": {"max_steps": self._dice.choice((1000, 1000, 1000, 3))},
            "agents": AGENTS,
            "machines": {other: other for other in others},
            "states": {**stages, "end": end},
        }

    def _stage(self, number: int, later: list[str], machines: list[str]) -> Stage:
        dice = self._dice
        kind = dice.choice(KINDS)
        stage = kind(self, machines)
        kept: dict[str, Any] = {"n": "{{ context.n + 1 }}"}
        if "agent" in stage or "machine" in stage:
            kept[f"r{number}"] = "{{ output }}"
        back = {"condition": f"context.n < {dice.randrange(1, 5)}"}
        back["to"] = f"s{dice.randrange(number + 1)}"
        ahead = {"to": dice.choice(later)} if dice.random() < 0.9 else None
        moves = [back] if dice.random() < 0.3 else []
        moves += [ahead] if ahead else [{"condition": "context.n > 1", "to": later[0]}]
        stage |= {"output_to_context": kept, "transitions": moves}
        if dice.random() < 0.6:
            stage["on_error"] = self._rescue(later)
        return stage

    def _rescue(self, later: list[str]) -> str | dict[str, str]:
        dice = self._dice
        if dice.random() < 0.5:
            return dice.choice(later)
        wrong = dice.choice(("TaskFailed", "Timeout", "ExpressionError"))
        rescue = {wrong: dice.choice(later)}
        return rescue | dice.choice(({}, {"default": dice.choice(later)}))

    # --- what stages do ---

    def _nothing(self, _machines: list[str]) -> Stage:
        return {}

    def _single(self, _machines: list[str]) -> Stage:
        given = {"x": "{{ context.x }}"}
        return {"agent": self._dice.choice(("echo", "same")), **self._tried(given)}

    def _samples(self, _machines: list[str]) -> Stage:
        parallel = {"type": "parallel", "n_samples": self._dice.randrange(2, 5)}
        given = {"x": "{{ context.xs }}"}
        return {
            "agent": "echo",
            "execution": parallel,
            "input": given,
            **self._limited(),
        }

    def _each(self, _machines: list[str]) -> Stage:
        word = self._dice.choice(("item", "thing"))
        where = self._dice.choice(("context.xs", "{{ context.xs }}", "context.nested"))
        at = self._dice.choice(("index", "index", f"{word}.b"))
        given = {"x": f"{{{{ {word} }}}}", "at": f"{{{{ {at} }}}}"}
        stage = {"agent": "echo", "foreach": where, "as": word, **self._tried(given)}
        return stage | self._limited() | self._patient()

    def _each_by_key(self, _machines: list[str]) -> Stage:
        given = {"x": "{{ row.v }}"}
        stage = {"agent": "echo", "foreach": "{{ context.rows }}", "as": "row"}
        keys = ("row.id", "{{ row.id }}", "index", "index % 2")
        stage |= {"key": self._dice.choice(keys)}
        return stage | self._tried(given) | self._limited()

    def _each_machine(self, machines: list[str]) -> Stage:
        machine = self._dice.choice(machines)
        stage: Stage = {"machine": machine, "foreach": "context.nested", "as": "some"}
        stage["input"] = {"x": "{{ index }}", "xs": "{{ some }}"}
        return stage | self._limited() | self._patient() | self._again()

    def _one_machine(self, machines: list[str]) -> Stage:
        given = {"x": self._dice.choice((3, "{{ context.x }}")), "xs": [1, 2]}
        stage = {"machine": self._dice.choice(machines), "input": given}
        return stage | self._again()

    def _many_machines(self, machines: list[str]) -> Stage:
        chosen = self._dice.sample(machines, self._dice.randrange(1, 3))
        given = {"x": "{{ context.n }}", "xs": "{{ context.xs }}"}
        if self._dice.random() < 0.5:
            return {"machine": chosen, "input": given, **self._limited()}
        named = [{"name": name, "input": {**given, "xs": [name]}} for name in chosen]
        return {"machine": named, **self._limited()}

    def _launching(self, machines: list[str]) -> Stage:
        given = {"x": "{{ context.n }}", "xs": ["launched"]}
        return {"launch": [self._dice.choice(machines)], "launch_input": given}

    def _first(self, _machines: list[str]) -> Stage:
        stage: Stage = {"foreach": "context.rows", "as": "row", "mode": "any"}
        if self._dice.random() < 0.5:
            return stage | {"agent": "same", **self._tried({"x": "{{ row.id }}"})}
        given = {"x": "{{ row.id }}", "xs": []}
        return stage | {"machine": "steady", "input": given, **self._limited()}

    def _too_late(self, _machines: list[str]) -> Stage:
        stage: Stage = {"agent": "never", "timeout": self._dice.choice((0.5, 30))}
        if self._dice.random() < 0.5:
            return stage | {"input": {"x": 1}}
        given = {"x": "{{ item }}"}
        return stage | {"foreach": "context.nested", "input": given, **self._limited()}

    def _wrong(self, _machines: list[str]) -> Stage:
        missing = self._dice.choice(("input", "foreach"))
        stage: Stage = {"agent": "same", "input": {"x": 1}}
        return stage | {missing: {"x": WRONG} if missing == "input" else WRONG}

    # --- how they do it ---

    def _tried(self, given: dict[str, Any]) -> Stage:
        """Add retries to what an item is given, and say how many."""
        again = self._again()
        backoffs = again["execution"]["backoffs"] if again else []
        return {"input": {**given, "spare": len(backoffs)}, **again}

    def _again(self) -> Stage:
        if self._dice.random() < 0.5:
            return {}
        backoffs = self._dice.choice(([0.1], [0.5, 1], [1, 2, 4]))
        jitter = self._dice.choice((0, 0.1))
        return {"execution": {"type": "retry", "backoffs": backoffs, "jitter": jitter}}

    def _limited(self) -> Stage:
        limit = self._dice.choice((None, None, 1, 2, 3))
        return {"concurrency": limit} if limit else {}

    def _patient(self) -> Stage:
        return {"timeout": 1e6} if self._dice.random() < 0.2 else {}


KINDS: Final[tuple[Callable[[Planner, list[str]], Stage], ...]] = (
    Planner._nothing,
    Planner._single,
    Planner._samples,
    *(Planner._each, Planner._each, Planner._each),
    Planner._each_by_key,
    *(Planner._each_machine, Planner._each_machine),
    Planner._one_machine,
    Planner._many_machines,
    Planner._launching,
    Planner._first,
    Planner._too_late,
    Planner._wrong,
)


def _steady() -> Document:
    """Return a machine that leads to the same whatever it is given, or fails."""
    work = {"agent": "same", "input": {"x": "{{ context.x }}"}}
    return {
        "context": {"x": "{{ input.x }}"},
        "agents": AGENTS,
        "states": {
            "work": {"type": "initial", **work, "transitions": [{"to": "end"}]},
            "end": {"type": "final", "output": {"is": "steady"}},
        },
    }


def _down() -> Document:
    """Return a machine that calls itself, three deep."""
    deeper = {"x": "{{ [context.x] }}", "xs": [1], "left": "{{ context.left - 1 }}"}
    return {
        "context": {
            "x": "{{ input.x }}",
            "left": "{{ input.left | default(3) }}",
            "below": None,
        },
        "agents": AGENTS,
        "machines": {"down": "down"},
        "states": {
            "look": {
                "type": "initial",
                "transitions": [
                    {"condition": "context.left <= 0", "to": "end"},
                    {"to": "call"},
                ],
            },
            "call": {
                "machine": "down",
                "input": deeper,
                "output_to_context": {"below": "{{ output }}"},
                "transitions": [{"to": "end"}],
            },
            "end": {
                "type": "final",
                "output": {"x": "{{ context.x }}", "below": "{{ context.below }}"},
            },
        },
    }
