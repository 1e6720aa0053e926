"""The words about runs: ``swarmtui runs``, and ``swarmtui run`` with what follows it.

``swarmtui run PLAN`` launches; ``swarmtui run show ID`` and its like look at a run or
change it. Whatever is no such word is a plan.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import click
from click.shell_completion import CompletionItem

from agentkit.coordinator import Coordinator
from agentkit.errors import Invalid, NotFound
from agentkit.progress import RunTree, RunView
from agentkit.rows import Checkpoint, Item, ItemState, Run, RunState
from swarmtui import output, words
from swarmtui.asking import (
    NobodyThere,
    ask,
    each,
    hub_meant,
    hub_options,
    picture,
    utc_now,
)
from swarmtui.commands.work import doubt
from swarmtui.output import Column, Form
from swarmtui.run_input import run_input
from swarmtui.run_tables import (
    CHECKPOINTS,
    RUNS,
    run_cells,
    tell_items,
    tell_tree,
    tell_view,
)
from swarmtui.runs import compile_runs, sign
from swarmtui.text import ago, plural, safe
from swarmtui.watching import watching

PATIENCE = 60.0
"""Seconds that a plan may take to arrive."""

PAGE = 1000

CANCELLED = 5
"""The exit code when a run was called off."""

CHANGED = (Column("run", flexible=True), Column("state"), Column("stage"))
STATES: tuple[RunState, ...] = get_args(RunState)
ITEM_STATES: tuple[ItemState, ...] = get_args(ItemState)


# --- runs ----------------------------------------------------------------------------


@click.command()
@click.argument("where", metavar="[FILTER]…", nargs=-1)
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, help="How many at most (100)."
)
@output.form_options
@hub_options
def runs(
    *, where: tuple[str, ...], state: RunState | None, limit: int, form: Form
) -> None:
    """List runs, those that changed last first.

    All of them, or those that a filter chooses:

    \b
    state:failed   plan:peering   stage:fetch   failed>0   age>1h   any text
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    now = utc_now()
    fits = compile_runs(" ".join(where), lambda run: run.machine)
    found: list[Run] = []

    async def every(swarm: Coordinator) -> None:
        before: int | None = None
        while len(found) < limit:
            page = await swarm.list_runs(state=state, before=before, limit=PAGE)
            found.extend(run for run in page if fits is None or fits(run, now))
            if len(page) < PAGE:
                return
            before = page[-1].version

    ask(every)
    output.rows(
        form, "runs", found[:limit], RUNS, cells=lambda run: run_cells(run, now)
    )


# --- run -----------------------------------------------------------------------------


class RunWords(click.Group):
    """A group whose words follow a run's life; whatever is none is a plan."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take what is no word of ours for what is said of a plan."""
        completing = ctx.resilient_parsing and not args
        if not completing and args[:1] not in [[word] for word in self._words()]:
            args.insert(0, LAUNCH)
        return super().parse_args(ctx, args)

    def _words(self) -> tuple[str, ...]:
        return *self.commands, "-h", "--help"

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the words, and files that may be plans, or what is said of them."""
        if incomplete.startswith("-"):
            return self.commands[LAUNCH].shell_complete(ctx, incomplete)
        words = super().shell_complete(ctx, incomplete)
        return [*words, CompletionItem(incomplete, type="file")]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name every word, in the order in which they are needed."""
        return list(self.commands)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell both ways."""
        formatter.write_usage(ctx.command_path, "PLAN [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND ID… [OPTIONS]")

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Tell the options that a plan is run with, then the words."""
        self.commands[LAUNCH].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


LAUNCH = "PLAN"
"""What is said of a plan is this command, which nobody has to name."""


@click.group(cls=RunWords)
def run() -> None:
    """Run a plan; look at a run, cancel it, let it go on.

    PLAN is a YAML file. What it leads to is printed: text as it is, all else as JSON.
    Ctrl-C leaves the run going. Exit codes: 1 it failed, 4 the time is over, 5 it was
    cancelled.
    """


@run.command(LAUNCH, hidden=True)
@click.argument("plan", required=False, type=click.Path())
@click.option(
    "--input",
    "source",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="Its input; - reads it here.",
)
@click.option(
    "--set", "pairs", metavar="KEY=VALUE", multiple=True, help="A part of its input."
)
@click.option("--name", metavar="ID", default="", help="The run's id; again, the same.")
@click.option("--machine", metavar="NAME", default="", help="Else its main one.")
@click.option(
    "--resume-from",
    metavar="ADDRESS",
    help="Begin at a checkpoint; without PLAN its own goes on.",
)
@click.option("--detach", is_flag=True, help="Print the id of the run; do not wait.")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long; the run goes on.",
)
@output.form_options
@hub_options
def launch(
    *,
    plan: str | None,
    source: str | None,
    pairs: tuple[str, ...],
    name: str,
    machine: str,
    resume_from: str | None,
    detach: bool,
    timeout: float | None,
    form: Form,
) -> int:
    """Run a plan."""
    if plan is None and not resume_from:
        raise click.UsageError("say which PLAN, or --resume-from ADDRESS")
    if resume_from and (source or pairs or machine):
        raise click.UsageError("--resume-from has its own input and machine")
    document = None if plan is None else _document(Path(plan))
    given = run_input(source, pairs)

    async def order(swarm: Coordinator) -> str:
        if resume_from:
            return await swarm.launch_from(resume_from, plan=document, run=name)
        assert document is not None  # noqa: S101 - else there is a checkpoint
        begun = await swarm.launch(document, given, machine=machine, run=name)
        for needs in _needs(document):
            doubt(picture(swarm), needs)
        return begun

    return _follow(order, form, timeout=timeout, detach=detach)


