"""What the system allows this process."""

import resource
from contextlib import suppress


def lift_file_limit() -> int:
    """Allow as many open sockets as the system lets us; return how many that are.

    A process begins with about a thousand, whatever it could have.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
