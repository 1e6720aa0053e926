"""Runs the hub that everything goes through: ``swarmtui serve``, on any free port."""

import os
import sys

from common import HOME

HUB = (sys.executable, "-m", "swarmtui", "serve", "--port", "0")

if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    os.execv(HUB[0], HUB)  # noqa: S606 - from here on this program is the hub
