"""What a hook is told and answers, on descriptors that may be in any state.

A product may keep the pipe to its hook open, or have closed it; neither keeps a hook
waiting or makes it fail.
"""

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 0.5
"""Seconds of silence after which a product has said what happened."""

LONGEST = 3.0
"""Seconds that it may take to say it, as long as it goes on: tools may say a lot."""

LARGEST = 1 << 26
"""Bytes of it that are read."""


def told() -> str:
    """Return what is said on standard input, as far as it comes in time.

    Raises:
        ValueError: it is too much.
    """
    said = b"".join(_parts(0, time.monotonic() + LONGEST))
    if len(said) > LARGEST:
        raise ValueError(f"it is told more than {LARGEST:,} bytes")
    return said.decode("utf-8-sig", "replace")


def _parts(source: int, until: float) -> "Iterator[bytes]":
    from select import select

    read = 0
    while read <= LARGEST:
        left = min(until - time.monotonic(), PATIENCE)
        if left <= 0:
            return
        try:
            part = (
                os.read(source, 1 << 20) if select([source], [], [], left)[0] else b""
            )
        except OSError:  # it is closed, or it is a terminal of somebody else
            return
        if not part:
            return
        read += len(part)
        yield part


def answer(text: str) -> None:
    """Write to standard output.

    Raises:
        OSError: nobody reads it.
    """
    _write(1, text)


def complain(text: str) -> None:
    """Say in one line on standard error what is wrong, if anybody listens."""
    safe = "".join(c if c.isprintable() else "?" for c in text)
    try:
        _write(2, f"agentkit hook: {safe}\n")
    except OSError:
        return


def _write(target: int, text: str) -> None:
    left = text.encode("utf-8", "replace")
    while left:
        left = left[os.write(target, left) :]
