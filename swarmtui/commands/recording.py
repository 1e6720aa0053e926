"""``swarmtui record`` and ``replay``: what a hub tells watchers, kept and played."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agentkit.settings import load
from swarmtui import output, words
from swarmtui.asking import answering, hub_meant, hub_options
from swarmtui.commands.dashboard import can_draw
from swarmtui.output import Form, form_options
from swarmtui.preferences import Preferences
from swarmtui.recorder import MEBIBYTE, Progress, Recorder
from swarmtui.reel import Reel
from swarmtui.replay import Replay
from swarmtui.text import count, plural, short
from swarmtui.widgets.scrubber import timecode

FILE = click.Path(dir_okay=False, path_type=Path)
RECORDED = click.Path(dir_okay=False, exists=True, path_type=Path)
ENDS = (signal.SIGINT, signal.SIGTERM)


class Second(click.ParamType[float]):
    """A place in a recording: ``90``, ``1:30`` or ``1:01:30``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read seconds, or minutes and seconds, or hours too."""
        try:
            parts = [float(part) for part in str(value).split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3 or not all(0 <= part < 1e6 for part in parts):
            self.fail(f"{value!r} is no time: write 90, 1:30 or 1:01:30", param, ctx)
        return sum(part * 60.0**n for n, part in enumerate(reversed(parts)))


# --- record --------------------------------------------------------------------------


@click.command()
@click.argument("file", metavar="FILE", type=FILE)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="End after so long [with Ctrl-C].",
)
@click.option(
    "--max-size",
    type=click.FloatRange(min=0.01),
    metavar="MB",
    help="End when the file is about so large.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@form_options
@hub_options
def record(
    *,
    file: Path,
    seconds: float | None,
    max_size: float | None,
    force: bool,
    form: Form,
) -> None:
    """Write down all that the hub tells watchers.

    It goes on until Ctrl-C. A hub that goes away is waited for.

    FILE is for swarmtui replay; compressed if its name ends with .gz. It holds what
    agents and people said, and no token.
    """
    size = int(max_size * MEBIBYTE) if max_size is not None else None
    hub = answering(hub_meant())
    is_named = bool(click.get_current_context().ensure_object(dict))
    recorder = Recorder(hub if is_named else None, file, force=force)
    words.say(f"recording {hub.url} to {file}; Ctrl-C ends it")
    done = asyncio.run(_record(recorder, seconds, size, _teller(form)))
    words.progress("")
    if form == "table":
        words.say(f"{file}: {_told(done)}")
    elif form == "json":
        output.as_json(file=str(file), **_fields(done))
    else:
        output.as_jsonl({"file": str(file), **_fields(done)})


async def _record(
    recorder: Recorder,
    seconds: float | None,
    size: int | None,
    tell: Callable[[Progress], None],
) -> Progress:
    enough = asyncio.Event()
    for number in ENDS:
        asyncio.get_running_loop().add_signal_handler(number, enough.set)
    return await recorder.record(enough, seconds=seconds, size=size, tell=tell)


def _teller(form: Form) -> Callable[[Progress], None]:
    """Return what tells of the progress once a second."""
    if form == "jsonl":
        return lambda progress: output.as_jsonl(_fields(progress))
    return lambda progress: words.progress(_told(progress))


def _told(progress: Progress) -> str:
    away = "" if progress.live or not progress.error else f"  away: {progress.error}"
    agents, events = plural(progress.agents, "agent"), plural(progress.events, "event")
    time, size = timecode(progress.seconds), f"{short(progress.bytes)}B"
    return f"{time}  {events}  {agents}  {size}{away}"


def _fields(progress: Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in Progress.__slots__}


# --- replay --------------------------------------------------------------------------


@click.command()
@click.argument("file", metavar="FILE", type=RECORDED)
@click.option(
    "--speed",
    type=click.FloatRange(0.25, 64),
    default=1.0,
    show_default=True,
    help="How many seconds go by in one.",
)
@click.option("--at", type=Second(), default=0.0, metavar="TIME", help="Begin there.")
@click.option("--paused", is_flag=True, help="Begin with the picture held still.")
@click.option("--loop", is_flag=True, help="Begin again at the end.")
@click.option("--info", is_flag=True, help="Say what is in FILE.")
@click.option("--theme", help="The colours.")
@form_options
def replay(
    *,
    file: Path,
    speed: float,
    at: float,
    paused: bool,
    loop: bool,
    info: bool,
    theme: str | None,
    form: Form,
) -> int:
    """Play a recording in the dashboard.

    Without a terminal, or with --jsonl, its events are printed as JSON lines.

    \b
    p      pause, or play on        n N   to the next or last call for help
    , .    5 seconds back or on     [ ]   slower, faster
    < >    30 seconds back or on    ( )   to the start, to the end
    """  # noqa: D301 - \b is meant: click leaves these lines as they are
    if form == "json" and not info:
        raise click.UsageError("--json is for --info: the events are --jsonl")
    with closing(Reel(file)) as reel:
        if reel.recording.cut:
            words.say(
                f"{file}: {reel.recording.cut}; what comes before it is all there"
            )
        if info:
            _inform(reel, form)
        elif form == "jsonl" or not can_draw():
            _print(reel, at)
        else:
            player = Replay(reel, at=at, speed=speed, paused=paused, loop=loop)
            return _show(player, theme)
    return 0


def _show(player: Replay, theme: str | None) -> int:
    chosen = load(Preferences, flags={"theme": theme, "bell": False}).values
    from swarmtui.replay_app import ReplayApp

    app = ReplayApp(player, settings=chosen)
    app.run()
    return app.return_code or 0


def _print(reel: Reel, at: float) -> None:
    """Print the events from a second on, with their times."""
    for number in range(len(reel.recording)):
        second = reel.recording.times[number]
        if reel.recording.kinds[number] == "turn" and second >= at:
            for event in reel.recording.frame(number)["events"]:
                output.as_jsonl({"t": round(second, 3), **event})


def _inform(reel: Reel, form: Form) -> None:
    facts = _facts(reel)
    if form == "table":
        for name, fact in facts.items():
            output.line(f"{name.replace('_', ' '):<16} {_in_words(fact)}")
    elif form == "json":
        output.as_json(**facts)
    else:
        output.as_jsonl(facts)


def _in_words(fact: Any) -> str:
    match fact:
        case bool():
            return "yes" if fact else "no, it was cut off"
        case int():
            return count(fact)
        case _:
            return str(fact)


def _facts(reel: Reel) -> dict[str, Any]:
    """Return what is in a recording, by name."""
    recording, last = reel.recording, Replay(reel, paused=True)
    last.seek(reel.length)
    return {
        "file": str(reel.path),
        "size": reel.path.stat().st_size,
        "hub": recording.header.url,
        "hub_version": recording.header.hub,
        "recorded_with": recording.header.made,
        "started": recording.header.started.isoformat(),
        "seconds": round(reel.length, 1),
        "frames": len(recording),
        "events": reel.events,
        "calls_for_help": len(reel.calls),
        "times_away": len(reel.gaps),
        "agents": len(last.agents),
        "tasks": sum(last.task_counts.values()),
        "help_requests": len(last.helps),
        "complete": not recording.cut,
    }
