"""``agentkit hooks``: writes the hooks of a product into its settings."""

from argparse import ArgumentParser, Namespace
from contextlib import nullcontext

from agentkit.commands import output
from agentkit.integrations import installing
from agentkit.integrations.events import PRODUCTS
from agentkit.integrations.installing import Change
from agentkit.integrations.wiring import WIRINGS, Scope

ABOUT = "Have Claude Code, Codex and others report to the hub: writes their hooks."

EXAMPLES = """\
  agentkit hooks install claude      into the settings of the user; shows what changed
  agentkit hooks install codex --project --dry-run
  agentkit hooks uninstall claude    what was there before, byte for byte
  agentkit hooks print opencode      what would be written, and where
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("action", choices=("install", "uninstall", "print"), help="what to do")
    add("product", choices=WIRINGS, metavar="PRODUCT", help=", ".join(WIRINGS))
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        *("--user",),
        dest="scope",
        action="store_const",
        const="user",
        default="user",
        help="in all projects (the default)",
    )
    scope.add_argument(
        *("--project",),
        dest="scope",
        action="store_const",
        const="project",
        help="in this folder alone",
    )
    add("--dry-run", action="store_true", help="only show what would change")


def run(args: Namespace) -> int:
    """Install, uninstall or print; return the exit code."""
    scope: Scope = args.scope
    if args.action == "print":
        return _print(args.product, scope)
    with nullcontext() if args.dry_run else installing.alone():
        changes = _changed(args.action == "install", args.product, scope, args.dry_run)
    _tell(args, changes)
    return 0


def _changed(installs: bool, product: str, scope: Scope, dry: bool) -> list[Change]:
    plan = installing.plan if installs else installing.plan_removal
    changes = plan(product, scope)
    if not dry:
        (installing.apply if installs else installing.remove)(changes)
    return changes


def _print(product: str, scope: Scope) -> int:
    """Print what would be written where nothing is."""
    for part in installing.parts(product, scope):
        if part.kind == "none":
            continue
        output.words_to(str(part.path))
        output.line(installing.fresh(part).rstrip("\n"))
    return 0


def _tell(args: Namespace, changes: list[Change]) -> None:
    """Say what changed: the diff is data, the rest are words."""
    changed = [change for change in changes if change.is_one]
    if args.json:
        paths = [str(change.path) for change in changed]
        output.data({"product": args.product, "changed": paths})
    else:
        for change in changed:
            output.line(change.diff().rstrip("\n"))
    for change in changes:
        if change.note:
            output.words_to(change.note)
    if not changed:
        output.words_to(f"{PRODUCTS[args.product].title}: nothing to change")
    elif args.dry_run:
        output.words_to("nothing was changed: leave --dry-run out to do it")
    elif args.action == "install":
        _told_what_next(args.product, changed)
    else:
        output.words_to(f"{PRODUCTS[args.product].title} does not report any more")


def _told_what_next(product: str, changed: list[Change]) -> None:
    for change in changed:
        if change.before is not None:
            copy = installing.backup(change.path)
            output.words_to(f"{change.path} as it was before is kept in {copy}")
    output.words_to(f"{PRODUCTS[product].title} reports now: {WIRINGS[product].hint}")
    output.words_to(f"agentkit hooks uninstall {product} undoes this")
