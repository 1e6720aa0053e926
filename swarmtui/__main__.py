"""``python -m swarmtui`` is the same as ``swarmtui``."""

from swarmtui.cli import main

if __name__ == "__main__":
    main()
