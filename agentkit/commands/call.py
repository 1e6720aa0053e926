"""``agentkit call``: have another agent do something, and print what it answers."""

import json
import os
import time
from argparse import ArgumentParser, Namespace
from typing import Any

from agentkit.calls import Caller, asked_twice
from agentkit.commands import given, held, output
from agentkit.errors import CallFailed
from agentkit.mailbox import Mailbox
from agentkit.settings import endpoint

ABOUT = "Call a method of another agent and print the answer."

EXAMPLES = """\
  agentkit call adder add '{"a": 1, "b": 2}'
  agentkit call cap:review review '{"task": "T1"}' --timeout 600
  agentkit call sentinel ping || echo "no answer, or it failed"
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("to", metavar="TO", help="a name, or cap:CAPABILITY")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "params", metavar="JSON", nargs="?", help="an object; - reads standard input"
    )
    output.who(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds to wait; exit code 4 then",
    )


def run(args: Namespace) -> int:
    """Call, wait for the answer and print it; return the exit code."""
    settings = output.settings_of(args)
    if settings.disable:
        return 4
    agent, call = output.agent_of(settings), f"c-{os.urandom(12).hex()}"
    until = time.monotonic() + args.timeout
    wish = {"agent": agent, "to": args.to, "call": call, "body": _body(args)}
    wish["within"] = max(args.timeout, 0.0)

    def ask() -> dict[str, Any]:
        with Caller(endpoint(settings), held.PATIENCE) as caller:
            return caller.post("messages", body=wish, key=args.attempt.key)

    asked_twice(ask)
    box = Mailbox(lambda: endpoint(settings), agent)
    answer = _await(box, call, until)
    if answer is None:
        output.words_to(f"{args.to} has not answered within {args.timeout:g} s")
        return 4
    box.sign(done=[answer["seq"]])
    return _tell(args, answer["message"])


def _tell(args: Namespace, message: dict[str, Any]) -> int:
    body = message["body"]
    if "error" in body:
        raise CallFailed(f"{message['sender']} answered: {body['error']}")
    result = body.get("result")
    if args.json:
        output.data({"agent": message["sender"], "result": result})
    else:
        output.line(result if isinstance(result, str) else json.dumps(result))
    return 0


def _body(args: Namespace) -> dict[str, Any]:
    params = {}
    if args.params is not None:
        params = given.json_of(args.params, "text of parameters", '{"task": "T1"}')
    return {"method": args.method, "params": params}


def _await(box: Mailbox, call: str, until: float) -> dict[str, Any] | None:
    """Return the answer when it comes; all other mail stays where it is."""
    for mail in box.poll(until, 0):
        for item in mail:
            if item.get("message", {}).get("answers") == call:
                return item
    return None
