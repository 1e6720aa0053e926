"""The state machine: no I/O, no clock, no randomness, no threads, no logging.

    decide(swarm, command, now) -> list[Event]     # raises SwarmError, changes nothing
    evolve(swarm, event) -> None                   # applies one event, cannot fail

The same commands always give the same events.
"""

from server.core.decide import decide
from server.core.evolve import evolve
from server.core.rules import Rules
from server.core.swarm import Swarm
from server.core.tables import Tables, Turn

__all__ = ["Rules", "Swarm", "Tables", "Turn", "decide", "evolve"]
