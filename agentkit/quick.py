"""The common case of ``agentkit notify``, as fast as the socket it writes to.

A report starts in every hook of every agent, and importing argparse, json and http
takes longer than all the rest of it. So this reads its few words itself, asks the
environment and ``hub.json`` where the hub is, and writes one request to a raw socket.
It either succeeds or steps aside: on anything unusual `notify` says False, and the
general way does the same again, with the same idempotency key, so that nothing takes
effect twice.
"""

# ruff: noqa: PTH123, PTH208 - pathlib takes longer to import than all this

import os
import sys
import time

from agentkit import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

REPORTS = {
    "idle": "task",
    "busy": "task",
    "completed": "task",
    "blocked": "message",
    "help": "message",
}
"""The reports, and what the word after each of them is."""

UNUSUAL = ("SWARMTUI_CA_FILE", "SWARMTUI_CLIENT_CERT", "SWARMTUI_CLIENT_KEY")


BUDGET = 1.0
"""Seconds that the hub may keep the caller of a report waiting."""


class Unusual(Exception):
    """This is not the common case."""


class Attempt:
    """One report's request, whichever way it goes."""

    def __init__(self) -> None:
        self.key = os.urandom(16).hex()
        """Its idempotency key."""
        self._deadline = 0.0

    def left(self) -> float:
        """Return the seconds that are left of the budget, counted from the first call.

        So a slow machine takes none of the hub's time.
        """
        now = time.monotonic()
        self._deadline = self._deadline or now + BUDGET
        return self._deadline - now


def notify(words: list[str], attempt: Attempt) -> bool:
    """Send a report; False leaves it to the general way, as the same attempt.

    Args:
        words: what follows ``agentkit notify``.
        attempt: the request that it makes.
    """
    disabled = os.environ.get("SWARMTUI_DISABLE")
    if disabled:
        return disabled == "1"
    try:
        report, options = _read(words)
        agent, body = _body(report, options, os.environ)
        host, port, token = hub(os.environ)
        request = _request(agent, body, f"{host}:{port}", token, attempt.key)
        _exchange(host, port, request, attempt)
    except (Unusual, OSError, ValueError, OverflowError, ImportError):
        return False
    if "--json" in options:
        _say(report, agent)
    return True


def _read(words: list[str]) -> tuple[str, "dict[str, list[str]]"]:
    """Return the report and its options; the word after it is in ``""``."""
    if not words or words[0] not in REPORTS:
        raise Unusual
    options: dict[str, list[str]] = {}
    rest = iter(words[1:])
    for word in rest:
        if word == "--json":
            options[word] = []
        elif word in ("--agent", "--capability", "--cost"):
            options.setdefault(word, []).append(next(rest, "-"))
        elif word.startswith("-") and word != "--strict":
            raise Unusual
        elif word != "--strict":
            options.setdefault("", []).append(word)
    given = [value for values in options.values() for value in values]
    if len(options.get("", [])) > 1 or any(v.startswith("-") or not v for v in given):
        raise Unusual
    return words[0], options


def _body(
    report: str, options: "dict[str, list[str]]", environ: "Mapping[str, str]"
) -> tuple[str, str]:
    """Return who reports, and the report as JSON."""
    cwd = os.getcwd()  # noqa: PTH109 - see above
    if places.project_file(cwd) or has_kit_settings(places.config_file(environ)):
        raise Unusual
    agent = options.get("--agent", [first(environ, "SWARMTUI_AGENT", "SESSION_ID")])
    can = options.get("--capability") or [
        word.strip()
        for word in first(environ, "SWARMTUI_CAPABILITIES", "CAPABILITIES").split(",")
    ]
    body = [
        '"via":"cli"',
        f'"report":"{report}"',
        f'"reported_at":"{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}"',
    ]
    if any(can):
        body.append(f'"capabilities":[{",".join(_json(word) for word in can if word)}]')
    if options.get(""):
        body.append(f'"{REPORTS[report]}":{_json(options[""][0])}')
    if "--cost" in options:
        body.append(f'"cost":{_cost(options["--cost"][-1])}')
    return agent[-1] or places.agent_here(environ, cwd), "{" + ",".join(body) + "}"


