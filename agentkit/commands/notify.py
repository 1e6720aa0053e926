"""``agentkit notify``: one report, and what is unusual about it."""

from argparse import ArgumentParser, Namespace

from agentkit.commands import output
from agentkit.oneshot import Sent, notify
from agentkit.quick import REPORTS

ABOUT = "Report a status. A hub that is down breaks nothing: the report waits on disk."

EXAMPLES = """\
  agentkit notify idle
  agentkit notify busy T1 --agent builder-1 --capability python --capability sql
  agentkit notify completed T1 --cost 0.42
  agentkit notify blocked "no access to the staging database"
  agentkit notify help "which schema?" --choice v1 --choice v2 --severity high
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("report", choices=REPORTS, help="what the agent reports")
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TASK|TEXT",
        help="the task; of blocked and help, the reason or the question",
    )
    output.who(parser)
    add = parser.add_argument
    add("--capability", metavar="C", action="append", help="what it can do; repeatable")
    add("--cost", type=float, metavar="X", help="US dollars spent so far")
    add("--completed", type=int, metavar="N", help="tasks completed so far")
    add("--task", metavar="T", help="the task, beside a reason or question")
    add("--message", metavar="TEXT", help="a message, beside a task")
    add("--severity", choices=("low", "normal", "high", "critical"))
    add("--choice", metavar="C", action="append", default=[], help="an answer to offer")
    add("--strict", action="store_true", help="exit 1 when the hub did not take it")


def run(args: Namespace) -> int:
    """Report; return the exit code."""
    given = {"task": args.task, "message": args.message}
    if args.subject is not None:
        given[REPORTS[args.report]] = args.subject
    sent = notify(
        args.report,
        **given,
        agent=args.agent,
        capabilities=args.capability,
        cost=args.cost,
        completed=args.completed,
        severity=args.severity,
        choices=args.choice,
        via="cli",
        key=args.attempt.key,
        timeout=args.attempt.left(),
        settings=output.settings_of(args),
    )
    tell(sent)
    if args.json:
        output.data(
            {
                "agent": sent.agent,
                "report": args.report,
                "delivered": sent.delivered,
                "waiting": sent.waiting,
            }
        )
    return 1 if args.strict and sent.waiting and not sent.delivered else 0


def tell(sent: Sent) -> None:
    """Say what did not go as usual."""
    for refused in sent.refused:
        output.words_to(f"an earlier report was refused and is gone: {refused}")
    if sent.waiting:
        reports = "report waits" if sent.waiting == 1 else "reports wait"
        reason = sent.reason or "the hub was slow"
        output.words_to(f"{reason}; {sent.waiting} {reports} on disk for the next call")
