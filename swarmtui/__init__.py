"""The dashboard, and the ``swarmtui`` command around it."""

from agentkit import __version__

__all__ = ["__version__"]
