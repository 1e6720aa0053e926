"""What an agent carries: the words of the protocol and the clients that speak them.

Nothing is imported until it is used, so that ``agentkit notify`` stays as quick as the
socket it writes to. Public names: `Agent` with `Job`, `Later`, `Message` and `Reject`,
`Background` and `Tasks`, `Coordinator`, `ResultBackend`, `notify`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentkit.agent import Agent
    from agentkit.background import Background, Tasks
    from agentkit.coordinator import Coordinator
    from agentkit.jobs import Job, Later, Reject
    from agentkit.messages import Message
    from agentkit.oneshot import notify
    from agentkit.results import ResultBackend

__version__ = "0.1.0"

_HOME = {
    "Agent": "agentkit.agent",
    "Background": "agentkit.background",
    "Coordinator": "agentkit.coordinator",
    "Job": "agentkit.jobs",
    "Later": "agentkit.jobs",
    "Message": "agentkit.messages",
    "Reject": "agentkit.jobs",
    "ResultBackend": "agentkit.results",
    "Tasks": "agentkit.background",
    "notify": "agentkit.oneshot",
}

__all__ = [
    "Agent",
    "Background",
    "Coordinator",
    "Job",
    "Later",
    "Message",
    "Reject",
    "ResultBackend",
    "Tasks",
    "__version__",
    "notify",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'agentkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
