"""What is measured, and how it is told: processes, percentiles, the machine, tables."""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: seconds of CPU, all threads; resident bytes."""

    cpu: float
    rss: int


def usage(pid: int) -> Usage:
    """Read a process's usage from Linux's /proc."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(cpu=(int(stat[11]) + int(stat[12])) * TICK, rss=int(stat[21]) * PAGE)


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of samples in any order, but not none."""
    return sorted(samples)[min(len(samples) - 1, int(share * len(samples)))]


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def sync_time(rounds: int = 50) -> float:
    """Return the median seconds that one small write to disk takes to be durable."""
    with tempfile.TemporaryFile(buffering=0) as file:

        def write() -> None:
            file.write(bytes(512))
            os.fdatasync(file.fileno())

        return median(timed(write) for _ in range(rounds))


def machine() -> str:
    """Say in one line what the figures were measured on, and how busy it was."""
    load = os.getloadavg()[0]
    return (
        f"machine: {os.cpu_count()} x {_processor()}, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}; "
        f"fdatasync {sync_time() * 1e3:.2f} ms, load average {load:.1f}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in others)])


def verdict(claim: str, *, holds: bool) -> str:
    """Say whether a bar was met in this run."""
    return f"  {'met   ' if holds else 'MISSED'}  {claim}"