def first(environ: "Mapping[str, str]", *names: str) -> str:
    """Return the first of these variables that is set; empty when none is."""
    for name in names:
        if environ.get(name):
            return environ[name]
    return ""


def has_kit_settings(path: str) -> bool:
    """Say whether a settings file has keys above its first section."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                start = line.strip()[:1]
                if start and start != "#":
                    return start != "["
    except FileNotFoundError:
        pass
    return False


def _cost(text: str) -> str:
    cost = float(text)
    if not 0 <= cost < 1e15:
        raise Unusual
    return repr(cost)


def _json(text: str) -> str:
    from _json import encode_basestring_ascii

    text.encode()  # a UnicodeError, which is a ValueError, when it is not Unicode
    return encode_basestring_ascii(text)


def hub(environ: "Mapping[str, str]") -> tuple[str, int, str]:
    """Return host, port and token of the hub; see `agentkit.settings.endpoint`."""
    if any(environ.get(name) for name in UNUSUAL):
        raise Unusual
    wanted = first(environ, "SWARMTUI_URL", "IFNOTIFY_URL").rstrip("/")
    if _waiting(places.spool_folder(environ, wanted)):
        raise Unusual
    url, announced = _announced(places.hub_file(environ))
    token = environ.get("SWARMTUI_TOKEN") or _token_of(environ)
    if not token and (not wanted or wanted == url):
        token = announced
    elif not token and url:
        raise Unusual
    scheme, _, rest = (wanted or url or "http://127.0.0.1:8765").partition("://")
    host, _, port = rest.partition(":")
    host = "127.0.0.1" if host == "localhost" else host
    if scheme != "http" or not host.replace(".", "").isdigit() or not port.isdecimal():
        raise Unusual
    if not token.isascii() or not token.isprintable():
        raise Unusual
    return host, int(port), token


def _waiting(folder: str) -> bool:
    """Say whether earlier reports wait, which have to go first."""
    try:
        return any(name[0] != "." for name in os.listdir(folder))
    except FileNotFoundError:
        return False


def _announced(path: str) -> tuple[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return "", ""
    return _member(text, "url").rstrip("/"), _member(text, "token")


def _member(text: str, name: str) -> str:
    """Return a member of a flat JSON object that holds plain text."""
    _, found, rest = text.partition(f'"{name}"')
    _, _, rest = rest.partition('"')
    value, closed, _ = rest.partition('"')
    if not found or not closed or "\\" in value:
        raise Unusual
    return value


def _token_of(environ: "Mapping[str, str]") -> str:
    path = environ.get("SWARMTUI_TOKEN_FILE")
    if not path:
        return ""
    with open(os.path.expanduser(path), encoding="utf-8") as file:  # noqa: PTH111
        return file.read().strip()


def _request(agent: str, body: str, host: str, token: str, key: str) -> bytes:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"POST /v1/agents/{segment(agent)}/status HTTP/1.1\r\nHost: {host}\r\n"
        f"{authorization}Idempotency-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode("ascii")


def segment(text: str) -> str:
    """Return text as one segment of a path: everything but the safest is quoted."""
    safe = b"-._~@"
    return "".join(
        chr(byte)
        if byte in safe or (chr(byte).isalnum() and byte < 128)
        else f"%{byte:02X}"
        for byte in text.encode()
    )


def _exchange(host: str, port: int, request: bytes, attempt: Attempt) -> None:
    """Send a request and wait until the hub has said that it took it."""
    import _socket

    line = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        line.settimeout(max(attempt.left(), 0.001))
        line.connect((host, port))
        line.sendall(request)
        reply = b""
        while not reply.endswith(b"}"):
            line.settimeout(max(attempt.left(), 0.001))
            part = line.recv(4096)
            reply += part
            if not part or len(reply) > 65536:
                raise Unusual
    finally:
        line.close()
    if not reply.startswith(b"HTTP/1.1 200 ") or b'"status":"received"' not in reply:
        raise Unusual


def _say(report: str, agent: str) -> None:
    sys.stdout.write(
        f'{{"schema_version":1,"agent":{_json(agent)},"report":"{report}",'
        '"delivered":true,"waiting":0}\n'
    )
