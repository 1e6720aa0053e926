"""``agentkit hook``: what a product runs whenever something happens in a session.

It says what happened and, at the end of a turn, brings what there is to do. A hub that
is away is not mentioned: what must not be lost waits on disk. Whatever goes wrong, the
product goes on as if there were no hook.
"""

import os
import time

from agentkit import places
from agentkit.integrations import answers, plain, standard, work
from agentkit.integrations import line as lines
from agentkit.integrations.events import PRODUCTS, Product
from agentkit.integrations.happening import OUTCOME, TITLE, Happening, happening
from agentkit.integrations.line import Away, Refused, Setup
from agentkit.integrations.session import Session, lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

BEGAN = time.time()
"""When this hook began, for others of its session that overtake it."""

PULSE = 60.0
"""Seconds after which the use of a tool is told again, as a sign of life."""

WAITS = ("start", "turn")
"""Moments behind which a session has nothing to do."""

WORKER = "SWARMTUI_WORKER"
"""Is set for programs that ``agentkit worker`` drives, which reports for them."""


class Words:
    """What the command line says."""

    __slots__ = ("agent", "event", "payload", "product", "wait")

    def __init__(self, words: "list[str]") -> None:
        """Read the words behind ``agentkit hook``.

        Raises:
            ValueError: there is something that we do not know.
        """
        self.agent = ""
        self.wait = False
        plain_words: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--wait":
                self.wait = True
            elif word == "--agent":
                self.agent = next(rest, "")
            elif word.startswith("-"):
                raise ValueError(f"there is no flag {word}: see agentkit hook --help")
            else:
                plain_words.append(word)
        named, self.event, self.payload = (*plain_words, "", "", "")[:3]
        if named not in PRODUCTS or len(plain_words) > 3:
            known = ", ".join(PRODUCTS)
            raise ValueError(f"there is no product {named!r}: name one of {known}")
        self.product: str = named


def main(words: "list[str]") -> int | None:
    """Do what the command line says; None leaves it to the general way, for its help.

    The exit code is 0, or 1 for words that make no sense: products take others for a
    decision. The one that waits exits with 2 when it wakes its session.
    """
    if "--help" in words or "-h" in words:
        return None
    try:
        said = Words(words)
    except ValueError as error:
        standard.complain(str(error))
        return 1
    try:
        payload = plain.read_object(said.payload or standard.told())
        if os.environ.get(WORKER):
            return 0
        if said.wait:
            from agentkit.integrations.doorbell import wait

            return wait(said.product, payload)
        answer = report(said, payload, os.environ)
        if answer:
            standard.answer(plain.written(answer) + "\n")
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # noqa: BLE001 - an agent is never broken by its hook
        reason = str(error) or type(error).__name__
        standard.complain(f"something was not reported: {reason}")
    return 0


def report(
    said: Words, payload: "Mapping[str, Any]", environ: "Mapping[str, str]"
) -> "dict[str, Any]":
    """Tell the hub what happened, and return the answer to the product.

    Args:
        said: what the command line says.
        payload: what the product says.
        environ: the environment.

    Raises:
        Refused: the hub refused the report.
        AgentkitError: a setting cannot be read.
        OSError: neither the hub nor the disk takes the report.
    """
    product = PRODUCTS[said.product]
    if said.agent:  # which is the session, for a product that knows of none
        payload = {product.session[0]: said.agent, **payload}
    what = happening(product, said.event, payload)
    if what is None:
        return {}
    setup = lines.setup(environ)
    if setup.disabled:
        return {}
    if what.later and not Session.load(said.product, what.session, environ).known:
        return {}
    turn = lock(said.product, what.session, environ, setup.line)
    session = Session.load(said.product, what.session, environ)
    session.agent = (
        said.agent or setup.agent or session.agent or _name(said.product, what, environ)
    )
    hook, answer = Hook(product, what, setup, session, environ), None
    try:
        answer = hook.answer()
    finally:
        if what.moment != "end":
            _remember(session, aloud=answer is not None)
        if turn is not None:
            os.close(turn)
    if product.ring == "codex" and what.moment in WAITS and session.state == "idle":
        from agentkit.integrations.beside import wait_beside

        wait_beside(said.product, session.key, session.file)
    return answer


