"""``agentkit run``: a command as an agent, and again when it fails."""

import os
import shlex
import threading
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agentkit import child
from agentkit.calls import Caller
from agentkit.child import Ended, Relay
from agentkit.claims import Claim, Claims
from agentkit.commands import held, output
from agentkit.commands.extend import extend
from agentkit.commands.notify import tell
from agentkit.errors import AgentkitError, Conflict, Invalid, NotFound
from agentkit.oneshot import Sent, notify
from agentkit.rows import Report
from agentkit.settings import KitSettings, endpoint

ABOUT = "Run a command as an agent: busy while it runs, then completed or blocked."

EXAMPLES = """\
  agentkit run -- python worker.py
  agentkit run --name builder-1 --restart -- ./worker --verbose
  agentkit run --restart=always --max-restarts 20 -- python poll.py
  agentkit claim --task T1 && agentkit run --task T1 -- make
"""

FIRST = 0.5
LONGEST = 30.0
"""Seconds before the first restart, doubled for each in a row up to the longest."""

HEALTHY = 60.0
"""Seconds that a command must have run to be taken for a fresh start."""

BEAT = 20.0
"""Seconds between two signs of life: the hub calls an agent late after 30."""

PATIENCE = 5.0
"""Seconds that the hub may take to answer a sign of life."""

LABEL = 200
"""Characters of the command line that name the work."""

NOT_RUN = 126
NOT_FOUND = 127
"""Exit codes of a command that cannot be started, as a shell has them."""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags."""
    add = parser.add_argument
    add("--name", "--agent", dest="agent", metavar="ID", help="who the agent is")
    add("--url", metavar="URL", help="the hub's address")
    add("--task", metavar="ID", help="what it works on; ends it too if claimed before")
    add(
        "--restart",
        nargs="?",
        const="on-failure",
        default="never",
        choices=("never", "on-failure", "always"),
        help="start it again when it ended [on-failure]",
    )
    add("--max-restarts", type=int, metavar="N", help="in a row; then it is blocked")
    add("command_word", metavar="CMD", help="what to run, behind --")
    add("words", nargs=REMAINDER, metavar="ARG", help="its arguments")


def run(args: Namespace) -> int:
    """Run the command until it need not be started again; return its exit code."""
    if (args.max_restarts or 0) < 0:
        raise Invalid(f"--max-restarts is {args.max_restarts}: it cannot be negative")
    settings = output.settings_of(args)
    words = [args.command_word, *args.words]
    work = Work(settings, output.agent_of(settings), args.task, shlex.join(words))
    with child.passing() as relay:
        ended, restarts = _supervise(args, words, work, relay)
    work.end(ended)
    if args.json:
        said = {"agent": work.agent, "code": ended.code, "restarts": restarts}
        output.data(said)
    return ended.code


def _supervise(
    args: Namespace, words: list[str], work: "Work", relay: Relay
) -> tuple[Ended, int]:
    """Run the command again and again; return its last end and how often it was."""
    environ = {**os.environ, "SWARMTUI_AGENT": work.agent}
    restarts = row = 0
    why = ""
    while True:
        with work.under_way(why):
            ended = _run(words, environ, relay)
        row = 0 if ended.seconds >= HEALTHY else row
        if relay.stopped or not _wanted(args, ended, row):
            return ended, restarts
        wait = min(FIRST * 2**row, LONGEST)
        restarts, row = restarts + 1, row + 1
        why = f"restart {restarts}, it {ended}"
        output.words_to(f"{work.label} {ended.how}; restart {restarts} in {wait:g} s")
        relay.pause(wait)
        if relay.stopped:
            return ended, restarts - 1


def _run(words: list[str], environ: dict[str, str], relay: Relay) -> Ended:
    try:
        return child.run(words, environ, relay)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
        reason = (error.strerror or str(error)).lower()
        output.words_to(f"{words[0]} cannot be started ({reason}): check its path")
        return Ended(code, 0.0, reason)


def _wanted(args: Namespace, ended: Ended, row: int) -> bool:
    """Say whether the command shall be started again after `row` restarts in a row."""
    if not ended.seconds:
        return False
    if args.max_restarts is not None and row >= args.max_restarts:
        return False
    return args.restart == "always" or (args.restart == "on-failure" and ended.code > 0)


class Work:
    """What the hub is told of a command. Whatever goes wrong with that is only said."""

    def __init__(
        self, settings: KitSettings, agent: str, task: str | None, line: str
    ) -> None:
        self.agent = agent
        self.label = line if len(line) <= LABEL else f"{line[: LABEL - 1]}…"
        self._settings = settings
        self._task = task or self.label
        self._claim: Claim | None = None
        if task is not None:
            with suppress(NotFound):
                self._claim = Claims.of(settings).get(agent, task)

    @contextmanager
    def under_way(self, why: str) -> Iterator[None]:
        """Say that it works, and go on saying so while the block runs."""
        self._report("busy", why)
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()

    def end(self, ended: Ended) -> None:
        """Say how it ended: of the claimed task, else of the agent."""
        if self._claim is not None:
            with _only_said():
                self._settle(self._claim, ended)
        elif ended.code:
            self._report("blocked", f"{self.label} {ended}")
        else:
            self._report("completed")

    def _settle(self, claim: Claim, ended: Ended) -> None:
        key = os.urandom(16).hex()
        if ended.code:
            held.settle(self._settings, claim, "fail", key, {"reason": str(ended)})
        else:
            held.settle(self._settings, claim, "complete", key, {})

    def _report(self, report: Report, message: str = "") -> None:
        if self._claim is None:
            with _only_said():
                tell(self._notify(report, message))

    def _notify(self, report: Report, message: str | None = None) -> Sent:
        return notify(
            report,
            task=self._task,
            message=message,
            agent=self.agent,
            via="cli",
            settings=self._settings,
        )

    def _beat(self, over: threading.Event) -> None:
        """Show the hub that we are alive; when it is away, the next time."""
        pace = BEAT
        if self._claim is not None and self._claim.lease:
            pace = min(BEAT, self._claim.lease / 3)
        while not over.wait(pace):
            try:
                self._show_life()
            except Conflict as error:  # the lease has ended, so there is none to keep
                output.words_to(str(error))
                return
            except (AgentkitError, OSError):
                continue

    def _show_life(self) -> None:
        if self._claim is not None:
            extend(self._settings, self._claim)
        elif not self._settings.disable and self._is_as_we_said():
            self._notify("busy")

    def _is_as_we_said(self) -> bool:
        """Whether the hub still shows what we said: a command may report by itself."""
        with Caller(endpoint(self._settings), PATIENCE) as caller:
            try:
                row = caller.get("agents", self.agent)["agent"]
            except NotFound:
                return True
        said = ("busy", self._task, False)
        return (row["status"], row["task"], row["linked"]) == said


@contextmanager
def _only_said() -> Iterator[None]:
    """Tell what goes wrong, and go on."""
    try:
        yield
    except (AgentkitError, OSError) as error:
        output.words_to(str(error))
