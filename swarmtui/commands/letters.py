"""``swarmtui letters``: messages that a subscription gave up; listed, given back."""

from collections.abc import Sequence
from difflib import get_close_matches

import click

from agentkit.coordinator import Coordinator
from agentkit.errors import Conflict, NotFound
from agentkit.rows import Letter
from swarmtui import output, words
from swarmtui.asking import NobodyThere, ask, each, hub_options, utc_now
from swarmtui.output import Column, Form
from swarmtui.text import ago

SHORT = 8
"""Characters of an id that a table shows, and at least as many have to be said."""

PAGE = 1000
"""Letters that are asked for at a time."""

LETTERS = (
    Column("state", coloured=True),
    Column("letter"),
    Column("when", right=True),
    Column("subject", flexible=True),
    Column("subscription", flexible=True, spare=1),
    Column("tries", right=True, spare=3),
    Column("told by", flexible=True, spare=2),
    Column("reason", flexible=True),
)
SETTLED = (Column("letter"), Column("subject", flexible=True))


@click.group(invoke_without_command=True)
@click.option(
    "--settled", is_flag=True, help="Those too that were given back, or let be."
)
@output.form_options
@hub_options
@click.pass_context
def letters(ctx: click.Context, *, settled: bool, form: Form) -> None:
    """List messages that a subscription gave up.

    Their handlers failed until all attempts were used up. The newest come first.
    """
    if ctx.invoked_subcommand is not None:
        return
    now = utc_now()

    def cells(row: Letter) -> list[str]:
        return [
            row.state,
            row.id[:SHORT],
            ago(row.settled or row.at, now),
            row.subject,
            row.subscription,
            str(row.attempts),
            row.told,
            row.reason,
        ]

    output.rows(form, "letters", found(dead=not settled), LETTERS, cells=cells)


def found(*, dead: bool) -> list[Letter]:
    """Return the letters of the hub, those that changed last first."""

    async def every(swarm: Coordinator) -> list[Letter]:
        rows: list[Letter] = []
        while True:
            before = rows[-1].version if rows else 0
            page = await swarm.letters(dead=dead, before=before, limit=PAGE)
            rows += page
            if len(page) < PAGE:
                return rows

    return ask(every)


@letters.command()
@click.argument("idents", metavar="[LETTER]…", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are dead.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.form_options
@hub_options
def requeue(*, idents: tuple[str, ...], every: bool, yes: bool, form: Form) -> int:
    """Give letters to their subscriptions once more, if these are there to take them.

    A letter is called by its id, or by how that begins.
    """
    chosen = meant(idents, every=every, yes=yes, what="Requeue")
    done, code = each(list(chosen), lambda swarm, key: swarm.unbury(key))
    show(form, "requeued", [chosen[key] for key, _ in done])
    return code


@letters.command()
@click.argument("idents", metavar="[LETTER]…", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are dead.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.form_options
@hub_options
def discard(*, idents: tuple[str, ...], every: bool, yes: bool, form: Form) -> int:
    """Let letters be: nobody tries them again.

    A letter is called by its id, or by how that begins.
    """
    chosen = meant(idents, every=every, yes=yes, what="Discard")
    done, code = each(list(chosen), lambda swarm, key: swarm.discard(key))
    show(form, "discarded", [chosen[key] for key, _ in done])
    return code


def meant(
    idents: Sequence[str], *, every: bool, yes: bool, what: str
) -> dict[str, Letter]:
    """Return the letters that are meant, by id; of all, the oldest comes first.

    Raises:
        click.UsageError: neither ids nor ``--all`` were said, or both.
        NobodyThere: there is none that is dead.
        NotFound, Conflict: an id is that of no letter, or the beginning of several.
    """
    if every is bool(idents):
        raise click.UsageError("say which ones, or --all, and not both")
    rows = found(dead=every)
    chosen = rows[::-1] if every else [_called(ident, rows) for ident in idents]
    if not chosen:
        raise NobodyThere("no letter is dead: swarmtui letters --settled lists others")
    names = [f"{row.id[:SHORT]} {row.subject}" for row in chosen]
    words.agree(what, names, "letter", yes=yes or not every)
    return {row.id: row for row in chosen}


def _called(ident: str, rows: Sequence[Letter]) -> Letter:
    """Return the letter that an id, or its beginning, names."""
    named = [row for row in rows if row.id == ident] or [
        row for row in rows if row.id.startswith(ident) and len(ident) >= SHORT
    ]
    if len(named) == 1:
        return named[0]
    if named:
        raise Conflict(f"{len(named)} letters begin with {ident!r}: say more of the id")
    near = get_close_matches(ident, [row.id[:SHORT] for row in rows], n=1)
    hint = f"did you mean {near[0]}?" if near else "see swarmtui letters --settled"
    raise NotFound(f"there is no letter {ident!r}: {hint}")


def show(form: Form, what: str, rows: Sequence[Letter]) -> None:
    """Write which letters something was done to."""
    if rows or form != "table":
        output.rows(
            form,
            what,
            rows,
            SETTLED,
            cells=lambda row: [row.id[:SHORT], row.subject],
        )
