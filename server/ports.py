"""Who holds a port that was wanted: the process, and whether it is a hub."""

import json
import re
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final

LISTENS: Final = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def who_holds(host: str, port: int) -> str:
    """Return a sentence about who holds a port, and what helps."""
    taken = f"port {port} on {host} is taken"
    holder = _holder(port)
    by = f" by {holder}" if holder else ""
    for line in (HTTPConnection(host, port, timeout=0.5), _over_tls(host, port)):
        version = _hub_version(line)
        if version is not None:
            scheme = "https" if isinstance(line, HTTPSConnection) else "http"
            return (
                f"{taken}{by}: a swarmtui hub {version} answers there; attach to it "
                f"with swarmtui attach {scheme}://{host}:{port}, or choose another "
                "with --port"
            )
    return f"{taken}{by}: choose another with --port, or end that process"


def _over_tls(host: str, port: int) -> HTTPConnection:
    """Return a connection to whoever holds the port, whatever it proves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=0.5, context=context)


def _hub_version(connection: HTTPConnection) -> str | None:
    try:
        connection.request("GET", "/healthz")
        found = json.loads(connection.getresponse().read(4096))
        return str(found["version"]) if found["hub"] == "swarmtui" else None
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()


def _holder(port: int) -> str:
    """Return process id and command, empty when this system does not tell."""
    inodes = _inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if inodes & _sockets(process):
            return f"process {process.name} ({_command(process)})"
    return ""


def _inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        rows = [line.split() for line in lines]
        found.update(
            row[9]
            for row in rows
            if row[3] == LISTENS and int(row[1].rpartition(":")[2], 16) == port
        )
    return found


def _sockets(process: Path) -> set[str]:
    found: set[str] = set()
    try:
        for entry in (process / "fd").iterdir():
            match = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
            if match:
                found.add(match[1])
    except OSError:
        # Another user's process, or one that has just ended.
        return found
    return found


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    text = b" ".join(words).decode(errors="replace").strip()[:80]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
