"""What the hub has for a session: a task under a lease, and its mail, as words.

The words name who sent them and say what is the case; they do not give orders in the
place of the user, which agents rightly distrust.
"""

from agentkit.integrations import plain, quoting
from agentkit.integrations.line import Away, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agentkit.integrations.line import Line
    from agentkit.integrations.session import Session

LEASE = 1800.0
"""Seconds that a session has a task without a sign of life before others get it."""

UNTOLD = 60.0
"""Seconds that it has one before it says that it heard of it: an answer that comes too
late leases a task to nobody."""

LIMIT = 10_000
"""Characters that a session is told at once: products cut what is longer."""

MAIL = 20
"""Deliveries that are looked at, at once."""

_STRANGE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What comes of an answer that no hub would give."""


def claim(
    line: "Line", session: "Session", key: str, wait: float = 0, *, begun: bool
) -> str:
    """Claim a task for a session and return what it is told; empty when there is none.

    Args:
        line: to the hub.
        session: which then holds the task.
        key: of the claim: until it has led to a task the same one is used again, so
            that a task whose answer was lost is found again while it is leased.
        wait: seconds to wait for a task.
        begun: whether the session hears of it at once.

    Raises:
        Away: the hub could not be asked.
        Refused: it refused, or the task that the key led to is another's by now: a new
            key is due.
        OSError: the session's folder cannot be written.
    """
    body = {"agent": session.agent, "lease": UNTOLD, "wait": wait}
    answer = line.ask(("claims",), body, key)
    try:
        if not answer["tasks"]:
            return ""
        task = answer["tasks"][0]
        text, held = told(task, session.agent), (str(task["id"]), int(task["fence"]))
    except _STRANGE:
        raise Away("what answers is not a hub") from None
    try:
        session.hold(*held, begun=begun)
        _remember(session, task)
    except OSError:
        settle(line, session, "nack", reason="its session cannot remember it")
        raise
    _confirm(line, session)
    return text


def _confirm(line: "Line", session: "Session") -> None:
    """Let the lease last for as long as the work may take.

    Raises:
        Away: the hub did not say so in time; the task goes back.
        Refused: the lease has ended meanwhile.
    """
    body = {"agent": session.agent, "fence": session.fence, "lease": LEASE}
    try:
        line.ask(("tasks", session.task, "extend"), body)
    except Away:
        settle(line, session, "nack", reason="its session was told too late")
        raise
    except Refused:
        forget(session)
        raise


def told(task: "dict[str, Any]", agent: str, limit: int = LIMIT) -> str:
    """Return a task in words.

    Args:
        task: as the hub has it.
        agent: whose it is.
        limit: characters that it may have.
    """
    key, title, by = task["id"], task.get("title") or "", task.get("by") or ""
    giver = f" by {quoting.name(by)}" if by else ""
    first = f"{opening(key)}{giver} through swarmtui"
    first += f": {quoting.short(title)}" if title else "."
    failing = f"agentkit fail {_quoted(key)} 'the reason' --agent {_quoted(agent)}"
    last = (
        "It counts as done when this turn ends. If it cannot be done, this says so: "
        f"{failing}"
    )
    room = max(limit - len(first) - len(last) - 8, 0)
    details = quoting.cut(quoting.quoted(_details(task)), room)
    return "\n\n".join(filter(None, (first, details, last)))


def opening(task: str) -> str:
    """Return how the words about a task begin."""
    return f"Task {task}{_ASSIGNED}"


def named(text: str) -> str:
    """Return the task that words begin with; empty when they begin with none."""
    key, found, rest = text.partition("\n")[0].partition(_ASSIGNED)
    ours = found and key.startswith("Task ") and "through swarmtui" in rest
    return key[5:] if ours else ""


_ASSIGNED = " was assigned to this session"


def _details(task: "dict[str, Any]") -> str:
    """Return what a task has beside its name: one text as it is, else as JSON."""
    given = task.get("body", {}).items()
    body = {name: value for name, value in given if name not in ("id", "title")}
    texts = [value for value in body.values() if isinstance(value, str)]
    if len(body) == len(texts) == 1:
        return texts[0]
    return plain.written(body) if body else ""


def mail(line: "Line", session: "Session") -> "list[dict[str, Any]]":
    """Return what lies in the mailbox of a session, but for its tasks.

    Raises:
        Away: the hub could not be asked.
        Refused: it refused.
    """
    path = ("agents", session.agent, f"mailbox?limit={MAIL}&peek=true")
    answer = line.ask(path, None)
    try:
        return [item for item in answer["mail"] if int(item["seq"]) and _letter(item)]
    except _STRANGE:
        raise Away("what answers is not a hub") from None


def is_urgent(item: "dict[str, Any]") -> bool:
    """Say whether a session that has nothing to do goes on for this.

    What a person sent to it alone is; what another agent sent is not, so that two
    cannot keep each other awake, nor is what goes to everybody.
    """
    if item["kind"] in ("answer", "helper"):
        return True
    return item["kind"] == "message" and not item["message"].get("sender")


def letters(items: "list[dict[str, Any]]", before: str = "") -> "tuple[str, list[int]]":
    """Return mail in words, behind others, and the numbers of what is in them.

    What there is no room for is left for the next time.
    """
    texts, numbers = ([before] if before else []), []
    for item in items:
        text = quoting.cut(_letter(item), LIMIT // 2)
        if sum(map(len, texts)) + len(text) + 2 * len(texts) > LIMIT:
            break
        texts.append(text)
        numbers.append(item["seq"])
    return "\n\n".join(texts), numbers


def sign(line: "Line", session: "Session", numbers: "list[int]") -> None:
    """Tell the hub that mail was handed over; untold, it is handed over again."""
    if not numbers:
        return
    try:
        line.ask(("agents", session.agent, "mailbox"), {"done": numbers})
    except (Away, Refused):
        return


def _letter(item: "dict[str, Any]") -> str:
    """Return a delivery in words; empty when a session can do nothing with it."""
    form = _LETTERS.get(item["kind"])
    return form(item) if form else ""


def _by(item: "dict[str, Any]") -> str:
    return quoting.name(item.get("by") or "") or "the coordinator"


def _broadcast(item: "dict[str, Any]") -> str:
    said = quoting.said(item["body"]["text"])
    return f"Broadcast to all agents from {_by(item)} through swarmtui:{said}"


def _answer(item: "dict[str, Any]") -> str:
    body = item["body"]
    asked, said = quoting.short(body.get("question", "")), quoting.said(body["text"])
    return f'{_by(item)} answered the question "{asked}" through swarmtui:{said}'


def _helper(item: "dict[str, Any]") -> str:
    body = item["body"]
    asked, who = quoting.short(body["question"]), quoting.name(body["agent"])
    note = f" Their note:{quoting.said(body['note'])}" if body.get("note") else ""
    return (
        f"{_by(item)} asks this session through swarmtui to help {who}, who asked: "
        f'"{asked}".{note}'
    )


def _message(item: "dict[str, Any]") -> str:
    message = item["message"]
    if message.get("call"):
        return ""  # a program waits for its answer, and a session has no methods
    sender = message.get("sender")
    who = f"agent {quoting.name(sender)}" if sender else _by(item)
    body = plain.written(message["body"]) if message.get("body") else ""
    said = quoting.said(" ".join(filter(None, (message.get("text", ""), body))))
    return f"Message from {who} through swarmtui:{said}"


_LETTERS: "dict[str, Callable[[dict[str, Any]], str]]" = {
    "broadcast": _broadcast,
    "answer": _answer,
    "helper": _helper,
    "message": _message,
}


def _remember(session: "Session", task: "dict[str, Any]") -> None:
    """Let ``agentkit fail`` and the others find the lease."""
    from agentkit.claims import Claim, Claims
    from agentkit.settings import KitSettings, load

    claim = Claim(session.agent, task["id"], task["fence"], LEASE)
    Claims.of(load(KitSettings).values).keep(claim)


def forget(session: "Session") -> None:
    """Forget the lease of the task that a session holds."""
    from agentkit.claims import Claim, Claims
    from agentkit.settings import KitSettings, load

    claim = Claim(session.agent, session.task, session.fence)
    Claims.of(load(KitSettings).values).forget(claim)
    session.let_go()


def settle(line: "Line", session: "Session", how: str, **said: object) -> bool:
    """Tell the hub how the task of a session ended.

    A lease that is another's by now, or a task that the session itself has settled, is
    the end of it as well.

    Args:
        line: to the hub.
        session: which holds a task.
        how: ``complete``, ``fail`` or ``nack``, as in the API.
        said: what goes with it.

    Returns:
        Whether the hub knows; otherwise it waits on disk.
    """
    body = {"agent": session.agent, "fence": session.fence, **said}
    try:
        delivered = line.tell(session.agent, ("tasks", session.task, how), body)
    except Refused:
        delivered = True
    forget(session)
    return delivered


def extend(line: "Line", session: "Session") -> None:
    """Let the lease of the task of a session last from now on, if the hub is there."""
    body = {"agent": session.agent, "fence": session.fence}
    try:
        line.ask(("tasks", session.task, "extend"), body)
    except Refused:
        forget(session)
    except Away:
        return


def _quoted(word: str) -> str:
    from shlex import quote

    return quote(word)
