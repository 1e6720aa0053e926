"""``agentkit result``: write and read results by address, of any kind and size."""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from agentkit.addresses import Address, address_of
from agentkit.calls import Caller, asked_again, asked_twice, path_of
from agentkit.commands import output
from agentkit.errors import Invalid, NotFound
from agentkit.results import ANY, JSON, LONGEST_WAIT, kind_of
from agentkit.settings import Endpoint, endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = "Write or read a result by its address, swarm://RUN/NAME."

EXAMPLES = """\
  agentkit result write swarm://r1/pages --value '{"count": 3}'
  agentkit result write swarm://r1/film film.mp4
  tar c site | agentkit result write swarm://r1/site
  agentkit result read swarm://r1/result --wait 60
  agentkit result read swarm://r1/film --output copy.mp4
  agentkit result exists swarm://r1/film && agentkit result delete swarm://r1/film
"""

PATIENCE: Final = 3600.0
"""Seconds that something large may take."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("do", choices=sorted(DO), metavar="WORD", help=", ".join(sorted(DO)))
    add("address", metavar="ADDRESS", help="swarm://RUN/NAME")
    add(
        "file", metavar="FILE", nargs="?", default="-",
        help="what to write; - or nothing is standard input",
    )  # fmt: skip
    output.who(parser)
    add("--value", metavar="JSON", help="write this")
    add("--type", metavar="TYPE", help="the media type of what is written")
    add(
        "--wait", type=float, metavar="S", default=0.0,
        help="seconds to wait for what is to be read; exit code 4 then",
    )  # fmt: skip
    add("--output", metavar="FILE", help="read into a file; else standard output")


def run(args: Namespace) -> int:
    """Do what is asked; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 0
    return DO[args.do](args, endpoint(settings), address_of(args.address))


def write(args: Namespace, hub: Endpoint, address: Address) -> int:
    """Write a value, a file or standard input."""
    with _source(args) as (source, kind):

        def send() -> dict[str, object]:
            with Caller(hub, PATIENCE) as caller:
                return caller.upload(_path(address), source, kind, args.attempt.key)

        def again() -> dict[str, object]:
            source.seek(0)
            return send()

        said = asked_twice(again) if source.seekable() else send()
    result = said.get("result")
    size = result["size"] if isinstance(result, dict) else 0
    _tell(args, address, type=kind, size=size)
    return 0


def read(args: Namespace, hub: Endpoint, address: Address) -> int:
    """Print what is there, or write it into a file."""
    if args.json and not args.output:
        return _read_value(args, hub, address)
    if not args.output:
        return _read_out(args, hub, address)
    target = Path(args.output)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            code, kind = _read_into(args, hub, address, file)
            size = file.tell()
        if code == 0:
            part.replace(target)
            _tell(args, address, type=kind, size=size)
    finally:
        part.unlink(missing_ok=True)
    return code


def exists(args: Namespace, hub: Endpoint, address: Address) -> int:
    """Say whether anything is there."""

    def ask() -> bool:
        with Caller(hub, LONGEST_WAIT) as caller:
            return caller.exists(_path(address))

    there = asked_twice(ask)
    if args.json:
        output.data({"address": str(address), "exists": there})
    return 0 if there else NotFound.exit_code


def delete(args: Namespace, hub: Endpoint, address: Address) -> int:
    """Take away what is there."""

    def ask() -> dict[str, object]:
        with Caller(hub, LONGEST_WAIT) as caller:
            return caller.request("DELETE", _path(address), key=args.attempt.key)

    said = asked_twice(ask)
    if args.json:
        output.data({"address": str(address), "deleted": bool(said["events"])})
    return 0


DO: Final[dict[str, Callable[[Namespace, Endpoint, Address], int]]] = {
    "write": write,
    "read": read,
    "exists": exists,
    "delete": delete,
}


@contextmanager
def _source(args: Namespace) -> "Iterator[tuple[BinaryIO, str]]":
    """Open what is to be written; give it and its media type.

    Raises:
        Invalid: the value is no JSON, or there are two things to write.
    """
    if args.value is not None:
        if args.file != "-":
            raise Invalid("both FILE and --value are given: write one of them")
        yield BytesIO(_json(args.value)), args.type or JSON
    elif args.file == "-":
        yield sys.stdin.buffer, args.type or ANY
    else:
        path = Path(args.file)
        try:
            file = path.open("rb")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Invalid(
                f"{path} cannot be read ({reason}): name a file that can"
            ) from None
        with file:
            yield file, args.type or kind_of(path)


def _json(text: str) -> bytes:
    try:
        json.loads(text)
    except ValueError as error:
        raise Invalid(
            f"the value is not JSON ({error}): write a text as '\"text\"'"
        ) from None
    return text.encode("utf-8", "replace")


def _read_out(args: Namespace, hub: Endpoint, address: Address) -> int:
    """Print all of it or nothing."""
    with TemporaryFile() as file:
        code, _ = _read_into(args, hub, address, file)
        file.seek(0)
        if code == 0:
            sys.stdout.flush()
            copyfileobj(file, sys.stdout.buffer)
    return code


def _read_value(args: Namespace, hub: Endpoint, address: Address) -> int:
    file = BytesIO()
    code, kind = _read_into(args, hub, address, file)
    if code:
        return code
    try:
        value = json.loads(file.getvalue())
    except ValueError:
        raise Invalid(
            f"what is at {address} is {kind} and not JSON: read it with --output FILE"
        ) from None
    output.data({"address": str(address), "type": kind, "value": value})
    return 0


def _read_into(
    args: Namespace, hub: Endpoint, address: Address, file: BinaryIO
) -> tuple[int, str]:
    """Write what is there into a file; return the exit code and the media type."""

    def ask(left: float) -> str:
        asked = f"{_path(address)}?wait={min(max(left, 0.0), LONGEST_WAIT):.3f}"
        file.seek(0)
        file.truncate()
        with Caller(hub, PATIENCE) as caller:
            try:
                return caller.download(asked, file, lambda _piece, _whole: None)
            except NotFound:
                if not args.wait:
                    raise
                return ""

    if not args.wait:
        return 0, asked_twice(lambda: ask(0.0))
    until = time.monotonic() + args.wait
    for kind in asked_again(ask, until):
        if kind:
            return 0, kind
    output.words_to(f"nothing is at {address} after {args.wait:g} s: wait longer")
    return 4, ""


def _tell(args: Namespace, address: Address, **facts: object) -> None:
    if args.json:
        output.data({"address": str(address), **facts})


def _path(address: Address) -> str:
    return path_of("results", *address)
