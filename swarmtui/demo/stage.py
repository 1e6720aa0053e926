"""Sets the demo up and clears it away: a hub and its agents, each a process.

They live in a folder of their own and see none of the user's settings, so that the
demo touches nothing, and two of them do not meet.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agentkit.settings import Endpoint
from swarmtui.demo.script import BUDGET, ESCALATE_AFTER, LEASE
from swarmtui.embedded import Companion, announced

HUB = (
    "swarmtui",
    "serve",
    "--embedded",
    "--store=memory",
    "--host=127.0.0.1",
    "--port=0",
    f"--escalate-after={ESCALATE_AFTER}",
    f"--lease={LEASE}",
    "--grace=0",
    f"--budget={BUDGET:g}",
)
OURS = ("SWARMTUI_", "IFNOTIFY_")
"""Variables that begin like this are the user's settings."""


@contextmanager
def stage(agents: int, seed: int) -> Iterator[Endpoint]:
    """Run the demo for as long as the block runs; yield its hub.

    Raises:
        CompanionError: a process cannot be started.
    """
    with TemporaryDirectory(prefix="swarmtui-demo-") as folder:
        home = Path(folder)
        play = ("swarmtui.demo.play", str(agents), str(seed))
        env = surroundings(os.environ, home)
        with (
            private_hub(home) as hub,
            Companion("the swarm", play, home / "play.log", env=env, cwd=home),
        ):
            yield hub


@contextmanager
def private_hub(home: Path) -> Iterator[Endpoint]:
    """Run a hub that keeps to a folder and forgets everything; yield where it is.

    Raises:
        CompanionError: it cannot be started.
    """
    env = surroundings(os.environ, home)
    with Companion("the hub", HUB, home / "hub.log", env=env, cwd=home) as hub:
        found = hub.until(lambda: announced(hub.pid, env))
        yield Endpoint(found.url, found.token)


def surroundings(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return an environment that keeps everything in one folder."""
    kept = {name: text for name, text in environ.items() if not name.startswith(OURS)}
    for name in ("SESSION_ID", "CAPABILITIES"):
        kept.pop(name, None)
    return {**kept, "SWARMTUI_HOME": str(home)}
