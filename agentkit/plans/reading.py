"""From the files of a plan to its document, with every problem where it stands.

A plan is a file and those that it names: other machines, and agents. They lie in the
folder of the plan or below it. Machines may name one another in circles; each file is
read once.
"""

import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from agentkit.plans.compiling import MACHINES, examine, place
from agentkit.plans.parts import Fault, Path, Severity
from agentkit.plans.sources import Source, Spot, read_source
from agentkit.plans.values import kind

SUFFIXES: Final = (".yml", ".yaml")
WRAPPER: Final = ("spec", "spec_version", "data", "metadata")
MACHINE: Final = "flatmachine"
AGENT: Final = "flatagent"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file of a plan that is wrong, or odd."""

    file: FilePath
    line: int
    column: int
    key: str
    """What stands there: ``states.work.foreach``; empty for the file as a whole."""
    text: str
    """The value, the reason and the remedy, in one sentence."""
    severity: Severity

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return ": ".join(part for part in (where, self.key, self.text) if part)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: a document is usable when there is no error."""

    document: dict[str, Any]
    problems: tuple[Problem, ...]
    files: tuple[FilePath, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return what makes the plan unusable."""
        return tuple(one for one in self.problems if one.severity == "error")


def read_plan(path: FilePath) -> Reading:
    """Read a plan with the files that it names; nothing is raised.

    Args:
        path: the file of the machine that is run.
    """
    reader = _Reader(FilePath(path))
    main = reader.machine(path.name, None)
    while reader.unread:
        reader.settle(*reader.unread.popleft())
    document = {"name": main, "main": main, "machines": reader.machines}
    if reader.machines:
        reader.locate(examine(document)[1])
    return Reading(document, reader.sorted(), tuple(reader.sources))


@dataclass(frozen=True, slots=True)
class _Place:
    """A value in a file."""

    source: Source
    path: Path

    def at(self, *keys: str | int) -> "_Place":
        return _Place(self.source, (*self.path, *keys))


@dataclass(slots=True)
class _Reader:
    main: FilePath
    sources: dict[FilePath, Source] = field(default_factory=dict)
    names: dict[FilePath, str] = field(default_factory=dict)
    machines: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, _Place] = field(default_factory=dict)
    """Where parts of the document come from."""
    unread: deque[tuple[str, _Place]] = field(default_factory=deque)
    """Machines that are named, and not looked into yet."""
    problems: list[Problem] = field(default_factory=list)
    broken: set[tuple[FilePath, int]] = field(default_factory=set)
    """The lines that name a file with a problem."""

    def sorted(self) -> tuple[Problem, ...]:
        """Return the problems in the order of the files, then of their lines."""
        order = {file: n for n, file in enumerate(self.sources)}
        return tuple(
            sorted(
                dict.fromkeys(self.problems),
                key=lambda one: (order.get(one.file, -1), one.line, one.column),
            )
        )

    def note(self, text: str, at: _Place, spot: Spot | None = None) -> None:
        """Note an error at a place."""
        found = spot or at.source.spot(at.path)
        self._problem(text, at, found, "error")

    def _problem(self, text: str, at: _Place, spot: Spot, how: Severity) -> None:
        path = at.path[1:] if at.path[:1] == ("data",) else at.path
        key = place(path) if path else ""
        self.problems.append(Problem(at.source.file, *spot, key, text, how))

    def locate(self, faults: list[Fault]) -> None:
        """Note faults of the document where they stand in their files.

        What follows from a problem that is known already is left out.
        """
        known = {(one.file, one.line) for one in self.problems} | self.broken
        for fault in faults:
            at = self._origin(fault.path)
            spot = at.source.spot(at.path, column=fault.column, at_key=fault.at_key)
            if (at.source.file, spot.line) not in known:
                self._problem(fault.text, at, spot, fault.severity)

    def _origin(self, path: Path) -> _Place:
        for cut in range(len(path), -1, -1):
            if path[:cut] in self.places:
                return self.places[path[:cut]].at(*path[cut:])
        return _Place(next(iter(self.sources.values())), ())

    def source(self, name: str, at: _Place | None) -> Source | None:
        """Return a file, read; None when it cannot be, which is noted."""
        base = at.source.file.parent if at else self.main.parent
        file = FilePath(os.path.normpath(base / name))
        if file in self.sources:
            return self.sources[file]
        if at and not self._allows(name, file, at):
            return None
        source = read_source(file)
        if at and not source.lines and source.flaws:
            self.note(f"{name}: {source.flaws[0]}", at)
            return None
        self.sources[file] = source
        for flaw in source.flaws:
            self.note(str(flaw), _Place(source, flaw.path), flaw.spot)
        return source

    def _allows(self, name: str, file: FilePath, at: _Place) -> bool:
        """Whether a file is one, in the folder of the plan, links followed."""
        folder = self.main.parent.resolve()
        if FilePath(name).is_absolute() or not file.resolve().is_relative_to(folder):
            self.note(f"{name!r} is not in the folder of the plan; move it there", at)
        elif file.exists() and not (file.is_file() or file.is_dir()):
            self.note(f"{name!r} is no file; only a plan itself may be a pipe", at)
        elif len(self.sources) >= MACHINES:
            self.note(f"the plan has more than {MACHINES} files; join some", at)
        else:
            return True
        return False

    def machine(self, name: str, at: _Place | None) -> str:
        """Return the name of the machine in a file; empty when it has none."""
        name = self._machine(name, at)
        if at and not name:
            self.broken.add((at.source.file, at.source.spot(at.path).line))
        return name

    def _machine(self, name: str, at: _Place | None) -> str:
        source = self.source(name, at)
        if source is None or source.value is None:
            return ""
        if source.file not in self.names:
            whole = _Place(source, ())
            data = self._unwrapped(source.value, whole, MACHINE)
            if data is None:
                return ""
            known = data[0].get("name")
            called = known if isinstance(known, str) and known else source.file.stem
            self.names[source.file] = self._add(called, *data)
        return self.names[source.file]

    def _add(self, called: str, data: dict[str, Any], at: _Place) -> str:
        """Add a machine under a name that no other has."""
        name, n = called, 1
        while name in self.machines:
            n += 1
            name = f"{called}_{n}"
        self.machines[name] = data
        self.places["machines", name] = at
        self.unread.append((name, at))
        return name

    def _unwrapped(
        self, value: Any, at: _Place, spec: str
    ) -> tuple[dict[str, Any], _Place] | None:
        """Return what is in the ``data`` of a file, or the file when it has none."""
        if not isinstance(value, dict):
            self.note(f"{kind(value)} stands here; give a {spec}", at)
            return None
        said = value.get("spec", spec)
        if said != spec:
            self.note(f"it is a {said!r}; name a {spec} here", at.at("spec"))
            return None
        if "data" not in value and "spec" not in value:
            return value, at
        for key in value:
            if key not in WRAPPER:
                told = f"it stands beside data; move it into data, or drop {key!r}"
                self.note(
                    told, at.at(key), at.source.spot(at.at(key).path, at_key=True)
                )
        data = value.get("data")
        if isinstance(data, dict):
            return data, at.at("data")
        self.note("it has no data; put what it says under data", at)
        return None

    def settle(self, name: str, at: _Place) -> None:
        """Replace the files that a machine names by what is in them."""
        data = self.machines[name]
        data.pop("name", None)
        self._settle_agents(data, at, ("machines", name))
        machines = data.get("machines")
        if isinstance(machines, dict):
            for alias, value in machines.items():
                machines[alias] = self._alias(alias, value, at.at("machines", alias))
        states = data.get("states")
        for stage, state in states.items() if isinstance(states, dict) else ():
            if isinstance(state, dict):
                self._settle_state(state, at.at("states", stage), data, name)

    def _alias(self, alias: str, value: Any, at: _Place) -> Any:
        if isinstance(value, dict):
            data = self._unwrapped(value, at, MACHINE)
            return self._add(alias, *data) if data else ""
        return self._named(value, at)

    def _named(self, value: Any, at: _Place) -> Any:
        """Return the name of a machine, where a file is named."""
        return self.machine(value, at) if _is_file(value) else value

    def _settle_state(
        self, state: dict[str, Any], at: _Place, data: dict[str, Any], name: str
    ) -> None:
        for key in ("machine", "launch"):
            value = state.get(key)
            if isinstance(value, list):
                state[key] = [
                    self._entry(one, at.at(key, n)) for n, one in enumerate(value)
                ]
            elif value is not None:
                state[key] = self._entry(value, at.at(key))
        if _is_file(state.get("agent")):
            state["agent"] = self._agent_of(state["agent"], at.at("agent"), data, name)

    def _entry(self, value: Any, at: _Place) -> Any:
        if isinstance(value, dict) and _is_file(value.get("name")):
            return {**value, "name": self._named(value["name"], at.at("name"))}
        return self._named(value, at)

    def _agent_of(
        self, file: str, at: _Place, data: dict[str, Any], machine: str
    ) -> str:
        """Return the name of an agent whose file a stage names."""
        name = FilePath(file).stem
        agents = data.get("agents") or {}
        if isinstance(agents, dict):
            path = ("machines", machine, "agents", name)
            agents[name] = self._agent(name, file, at, path)
            data["agents"] = agents
        return name

    def _settle_agents(self, data: dict[str, Any], at: _Place, path: Path) -> None:
        given = data.get("agents")
        agents = given if isinstance(given, dict) else {}
        for name, value in agents.items():
            below = at.at("agents", name)
            agents[name] = self._agent(name, value, below, (*path, "agents", name))

    def _agent(self, name: str, value: Any, at: _Place, path: Path) -> Any:
        """Return what an agent takes, from its file or what stands in its place."""
        self.places[path] = at
        if _is_file(value):
            source = self.source(value, at)
            if source is None or source.value is None:
                return {}
            stem = source.file.stem
            return self._flatagent(stem, source.value, _Place(source, ()), path)
        if isinstance(value, str):
            return {"capabilities": [value]}
        if isinstance(value, dict) and ("data" in value or "spec" in value):
            return self._flatagent(name, value, at, path)
        return value

    def _flatagent(self, name: str, value: Any, at: _Place, path: Path) -> Any:
        found = self._unwrapped(value, at, AGENT)
        if found is None:
            return {}
        data, inside = found
        told = value.get("metadata") if inside.path != at.path else None
        said = told if isinstance(told, Mapping) else {}
        agent = {
            key: said[key]
            for key in ("capabilities", "title", "priority", "max_attempts")
            if key in said
        }
        for key in agent:
            self.places[*path, key] = at.at("metadata", key)
        if "capabilities" in data:
            agent.setdefault("capabilities", data["capabilities"])
            self.places.setdefault((*path, "capabilities"), inside.at("capabilities"))
        self.places[*path, "config"] = inside
        return {"capabilities": [data.get("name") or name], **agent, "config": data}


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(SUFFIXES)
