"""The state machine: no I/O, no clock, no randomness, no threads, no logging.

    decide(swarm, command, now) -> list[Event]     # raises SwarmError, changes nothing
    evolve(swarm, event) -> None                   # applies one event, cannot fail

    carry_out(swarm, command, now) -> list[Logged] # both, and whatever follows

The same commands always give the same events.
"""

from server.core.decide import decide
from server.core.evolve import evolve
from server.core.rules import Rules
from server.core.swarm import Swarm
from server.core.tables import Tables, Turn
from server.core.turns import carry_out

__all__ = ["Rules", "Swarm", "Tables", "Turn", "carry_out", "decide", "evolve"]
