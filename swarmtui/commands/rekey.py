"""``swarmtui rekey``: seals the whole store with the key that is set now."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from swarmtui import output, words
from swarmtui.commands.serve import rekey_store
from swarmtui.output import Form
from swarmtui.text import plural


@click.command()
@click.option("--plain", is_flag=True, help="Unseal everything instead.")
@click.option("--data-dir", metavar="PATH", help="The folder of the store.")
@output.form_options
def rekey(*, plain: bool, data_dir: str | None, form: Form) -> None:
    """Seal the whole store with the key that is set.

    No hub may run. What is plain is sealed, what has the key of
    storage_master_key_previous gets the new one, and that one is needed no more.
    Interrupted, it goes on where it was when it is started again.
    """
    with _progress() as told:
        store, count = rekey_store(data_dir, plain=plain, told=told)
    if form == "table":
        done = "unsealed" if plain else "sealed"
        words.say(f"{plural(count, 'text')} {done}")
        output.line(str(store))
    else:
        output.as_json(rekey={"file": str(store), "sealed": not plain, "texts": count})


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar, on a terminal; give what moves it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label="rekey", file=sys.stderr) as bar:

        def told(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield told
