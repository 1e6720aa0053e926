"""Plans for tests, as documents, and an agent over HTTP that works on them."""

from collections.abc import Mapping
from typing import Any

from tests.integration.conftest import RunningHub

Document = dict[str, Any]


def machine(**states: Any) -> Document:
    """Return a machine of these stages, which all have the agent ``worker``."""
    agents = {"worker": {"capabilities": ["w"], "max_attempts": 1}}
    return {"context": {}, "agents": agents, "machines": {}, "states": states}


def plan(main: Document, **others: Document) -> Document:
    """Return a plan of a machine and those that it calls."""
    return {"name": "main", "main": "main", "machines": {"main": main, **others}}


def fan(capability: str = "w", **more: Any) -> Document:
    """Return a plan that does each of the items that it is given."""
    work = {
        "type": "initial",
        "foreach": "{{ input.items }}",
        "agent": "worker",
        "input": {"n": "{{ item }}"},
        "output_to_context": {"outputs": "{{ output }}"},
        "transitions": [{"to": "done"}],
        **more,
    }
    done = {"type": "final", "output": {"outputs": "{{ context.outputs }}"}}
    main = machine(work=work, done=done)
    main["agents"]["worker"]["capabilities"] = [capability]
    return plan(main)


def nested() -> Document:
    """Return a plan that runs a machine for each list of items that it is given."""
    work = {
        "type": "initial",
        "foreach": "{{ input.parts }}",
        "machine": "part",
        "input": {"items": "{{ item }}"},
        "transitions": [{"to": "done"}],
    }
    part = fan()["machines"]["main"]
    return plan(machine(work=work, done={"type": "final"}), part=part)


def odd() -> Document:
    """Return a plan that has none of the stages of the others."""
    begin = {"type": "initial", "transitions": [{"to": "end"}]}
    return plan(machine(begin=begin, end={"type": "final"}))


def launch(hub: RunningHub, document: Mapping[str, Any], **fields: Any) -> str:
    """Launch a plan and return the id of its run."""
    reply = hub.post("/v1/runs", {"plan": document, **fields})
    assert reply.status_code == 201, reply.text
    return str(reply.json()["run"]["id"])


def claim(hub: RunningHub, *, agent: str = "w1", most: int = 1) -> list[Document]:
    """Claim tasks for an agent that can do what the plans here ask for."""
    hub.report(agent, "idle", capabilities=["w"])
    wish = {"agent": agent, "tasks": most, "capabilities": ["w"]}
    tasks: list[Document] = hub.post("/v1/claims", wish).json()["tasks"]
    return tasks


def complete(hub: RunningHub, task: Document, **result: Any) -> None:
    """Complete a claimed task."""
    said = {"agent": task["agent"], "fence": task["fence"], "result": result}
    hub.post(f"/v1/tasks/{task['id']}/complete", said).raise_for_status()


def fail(hub: RunningHub, task: Document, reason: str) -> None:
    """Let a claimed task fail for good."""
    said = {"agent": task["agent"], "fence": task["fence"], "reason": reason}
    hub.post(f"/v1/tasks/{task['id']}/fail", said).raise_for_status()


def work(hub: RunningHub, *bad: int) -> None:
    """Do all that waits; items of these numbers fail."""
    while tasks := claim(hub, most=100):
        for task in tasks:
            number = task["body"]["input"]["n"]
            if number in bad:
                fail(hub, task, f"{number} is bad")
            else:
                complete(hub, task, n=number * 2)


def view(hub: RunningHub, run: str) -> Document:
    """Return a run, and how far it is."""
    reply = hub.get(f"/v1/runs/{run}")
    assert reply.status_code == 200, reply.text
    found: Document = reply.json()
    return found