def _needs(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return what the agents of a plan have to be able to."""
    from agentkit.plans import compile_plan

    machines = compile_plan(document).machines.values()
    stages = [stage for machine in machines for stage in machine.stages.values()]
    return list(dict.fromkeys(stage.agent.needs for stage in stages if stage.agent))


def _document(path: Path) -> dict[str, Any]:
    """Read a plan, and tell what is wrong with it.

    Raises:
        Invalid: it cannot be run.
    """
    from agentkit.plans import read_plan

    reading = read_plan(path)
    for problem in reading.problems:
        words.say(safe(str(problem)))
    if reading.errors:
        count = plural(len(reading.errors), "error")
        raise Invalid(f"{path} cannot be run, it has {count}: see above")
    return reading.document


# --- waiting -------------------------------------------------------------------------


@run.command()
@click.argument("ident", metavar="ID")
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait so long; the run goes on.",
)
@output.form_options
@hub_options
def wait(*, ident: str, timeout: float | None, form: Form) -> int:
    """Wait until a run comes to its end, and print what it led to."""

    async def there(swarm: Coordinator) -> str:
        return (await _looked(swarm, ident)).run.id

    return _follow(there, form, timeout=timeout)


def _follow(
    order: Callable[[Coordinator], Awaitable[str]],
    form: Form,
    *,
    timeout: float | None,
    detach: bool = False,
) -> int:
    """Wait for a run that an order names; return the exit code."""
    named: list[str] = []

    async def ordered() -> Run | None:
        async with Coordinator(hub_meant(), timeout=PATIENCE) as swarm:
            named.append(await order(swarm))
            if detach:
                return None
            words.say(f"run {named[0]}; Ctrl-C leaves it going")
            with watching(form) as (told, every):
                return await swarm.wait_run(named[0], timeout, told=told, every=every)

    try:
        found = asyncio.run(ordered())
    except KeyboardInterrupt:
        if named:
            words.say(
                f"run {named[0]} goes on: swarmtui run wait {named[0]} looks again, "
                f"swarmtui run cancel {named[0]} calls it off"
            )
        return words.INTERRUPTED
    return _tell_launched(named[0], form) if found is None else _tell_end(found, form)


def _tell_launched(key: str, form: Form) -> int:
    if form == "table":
        words.say(f"see swarmtui run wait {key}")
        output.line(key)
    else:
        output.as_json(launched={"run": key})
    return 0


def _tell_end(run: Run, form: Form) -> int:
    """Print what a run led to; return the exit code."""
    if form == "json":
        output.as_json(run=run)
    elif form == "jsonl":
        output.as_jsonl(run)
    elif run.state == "done":
        _print(run.output)
    if run.state == "done":
        return 0
    words.fail(safe(_why(run)))
    return 1 if run.state == "failed" else CANCELLED


def _why(run: Run) -> str:
    on = f"swarmtui run resume {run.id} lets it go on"
    if run.state == "failed":
        kind, text = run.error.get("_error_type", ""), run.error.get("_error", "")
        return f"run {run.id} failed at {run.stage!r} ({kind}): {text}; {on}"
    reason = f", {run.reason}" if run.reason else ""
    return f"run {run.id} was cancelled{reason}: {on}"


def _print(value: Any) -> None:
    """Print a value as data: text as it is, all else as JSON."""
    if isinstance(value, str):
        output.line(safe(value) if output.is_terminal() else value)
    else:
        output.line(json.dumps(value, indent=2 if output.is_terminal() else None))


# --- looking -------------------------------------------------------------------------


async def _looked(swarm: Coordinator, ident: str) -> RunView:
    """Return a run that is asked for.

    Raises:
        NotFound: there is none; the text names the nearest.
    """
    try:
        return await swarm.run(ident)
    except NotFound as error:
        raise _with_hint(error, ident, swarm) from None


def _with_hint(error: NotFound, ident: str, swarm: Coordinator) -> NotFound:
    near = get_close_matches(ident, swarm.runs, 1)
    return NotFound(f"{error}; did you mean {near[0]}?") if near else error


@run.command()
@click.argument("ident", metavar="ID")
@click.option(
    "--items", "listed", is_flag=True, help="With items, of the last stage with any."
)
@click.option("--visit", type=click.IntRange(1), help="Items of its Nth stage.")
@click.option("--state", type=click.Choice(ITEM_STATES), help="Only such items.")
@output.form_options
@hub_options
def show(
    *,
    ident: str,
    listed: bool,
    visit: int | None,
    state: ItemState | None,
    form: Form,
) -> None:
    """Show a run: how far it is, what is below it, its items and errors."""
    listed = listed or visit is not None or state is not None

    async def question(swarm: Coordinator) -> tuple[RunView, RunTree, list[Item]]:
        view = await _looked(swarm, ident)
        items = await _items(swarm, view.run, visit, state) if listed else []
        return view, await swarm.tree(ident), items

    view, tree, items = ask(question)
    now = utc_now()
    if form == "table":
        tell_view(view, now)
        if tree.children:
            tell_tree(tree)
        if listed:
            output.line()
            tell_items(items, now)
    else:
        more: Mapping[str, Any] = {"items": items} if listed else {}
        whole = {"run": view.run, "plan": view.plan, **_rest(view), **more}
        output.as_json(**whole) if form == "json" else output.as_jsonl(whole)


async def _items(
    swarm: Coordinator, run: Run, visit: int | None, state: ItemState | None
) -> list[Item]:
    """Return the items of a stage, or of the last that had any."""
    found: list[Item] = []
    for number in [visit] if visit else range(run.visit, 0, -1):
        after: int | None = None
        while page := await swarm.items(
            run.id, visit=number, state=state, after=after, limit=PAGE
        ):
            found += page
            after = page[-1].index
        if found:
            break
    return found


def _rest(view: RunView) -> dict[str, Any]:
    return {
        "progress": view.progress,
        "eta": view.eta,
        "children": view.children,
        "launched": view.launched,
    }


@run.command()
@click.argument("ident", metavar="ID")
@output.form_options
@hub_options
def checkpoints(*, ident: str, form: Form) -> None:
    """List the checkpoints of a run, the newest first.

    Each is where swarmtui run --resume-from can begin.
    """

    async def question(swarm: Coordinator) -> list[Checkpoint]:
        await _looked(swarm, ident)
        return await swarm.checkpoints(ident, limit=PAGE)

    now = utc_now()
    output.rows(
        form,
        "checkpoints",
        ask(question),
        CHECKPOINTS,
        cells=lambda row: [str(row.number), row.stage, ago(row.at, now), row.address],
        data=lambda row: {
            "run": row.run,
            "number": row.number,
            "stage": row.stage,
            "at": row.at.isoformat(),
            "address": row.address,
        },
    )


@run.command()
@click.argument("ident", metavar="ID")
@output.form_options
@hub_options
def result(*, ident: str, form: Form) -> int:
    """Print what a run led to: text as it is, all else as JSON."""
    row = ask(lambda swarm: _looked(swarm, ident)).run
    if row.state == "running":
        raise NobodyThere(
            f"run {row.id!r} is running and has no result yet: swarmtui run wait "
            f"{row.id} waits for it"
        )
    return _tell_end(row, form)


# --- changing ------------------------------------------------------------------------


@run.command()
@click.argument("idents", metavar="ID…", nargs=-1, required=True)
@click.option("--reason", default="", help="Why.")
@output.form_options
@hub_options
def cancel(*, idents: tuple[str, ...], reason: str, form: Form) -> int:
    """Call runs off, with everything below them."""
    return _change(
        form,
        "cancelled",
        idents,
        lambda swarm, key: swarm.cancel_run(key, reason=reason),
    )


@run.command()
@click.argument("idents", metavar="ID…", nargs=-1, required=True)
@output.form_options
@hub_options
def resume(*, idents: tuple[str, ...], form: Form) -> int:
    """Let runs go on that failed or were cancelled.

    What was done stays done. One that is running or done is left alone.
    """
    return _change(form, "resumed", idents, lambda swarm, key: swarm.resume_run(key))


@run.command("retry-failed")
@click.argument("idents", metavar="ID…", nargs=-1, required=True)
@click.option("--visit", type=click.IntRange(1), help="Of its Nth stage.")
@output.form_options
@hub_options
def retry_failed(*, idents: tuple[str, ...], visit: int | None, form: Form) -> int:
    """Do the failed items of runs again, and go on from there."""
    return _change(
        form,
        "retried",
        idents,
        lambda swarm, key: swarm.retry_failed(key, visit=visit or 0),
    )


def _change(
    form: Form,
    what: str,
    idents: Sequence[str],
    order: Callable[[Coordinator, str], Awaitable[Run]],
) -> int:
    """Give an order for each run; return the exit code."""
    names = list(dict.fromkeys(idents))
    done, code = each(names, order, among=lambda swarm: swarm.runs)
    rows = [row for _, row in done]
    if rows or form != "table":
        output.rows(
            form,
            what,
            rows,
            CHANGED,
            cells=lambda row: [row.id, sign(row.state), row.stage],
        )
    return code
