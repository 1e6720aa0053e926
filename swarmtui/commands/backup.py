"""``swarmtui backup`` and ``restore``: the whole store in one file, and back."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from agentkit.calls import Caller
from agentkit.errors import AgentkitError, Conflict, HubUnreachable
from agentkit.settings import Endpoint, KitSettings, load
from swarmtui import output, words
from swarmtui.asking import answering, hub_meant, hub_options, utc_now
from swarmtui.commands.serve import lost_from, restoration, save_store, store_here
from swarmtui.output import Form
from swarmtui.text import ago, plural

PATIENCE = 900.0
"""Seconds that the hub may take until the copy begins to come, or goes on."""

FILE = click.Path(dir_okay=False, path_type=Path)


class DamagedError(AgentkitError):
    """A copy came to harm on its way."""

    code = "damaged"


class MissingError(AgentkitError):
    """A file or folder that was named is not there."""

    code = "missing"


@click.command()
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@output.form_options
@hub_options
def backup(*, file: Path, force: bool, form: Form) -> None:
    """Copy the whole store, while the hub works on.

    Everything that the hub had acknowledged before is in FILE, large results too.
    Where no hub runs, the store of this machine is copied.
    """
    if file.exists() and not force:
        raise Conflict(
            f"{file} is there: name another file, or replace it with --force"
        )
    _check_folder(file)
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        source = _copied(part)
        _check(part)
        _tell_of(lost_from(part))
        part.replace(file)
        _sync(file.absolute().parent)
    finally:
        part.unlink(missing_ok=True)
    size = file.stat().st_size
    if form == "table":
        words.say(f"{size / 2**20:,.1f} MiB from {source}")
        output.line(str(file))
    else:
        output.as_json(backup={"file": str(file), "bytes": size, "source": source})


def _tell_of(lost: int) -> None:
    """Say what a copy does not have, if there is something."""
    if lost:
        words.say(
            f"{plural(lost, 'large result')} without a file, which the copy cannot "
            "have: see swarmtui doctor"
        )


def _check_folder(file: Path) -> None:
    """Check that there is a folder for a file.

    Raises:
        MissingError: there is none.
    """
    if not file.absolute().parent.is_dir():
        raise MissingError(
            f"there is no folder {file.parent}: make it, or name another"
        )


def _copied(part: Path) -> str:
    """Make the copy; return where it came from."""
    try:
        hub = answering(hub_meant())
    except HubUnreachable:
        store = store_here()
        if _is_named() or not store.is_file():
            raise
        save_store(store, part)
        return str(store)
    _download(hub, part)
    return hub.url


def _is_named() -> bool:
    """Whether a certain hub is meant, and not just the one that runs here."""
    flags = click.get_current_context().ensure_object(dict)
    return bool(load(KitSettings, flags=flags).values.url)


def _download(hub: Endpoint, part: Path) -> None:
    private = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(private, "wb") as file,
        _progress() as told,
        Caller(hub, PATIENCE) as caller,
    ):
        caller.download("/v1/backup", file, told)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Draw a bar, on a terminal; give what moves it, as `Caller.download` tells it."""
    if not sys.stderr.isatty():
        yield lambda _piece, _whole: None
        return
    with click.progressbar(length=1, label="backup", file=sys.stderr) as bar:

        def told(piece: int, whole: int) -> None:
            bar.length = whole
            bar.update(piece)

        yield told


def _check(part: Path) -> None:
    """Read the copy through.

    Raises:
        DamagedError: it is not sound.
    """
    uri = f"{part.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as copy:
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise DamagedError(
            f"the copy came to harm ({said}): try again, and see swarmtui doctor"
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@click.command()
@click.argument("file", metavar="FILE", type=FILE)
@click.option("--data-dir", metavar="PATH", help="The folder of the store.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.form_options
def restore(*, file: Path, data_dir: str | None, yes: bool, form: Form) -> None:
    """Put a copy in the place of the store.

    No hub may run on it; what was there is kept beside it.
    """
    if not file.is_file():
        raise MissingError(
            f"there is no copy {file}: name a file that swarmtui backup made"
        )
    store, now = store_here(data_dir), utc_now()
    with restoration(file, store) as copy:
        held = copy.contents
        age = f", from {ago(held.newest, now)} ago" if held.newest else ""
        words.say(
            f"{file} holds {plural(held.agents, 'agent')}, "
            f"{plural(held.tasks, 'task')}, {plural(held.files, 'large result')}, and "
            f"the log up to event {held.cursor}{age}"
        )
        _tell_of(held.lost)
        if store.exists() and not yes:
            _agree(store)
        kept = copy.finish(now)
        _give_away(store)
    if form == "table":
        if kept is not None:
            words.say(f"what was there is kept as {kept}")
        output.line(str(store))
    else:
        kept_as = None if kept is None else str(kept)
        output.as_json(restored={"store": str(store), "kept": kept_as}, holds=held)


def _give_away(store: Path) -> None:
    """Let a store that root restored belong to whom its folder belongs.

    Otherwise a hub that runs as a user of its own could not open it.
    """
    if os.geteuid() == 0:
        folder = store.parent.stat()
        results = store.with_name("results")
        lock = store.with_name(f"{store.name}.lock")
        for path in (store, lock, results, *results.rglob("*")):
            if path.exists():
                os.chown(path, folder.st_uid, folder.st_gid)


def _agree(store: Path) -> None:
    """Go on if this is meant.

    Raises:
        Conflict: nobody can be asked.
        click.Abort: it is not meant.
    """
    if not words.can_ask():
        raise Conflict(
            f"this takes the place of {store} and there is no terminal to ask: add "
            "--yes if it is meant"
        )
    if not words.agrees(f"Put it in the place of {store}?"):
        raise click.Abort
