"""Where files live and what an agent is called when nobody says.

Everything follows XDG, or lives under ``SWARMTUI_HOME`` when that is set. Imports
nothing but `os`: `agentkit notify` needs this before anything else.
"""

# ruff: noqa: PTH100, PTH111, PTH117, PTH118, PTH119, PTH120 - pathlib takes longer to
# import than a report takes to send

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_FILE = "swarmtui.toml"

SHELLS = {
    "CLAUDE_CODE_SESSION_ID": "claude",
    "CODEX_THREAD_ID": "codex",
    "COPILOT_AGENT_SESSION_ID": "copilot",
    "OPENCODE_SESSION_ID": "opencode",  # our plugin sets it
    "AGENT_SESSION_ID": "goose",
}
"""What tells a command which session of which product runs it; Gemini CLI does not."""

_XDG = {
    "config": ("XDG_CONFIG_HOME", ".config"),
    "data": ("XDG_DATA_HOME", ".local/share"),
    "state": ("XDG_STATE_HOME", ".local/state"),
}


def folder(kind: str, environ: "Mapping[str, str]") -> str:
    """Return the folder for ``config``, ``data``, ``state`` or ``runtime``."""
    home = environ.get("SWARMTUI_HOME")
    if home:
        return os.path.abspath(os.path.expanduser(home))
    if kind == "runtime":
        runtime = environ.get("XDG_RUNTIME_DIR", "")
        if os.path.isabs(runtime):
            return os.path.join(runtime, "swarmtui")
        kind = "state"
    variable, default = _XDG[kind]
    base = environ.get(variable, "")
    if not os.path.isabs(base):  # the specification has relative ones ignored
        base = os.path.join(os.path.expanduser("~"), default)
    return os.path.join(base, "swarmtui")


def hub_file(environ: "Mapping[str, str]") -> str:
    """Return where a running hub writes its address and token."""
    return os.path.join(folder("runtime", environ), "hub.json")


def config_file(environ: "Mapping[str, str]") -> str:
    """Return the user's settings file."""
    return os.path.join(folder("config", environ), "config.toml")


def outbox_folder(environ: "Mapping[str, str]") -> str:
    """Return where reports wait for a hub that is down."""
    return os.path.join(folder("state", environ), "outbox")


def spool_folder(environ: "Mapping[str, str]", url: str) -> str:
    """Return where one-shot reports to one hub wait; no `url` is whichever is found."""
    return os.path.join(outbox_folder(environ), "reports", _folder_of(url))


def claims_folder(environ: "Mapping[str, str]", url: str) -> str:
    """Return where the leases that one hub gave to this machine are remembered."""
    return os.path.join(folder("state", environ), "claims", _folder_of(url))


def _folder_of(url: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in url)[:128] or "local"


def project_file(cwd: str) -> str:
    """Return the nearest `PROJECT_FILE` upward from a folder; empty when none."""
    found = _upward(cwd, (PROJECT_FILE,))
    return os.path.join(found, PROJECT_FILE) if found else ""


def agent_here(environ: "Mapping[str, str]", cwd: str) -> str:
    """Return who runs a command: the session whose hooks report, else the project.

    So what a session says by itself is said by the agent that its hooks made of it.
    """
    if any(variable in environ for variable in SHELLS):
        from agentkit.integrations.session import of_shell

        session = of_shell(environ)
        if session is not None:
            return session.agent
    return default_agent(cwd)


def default_agent(cwd: str) -> str:
    """Return ``FOLDER@HOST``: the project an agent works in, on the machine it runs on.

    The project is the nearest folder upward that has a ``.git`` or a `PROJECT_FILE`,
    else the folder itself, so the name stays the same wherever in a project, and
    however often, an agent is started. Agents that share a folder need names of their
    own.
    """
    project = _upward(cwd, (PROJECT_FILE, ".git")) or cwd
    host = os.uname().nodename.partition(".")[0]
    name = f"{os.path.basename(project) or 'root'}@{host or 'localhost'}"
    return "".join(c if c.isprintable() else "?" for c in name)[:256]


def _upward(cwd: str, names: tuple[str, ...]) -> str:
    here = cwd
    while True:
        if any(os.path.lexists(os.path.join(here, name)) for name in names):
            return here
        above = os.path.dirname(here)
        if above == here:
            return ""
        here = above
