"""``python -m server``: a hub with settings from the command line."""

import argparse
import sys

from agentkit.settings import entries
from server.serve import main
from server.settings import Settings


def _flags(arguments: list[str]) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog="python -m server", description=__doc__)
    for name, entry in entries(Settings).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(getattr(Settings, name), bool):
            parser.add_argument(
                flag, action="store_const", const=True, help=entry.about
            )
        elif isinstance(getattr(Settings, name), tuple):
            parser.add_argument(flag, action="append", help=entry.about)
        else:
            parser.add_argument(flag, help=entry.about)
    return {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in vars(parser.parse_args(arguments)).items()
    }


if __name__ == "__main__":
    sys.exit(main(_flags(sys.argv[1:])))