def _remember(session: Session, *, aloud: bool) -> None:
    """Write down how a session is; a disk that is full costs no answer."""
    try:
        session.save()
    except OSError as error:
        if aloud:
            standard.complain(f"the session is not remembered: {error}")


class Hook:
    """One event of one session: what is told of it, and what is brought back."""

    def __init__(
        self,
        product: Product,
        what: Happening,
        setup: Setup,
        session: Session,
        environ: "Mapping[str, str]",
    ) -> None:
        self.product = product
        self.what = what
        self.session = session
        self._line = setup.line
        self._able = tuple(dict.fromkeys((*setup.capabilities, session.product)))
        self._environ = environ
        scripted = product.is_script(environ) and not setup.agent
        self._takes_work = bool(product.more) and not scripted
        """A script's session does only if somebody gave it a name in the swarm."""

    def answer(self) -> "dict[str, Any]":
        """Tell what happened, and return the answer to the product.

        Raises:
            Refused: the hub refused the report.
            OSError: the session's folder cannot be written.
        """
        does = getattr(self, f"_{self.what.moment}")
        answer: dict[str, Any] = does()
        self._spend()
        return answer

    # --- what is told, by moment ---

    def _start(self) -> "dict[str, Any]":
        return self._context() if self._tell() else {}

    def _prompt(self) -> "dict[str, Any]":
        session = self.session
        if self.product.ring == "codex" and (late := self._late()):
            return answers.refuse(late)
        if session.at and (self.product.apart or self._was_interrupted()):
            self._give_up()
        if session.task and work.opening(session.task) in self.what.text:
            session.hold(session.task, session.fence, begun=True)
        if not session.at:
            session.given = 0
        return self._context() if self._tell() else {}

    def _was_interrupted(self) -> bool:
        """Say whether the turn before this prompt was, for who does not tell it."""
        if not self.what.transcript:
            return False
        from agentkit.integrations.transcript import was_interrupted

        return was_interrupted(self.what.transcript)

    def _late(self) -> str:
        """Return why the session is not to begin with what it finds in its queue."""
        key = work.named(self.what.text)
        if not key or key == self.session.task:
            return ""
        return f"task {key} is not this session's any more: swarmtui took it back"

    def _tool(self) -> "dict[str, Any]":
        if self.product.tools_reset:
            self.session.given = 0
        quiet = time.time() - self.session.told
        if self.session.state == "busy" and 0 <= quiet < PULSE:
            return {}
        if self._is_overtaken():
            return {}
        if self.session.task:
            work.extend(self._line, self.session)
        self._tell()
        return {}

    def _ask(self) -> "dict[str, Any]":
        late = self.session.state == "help" or self._is_overtaken()
        if not (self.what.faint and late):
            self._tell()
        return {}

    def _fail(self) -> "dict[str, Any]":
        if self.session.at:
            work.settle(self._line, self.session, "fail", reason=self.what.text)
        self._tell()
        return {}

    def _interrupt(self) -> "dict[str, Any]":
        if self.session.at:
            self._give_up()
        self._tell()
        return {}

    def _give_up(self) -> None:
        reason = "its user interrupted it"
        work.settle(self._line, self.session, "fail", reason=reason)

    def _end(self) -> "dict[str, Any]":
        if self.session.task:
            reason = "its session has ended"
            work.settle(self._line, self.session, "nack", reason=reason)
        self._tell()
        self.session.forget()
        return {}

    def _rest(self) -> "dict[str, Any]":
        if self.session.state != "idle":
            self._tell()
        return {}

    def _turn(self) -> "dict[str, Any]":
        if self.what.again is False:
            self.session.given = 0
        words = self._last_words()
        if self.what.pending:
            self._tell()
            return {}
        if self.session.at:
            result = {"text": words[:OUTCOME]} if words else {}
            work.settle(self._line, self.session, "complete", result=result)
        free = self._tell() and not self.session.task
        return self._more() if free and self._takes_work else {}

    def _last_words(self) -> str:
        """Return what the session said in the turn that ends."""
        what, session = self.what, self.session
        if what.transcript and session.at:
            from agentkit.integrations.transcript import last_words

            return last_words(what.transcript, what.stamp)
        if not what.grows:
            return what.text
        before = session.heard if what.again else 0
        session.heard = len(what.text)
        return (what.text[before:] or what.text).strip()

    # --- what is brought back ---

    def _context(self) -> "dict[str, Any]":
        """Return the answer that tells the session what the hub has for it."""
        if not self.what.context:
            return {}
        try:
            text, numbers = work.letters(work.mail(self._line, self.session))
        except (Away, Refused):
            return {}
        work.sign(self._line, self.session, numbers)
        if not text:
            return {}
        return answers.context(self.what.context, self.what.event, text)

    def _more(self) -> "dict[str, Any]":
        """Return the answer that gives the session another turn; empty when done.

        A turn more than the product allows is never given: it would be lost. So would
        a task that nobody can remember.
        """
        if self._is_enough():
            return {}
        try:
            self.session.save()
            mail = work.mail(self._line, self.session)
            key = f"{self.session.secret}-{self.session.count}"
            task = work.claim(self._line, self.session, key, begun=True)
        except Refused:
            self.session.count += 1
            return {}
        except (Away, OSError):
            return {}
        urgent = [item for item in mail if work.is_urgent(item)]
        if not task and not urgent:
            return {}
        text, numbers = work.letters(mail, task)
        work.sign(self._line, self.session, numbers)
        self._take_up(task, urgent)
        return answers.go_on(self.product, text)

    def _take_up(self, task: str, urgent: "list[dict[str, Any]]") -> None:
        """Note that the session goes on; with a task the hub knows that it is busy."""
        self.session.given += 1
        if task:
            self.session.count += 1
            self.session.state, self.session.told = "busy", time.time()
        else:
            self._say("busy", {"task": work.letters(urgent[:1])[0][:TITLE]})

    def _is_enough(self) -> bool:
        set_to = (
            self._environ.get(self.product.cap_in, "") if self.product.cap_in else ""
        )
        cap = int(set_to) if set_to.isdecimal() else self.product.cap
        return bool(cap) and self.session.given >= cap

    def _is_overtaken(self) -> bool:
        """Say whether a hook that began later has told of the session already.

        Products run some of them in the background.
        """
        return 0 < self.session.told - BEGAN < PULSE

    # --- how it is told ---

    def _spend(self) -> None:
        """Tell what was used; an answer is not lost for it."""
        agent, spent = self.session.agent, self.what.spent
        if not spent:
            return
        try:
            self._line.tell(agent, ("agents", agent, "spend"), spent)
        except Refused as error:
            standard.complain(f"what was used is not told: {error}")

    def _tell(self) -> bool:
        """Report what happened; return whether the hub has it already."""
        return self._say(self.what.report, self.what.said(self.session.at))

    def _say(self, report: str, words: "dict[str, str]") -> bool:
        body: dict[str, Any] = {
            "via": "hook",
            "report": report,
            "reported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **words,
        }
        if not self.session.known:
            body["capabilities"] = list(self._able)
        agent = self.session.agent
        delivered = self._line.tell(agent, ("agents", agent, "status"), body)
        self.session.state, self.session.told = report, time.time()
        return delivered


def _name(product: str, what: Happening, environ: "Mapping[str, str]") -> str:
    """Return what a session is called: product, project, session and host.

    The end of what the product calls it is what differs: some begin with the time.
    """
    letters = "".join(c for c in what.session if c.isalnum() or c in "-_")
    short = letters if len(letters) <= 12 else letters[-6:]
    folder = environ.get(PRODUCTS[product].project, "") or what.cwd or os.curdir
    where = places.default_agent(os.path.abspath(folder))  # noqa: PTH100
    project, _, host = where.rpartition("@")
    return f"{product}-{project[:180]}-{short}@{host}"[:256]
