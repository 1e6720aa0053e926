"""What the hub is told of a command that runs."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from agentkit.calls import Caller
from agentkit.child import Ended
from agentkit.claims import Claim, Claims
from agentkit.commands import held, output
from agentkit.commands.extend import extend
from agentkit.commands.notify import tell
from agentkit.errors import AgentkitError, Conflict, HubUnavailable, NotFound
from agentkit.oneshot import Sent, catch_up, notify
from agentkit.rows import Report
from agentkit.running.mood import Said
from agentkit.running.telling import Teller
from agentkit.settings import KitSettings, endpoint

BEAT = 20.0
"""Seconds between two signs of life: the hub calls an agent late after 30."""

PATIENCE = 2.0
"""Seconds that the hub may take to answer a sign of life."""

LABEL = 200
"""Characters of the command line that name the work."""

WORDS = 5
"""What went wrong while a terminal was shown and is told behind it: the last few."""


class Work:
    """What the hub is told of a command. Whatever goes wrong with that is only said.

    Args:
        settings: where the hub is.
        agent: who runs the command.
        task: what it works on; else the command line.
        line: of the command.
    """

    def __init__(
        self, settings: KitSettings, agent: str, task: str | None, line: str
    ) -> None:
        self.agent = agent
        self.label = line if len(line) <= LABEL else f"{line[: LABEL - 1]}…"
        self._settings = settings
        self._task = task or self.label
        self._claim: Claim | None = None
        self._lapsed = False
        self._said = Said("busy")
        self._delivered = True
        """Whether the hub has what we said."""
        self._help = ""
        """What the hub calls what we asked."""
        self._words: deque[str] | None = None
        """What is said later: a terminal is shown, and not for us to write on."""
        if task is not None:
            with suppress(NotFound):
                self._claim = Claims.of(settings).get(agent, task)

    @contextmanager
    def under_way(self, why: str) -> Iterator[None]:
        """Say that it works, and go on saying so while the block runs."""
        self.begin(why)
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()

    @contextmanager
    def aside(self, why: str) -> Iterator[Callable[[Said], None]]:
        """Say that it works and, while the block runs, how it is; wait for nothing.

        The block is given what takes how it is. What goes wrong is said behind it.
        """
        words = self._words = deque(maxlen=WORDS)
        try:
            with Teller(self, self._pace, why) as teller:
                yield teller.say
        finally:
            self._words = None
            for word in words:
                output.words_to(word)

    def begin(self, why: str) -> None:
        """Say that it works."""
        if self._claim is None:
            self._report("busy", why)
        elif self._said.report != "busy":
            with self._only_said():
                self.tell(Said("busy"))

    def tell(self, said: Said) -> None:
        """Say how it is, unless the command speaks for itself.

        Raises:
            HubError: the hub is away, or did not answer.
            SwarmError: it refused.
        """
        if self._claim is not None and said.report == "idle":
            said = Said("busy")  # whoever has a lease is not there for other work
        if not self._settings.disable and self._is_as_we_said():
            self._notify(*said)

    def show_life(self) -> None:
        """Say that it is still there.

        Raises:
            HubError: the hub is away, or did not answer.
            SwarmError: it refused.
        """
        if self._claim is not None:
            self._extend(self._claim)
            return
        if self._settings.disable or not self._is_as_we_said():
            return
        if self._said.report != "help" or self._is_asked():
            self._notify(*self._said)

    def end(self, ended: Ended) -> None:
        """Say how it ended: of the claimed task, else of the agent."""
        if self._claim is not None:
            with self._only_said():
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

    def _extend(self, claim: Claim) -> None:
        if self._lapsed:
            return
        try:
            extend(self._settings, claim)
        except Conflict as error:  # the lease has ended, so there is none to keep
            self._lapsed = True
            self._word(str(error))

    def _report(self, report: Report, message: str = "") -> None:
        if self._claim is None:
            with self._only_said():
                sent = self._notify(report, message)
                if self._words is None:
                    tell(sent)

    def _notify(self, report: Report, message: str = "") -> Sent:
        self._said = Said(report, message)
        sent = notify(
            report,
            task=self._task,
            message=message,
            agent=self.agent,
            via="cli",
            settings=self._settings,
        )
        self._delivered = sent.delivered
        return sent

    @property
    def _pace(self) -> float:
        if self._claim is not None and self._claim.lease:
            return min(BEAT, self._claim.lease / 3)
        return BEAT

    def _beat(self, over: threading.Event) -> None:
        """Show the hub that we are alive; when it is away, the next time."""
        while not over.wait(self._pace):
            with suppress(AgentkitError, OSError):
                self.show_life()

    def _is_as_we_said(self) -> bool:
        """Whether the hub still shows what we said: a command may report by itself."""
        self._catch_up()
        with Caller(endpoint(self._settings), PATIENCE) as caller:
            try:
                row = caller.get("agents", self.agent)["agent"]
            except NotFound:
                return True
        self._help = row["help"]
        said = (self._said.report, self._task, False)
        return (row["status"], row["task"], row["linked"]) == said

    def _is_asked(self) -> bool:
        """Whether nobody has seen to what was asked: who has is not asked again."""
        with Caller(endpoint(self._settings), PATIENCE) as caller:
            request = caller.get("help", self._help)["help"]
        return request["state"] not in ("answered", "resolved")

    def _catch_up(self) -> None:
        """See to it that the hub has what waits on disk; only then it can be asked."""
        if self._delivered:
            return
        sent = catch_up(self.agent, self._settings)
        if sent.waiting:
            raise HubUnavailable(sent.reason or "the hub was slow")
        self._delivered = True

    @contextmanager
    def _only_said(self) -> Iterator[None]:
        """Tell what goes wrong, and go on."""
        try:
            yield
        except (AgentkitError, OSError) as error:
            self._word(str(error))

    def _word(self, text: str) -> None:
        if self._words is None:
            output.words_to(text)
        else:
            self._words.append(text)
