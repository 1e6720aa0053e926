"""Every key of a plan: what it says, where it stands, and those we refuse."""

from typing import Final

STAGE: Final[dict[str, str]] = {
    "type": "initial or final",
    "agent": "who does it: an agent of the machine, or a capability",
    "machine": "a machine to run and wait for, or several",
    "launch": "a machine to launch and not wait for, or several",
    "launch_input": "what launched machines are given",
    "foreach": "a list: the work is done for each of its elements",
    "as": "what an element is called, else item",
    "key": "the name of each result: the output is an object",
    "input": "what the agent or machine is given",
    "output_to_context": "what is added to the context",
    "output": "what the machine gives, at a final stage",
    "transitions": "where to go next: the first whose condition holds",
    "execution": "how the work is done: default, retry or parallel",
    "on_error": "the stage to go to when it fails",
    "mode": "settled waits for all items, any for the first",
    "timeout": "seconds until it has failed",
    "concurrency": "how many items run at once",
}

MACHINE: Final[dict[str, str]] = {
    "name": "what the machine is called",
    "context": "what a run knows at first",
    "input": "a note on what it expects",
    "agents": "names for agents: a file, a capability, or what it takes",
    "machines": "names for other machines: a file, or the machine itself",
    "states": "its stages",
    "settings": "max_steps",
    "persistence": "enabled",
}

AGENT: Final[dict[str, str]] = {
    "capabilities": "what whoever claims its tasks must be able to",
    "title": "the title of its tasks",
    "priority": "how urgent its tasks are: higher is first",
    "max_attempts": "how often a task may fail",
    "config": "what the worker is given beside the input",
}

EXECUTION: Final[dict[str, str]] = {
    "type": "default, retry or parallel",
    "backoffs": "seconds before each further attempt",
    "jitter": "by which part of itself a time may vary, 0 to 1",
    "n_samples": "how often it is done at once",
}

TRANSITION: Final[dict[str, str]] = {
    "condition": "an expression; without one it always holds",
    "to": "the stage to go to",
}

CALL: Final[dict[str, str]] = {
    "name": "the machine",
    "input": "what it is given",
}

SETTINGS: Final[dict[str, str]] = {"max_steps": "how many stages a run may go to"}

PERSISTENCE: Final[dict[str, str]] = {
    "enabled": "whether checkpoints are kept",
    "backend": "not used: the hub keeps them",
    "checkpoint_on": "not used: there is one for every stage",
}

_RUNS_NOTHING: Final = "a plan is data and runs nothing"

REFUSED_STAGE: Final[dict[str, str]] = {
    "action": f"{_RUNS_NOTHING}: let an agent do the action, with agent:",
    "hooks": f"{_RUNS_NOTHING}: follow the events of its run instead",
    "tool_loop": f"{_RUNS_NOTHING}: let the agent call its tools",
    "tools": f"{_RUNS_NOTHING}: let the agent call its tools",
    "wait_for": "a stage cannot wait for a channel: let an agent wait, with agent:",
}

REFUSED_MACHINE: Final[dict[str, str]] = {
    "hooks": f"{_RUNS_NOTHING}: follow the events of its runs instead",
    "expression_engine": "expressions are those of Jinja2: leave the engine out",
    "cel": "expressions are those of Jinja2: write it as one",
    "profiles": "models are chosen by the workers: put it into the agent's config",
    "stages": "the stages of a machine stand under states: rename it",
}

REFUSED_EXECUTION: Final[dict[str, str]] = {
    "k_margin": "votes are not counted here: use parallel and let an agent choose",
    "max_candidates": "votes are not counted here: use parallel and n_samples",
}
