"""What happened in a session, read from what its product said: no I/O."""

from agentkit.integrations.events import MOMENTS, Event, Product, pick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agentkit.integrations.events import Form, Moment

TITLE = 120
"""Characters of a prompt that are shown as the task."""

DETAIL = 500
"""Characters of a question, or of an error."""

OUTCOME = 8_000
"""Characters of what a session said last that become the result of its task."""

ASKED = ("command", "file_path", "path", "url", "query", "description")
"""What a tool is to be used on, the first that its input has."""


class Happening:
    """One event of one session."""

    __slots__ = (
        "again",
        "context",
        "cwd",
        "event",
        "faint",
        "grows",
        "later",
        "moment",
        "pending",
        "session",
        "spent",
        "stamp",
        "text",
        "transcript",
    )

    def __init__(
        self, product: Product, event: str, means: Event, payload: "Mapping[str, Any]"
    ) -> None:
        self.event = event
        self.moment: Moment = means.moment
        self.context: Form = means.context
        self.faint = means.faint
        self.grows = means.grows
        self.later = means.later
        self.session = session_of(product, payload)
        """What the product calls the session."""
        self.text = _words(product, means, payload)
        """The prompt, question, error or last words; empty when there are none."""
        self.transcript = str(pick(payload, means.transcript or ".") or "")
        """The file in which the session is kept, where that says more than this."""
        self.stamp = payload.get("timestamp")
        """By which that file knows the event."""
        self.again = bool(pick(payload, product.again)) if product.again else None
        """Whether the turn that ends is one that we gave; None when nothing says so."""
        self.pending = len(_list(payload.get("background_tasks")))
        """What still runs in the background when a turn ends."""
        self.spent = _spent(payload.get("spent"))
        """Dollars and tokens since it last told; empty when it used none."""
        self.cwd = str(payload.get("cwd") or payload.get("working_dir") or "")

    @property
    def report(self) -> str:
        """What the agent reports: it is not idle while something runs."""
        return "busy" if self.pending else MOMENTS[self.moment]

    def said(self, task: str) -> "dict[str, str]":
        """Return the words of the report.

        Args:
            task: the one that the session holds; empty when it holds none.
        """
        match self.moment:
            case "prompt":
                title = task or " ".join(self.text.split())[:TITLE]
                return {"task": title} if title else {}
            case "ask" | "fail":
                return {"message": self.text}
            case "end":
                return {"message": f"its session has ended {self.text}".strip()}
        if self.pending:
            return {"task": task or f"{self.pending} in the background"}
        return {}


def happening(
    product: Product, event: str, payload: "Mapping[str, Any]"
) -> Happening | None:
    """Return what an event means; None when it means nothing to the hub.

    Args:
        product: which product tells it.
        event: its name; empty when the payload names it.
        payload: what the product said.
    """
    name = event or str(payload.get(product.event) or payload.get("type") or "")
    for means in product.events.get(name, ()):
        if means.holds(payload):
            found = Happening(product, name, means, payload)
            return found if found.session else None
    return None


def session_of(product: Product, payload: "Mapping[str, Any]") -> str:
    """Return what the product calls the session; empty when it does not say."""
    found = (pick(payload, place) for place in (product.parent, *product.session))
    return next((str(key) for key in found if key), "")


def _words(product: Product, means: Event, payload: "Mapping[str, Any]") -> str:
    found = (pick(payload, place) for place in means.text)
    text = next(
        (str(part) for part in found if isinstance(part, str) and part), means.says
    )
    text = text.encode("utf-8", "replace").decode()  # a product may cut a letter in two
    match means.moment:
        case "ask":
            return _question(product, text, payload)
        case "fail":
            return _clean(text)[:DETAIL] or f"{product.title} did not say why it failed"
        case "end":
            return f"({_clean(text)[:TITLE]})" if text else ""
    return text


def _question(product: Product, text: str, payload: "Mapping[str, Any]") -> str:
    """Return what a person is asked: what is to be allowed, and on what."""
    asked = payload.get("tool_input")
    patterns = _list(payload.get("patterns"))
    command = pick(payload, "details.command")
    if isinstance(command, str):
        return _clean(f"allow? {command}")[:DETAIL]
    if "tool_input" in payload:
        given = asked if isinstance(asked, dict) else {}
        named = (given.get(name) for name in ASKED)
        detail = next((part for part in named if isinstance(part, str)), "")
        return _clean(f"allow? {text} {detail}")[:DETAIL]
    if patterns:
        return _clean(f"allow? {text} {patterns[0]}")[:DETAIL]
    return _clean(text)[:DETAIL] or f"{product.title} waits for a person"


def _spent(value: object) -> "dict[str, float]":
    """Return what was used, as the hub takes it."""
    said = value if isinstance(value, dict) else {}
    used = {name: said.get(name) for name in ("cost", "tokens_in", "tokens_out")}
    return {n: x for n, x in used.items() if isinstance(x, (int, float)) and x > 0}


def _list(value: object) -> "list[Any]":
    return value if isinstance(value, list) else []


def _clean(text: str) -> str:
    """Return text as one line without what would move a cursor."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
