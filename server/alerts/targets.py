"""Where alerts go: addresses of Apprise; read, shown without their secrets, used."""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

from agentkit.errors import Invalid
from server.alerts.message import TRIAL, Message

WITHIN: Final = 30.0
"""Seconds that a target may take for one message."""

HANGS: Final = "it still hangs over an earlier message"
FAILED: Final = "it cannot be reached, or refuses"

_BETWEEN: Final = re.compile(r"[\s,]+(?=[A-Za-z][\w+.-]*://)")
_SCHEME: Final = re.compile(r"[A-Za-z][\w+.-]{0,30}(?=://)")
_OVERFLOW: Final = re.compile(r"[?&]overflow=")
_CODE: Final = re.compile(r"\berror=(\d{3})\b")
_OTHERS: Final = 0o077
"""What nobody but its owner may do with a file of secrets."""

_TALKATIVE: Final = ("apprise", "urllib3", "requests", "charset_normalizer")
"""Loggers that would tell addresses, and so secrets, on some level or other."""


def addresses(raw: Any) -> tuple[str, ...]:
    """Read addresses: a list, or text with commas between, where `scheme://` follows.

    Whatever text there is will do here: what is wrong with it is told by `targets`,
    without its secrets.

    Raises:
        ValueError: it is neither.
    """
    items = _BETWEEN.split(raw) if isinstance(raw, str) else raw
    if not isinstance(items, list | tuple):
        raise ValueError("is not a list of addresses")  # noqa: TRY004
    return tuple(said for item in items if (said := str(item).strip(", \t\r\n")))


def addresses_in(path: Path) -> tuple[str, ...]:
    """Return the addresses in a file: one a line, after ``#`` stand comments.

    Raises:
        Invalid: it cannot be read, or others than its owner can.
    """
    try:
        with path.open("r", encoding="utf-8") as stream:
            mode = path.stat().st_mode
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Invalid(
            f"the addresses in {path} cannot be read ({why}): check alerts_file"
        ) from None
    if mode & _OTHERS:
        raise Invalid(
            f"{path} holds secrets and others can use it (mode {mode & 0o777:03o}): "
            f"chmod 600 {path}"
        )
    said = (line.strip() for line in lines)
    return tuple(line for line in said if line and not line.startswith("#"))


def targets(urls: Sequence[str]) -> list["Target"]:
    """Return the targets that addresses lead to.

    Raises:
        Invalid: Apprise is not installed, or does not understand one; the text has
            nothing secret in it.
    """
    try:
        import apprise  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        raise Invalid(
            "alerts are sent by Apprise, which is not installed: install "
            "swarmtui[notify]"
        ) from None
    _hush()
    asset = apprise.AppriseAsset(
        app_id="swarmtui",
        app_desc="swarmtui",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        service_timeout=0,
        interpret_emojis=False,
        http_redirects=False,
        storage_mode="memory",
    )
    found = [
        Target(number, apprise.Apprise(asset=asset), url)
        for number, url in enumerate(urls, 1)
    ]
    names = [target.name for target in found]
    for target in found:
        if names.count(target.name) > 1:
            target.name += f" ({target.number})"
    return found


class Target:
    """One place where alerts arrive.

    Args:
        number: which of the targets it is, from 1.
        sender: an `apprise.Apprise` without services.
        url: the address.

    Raises:
        Invalid: Apprise does not understand the address.
    """

    def __init__(self, number: int, sender: Any, url: str) -> None:
        self.number = number
        self._sender = sender
        self._busy = False
        """Whether a message is on its way, waited for or not."""
        if not sender.add([url]):
            raise Invalid(_misread(number, url))
        service = sender[0]
        if not _OVERFLOW.search(url):
            # Discord, Telegram and others refuse what is too long for them.
            service.overflow_mode = type(service.overflow_mode)("truncate")
        self.name = masked(service)
        """What it is called: the scheme, and the host if its address tells one."""
        self.service = str(service.service_name)

    async def send(self, message: Message, within: float = WITHIN) -> str:
        """Send a message; return why it did not arrive, or nothing.

        It is sent in a thread that nobody waits for: a target that hangs holds up
        nothing but what else is for it, neither the loop nor the end of the process.
        """
        if self._busy:
            return HANGS
        self._busy = True
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()

        def run() -> None:
            said = self._notify(message)
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._end, answer, said)

        try:
            Thread(target=run, name="alert", daemon=True).start()
        except RuntimeError:
            self._busy = False
            return "this machine has no thread left for it"
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            return f"it did not answer within {within:g} s"

    def _end(self, answer: asyncio.Future[str], said: str) -> None:
        self._busy = False
        if not answer.done():
            answer.set_result(said)

    def _notify(self, message: Message) -> str:
        try:
            result = self._sender.notify(
                title=message.title,
                body=message.body,
                notify_type=message.weight,
                body_format="text",
            )
            if result:
                return ""
            told = " ".join(entry.message for entry in result.logs())
        except Exception:  # noqa: BLE001  # any of 170 services may raise anything
            return FAILED
        found = _CODE.search(told)
        return f"it answered {found[1]}" if found else FAILED


def try_out(found: Sequence[Target]) -> list[str]:
    """Send a test alert to each target; return why each did not arrive, or nothing."""

    async def send() -> list[str]:
        return await asyncio.gather(*(target.send(TRIAL) for target in found))

    return asyncio.run(send())


def masked(service: Any) -> str:
    """Return the address of a service without whatever may be secret.

    Only the scheme and the host are told, and the host only where it is sure to be
    one: in ``slack://TOKEN/…`` and ``ntfy://TOPIC`` a secret stands in its place.
    """
    scheme = service.url(privacy=True).partition("://")[0]
    host, port = service.host or "", service.port
    hosted = any("{host}" in template for template in service.templates)
    if not (hosted and (port or host == "localhost" or re.search(r"[.:]", host))):
        return f"{scheme}://…"
    return f"{scheme}://{host}{f':{port}' if port else ''}"


def _misread(number: int, url: str) -> str:
    scheme = _SCHEME.match(url)
    which = f"address {number} of the alerts"
    if scheme is None:
        return f"{which} has no scheme: write one that Apprise has, as in ntfy://…"
    if scheme[0] in ("http", "https"):
        json = "jsons" if scheme[0] == "https" else "json"
        return (
            f"{which}, {scheme[0]}://…, is of no service that Apprise knows: write "
            f"{json}://… for a web hook of your own"
        )
    return (
        f"{which}, {scheme[0]}://…, is not as Apprise has it: compare it with what "
        "Apprise says of that service"
    )


def _hush() -> None:
    """Keep what sends alerts from logging: its words may have secrets in them."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


def chosen(urls: Iterable[str], path: Path | None) -> tuple[str, ...]:
    """Return the addresses that settings and their file have, each once.

    Raises:
        Invalid: the file cannot be read, or others can read it.
    """
    return tuple(dict.fromkeys((*urls, *(addresses_in(path) if path else ()))))
