"""The line in which a filter is typed, with how many rows it leaves."""

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from rich.highlighter import Highlighter
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from agentkit.errors import BadFilter
from swarmtui.text import clip, count, safe, width
from swarmtui.widgets.lines import Inks, Line, LineWidget, Span, line_width

REMEMBERED = 50
STATUS = 44
"""The cells of the status, at least."""
MOST = 0.6
"""The share of the line that the status may take."""


class Unit(NamedTuple):
    """What the rows are called."""

    one: str
    many: str

    def of(self, number: int) -> str:
        """Return what so many of them are called."""
        return self.one if number == 1 else self.many


NO_UNIT: Final = Unit("", "")


class _Wrong(Highlighter):
    """Underlines the term that cannot be read."""

    def __init__(self, widget: Input) -> None:
        self._widget = widget
        self.start = self.end = 0

    def highlight(self, text: Text) -> None:
        """Underline it."""
        if self.start < self.end:
            error = Inks(self._widget)("error").color
            style = Style(color=error, underline=True)
            text.stylize(style, self.start, self.end)


class FilterInput(Input):
    """One line to type in, with the filters typed before on ``up``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Keep", key_display="enter"),
        Binding("escape", "give_up", "Back"),
        Binding("up", "recall(-1)", "Earlier"),
        Binding("down", "recall(1)", "Later", show=False),
    ]

    class GivenUp(Message):
        """Escape was pressed."""

    def __init__(self, placeholder: str) -> None:
        self.wrong = _Wrong(self)
        super().__init__(
            placeholder=placeholder,
            compact=True,
            highlighter=self.wrong,
            select_on_focus=False,
        )
        self._past: list[str] = []
        self._at = 0

    def remember(self, text: str) -> None:
        """Keep a filter for ``up``."""
        if text:
            self._past = [one for one in self._past if one != text][-REMEMBERED:]
            self._past.append(text)
        self._at = len(self._past)

    def action_recall(self, by: int) -> None:
        """Show an earlier or later filter."""
        self._at = max(0, min(self._at + by, len(self._past)))
        self.value = self._past[self._at] if self._at < len(self._past) else ""
        self.cursor_position = len(self.value)

    def action_give_up(self) -> None:
        """Leave without keeping what was typed."""
        self.post_message(self.GivenUp())


class _Status(LineWidget):
    """What stands to the right of the filter."""

    spans: Line = ()

    def line(self, _y: int, cells: int, /) -> Line:
        """Return the status, set to the right."""
        kept = list(self.spans)
        while kept and sum(len(span.text) for span in kept) > cells:
            kept.pop()
        room = cells - sum(len(span.text) for span in kept)
        return (Span(" " * room), *kept)


class FilterBar(Horizontal):
    """A filter as it is typed.

    Each text is posted as `Changed` at once; a term that cannot be read is left out,
    underlined, and explained at the right. Enter keeps the filter, escape goes back to
    the one that was there; both post `Left`.

    Args:
        compile: Makes what the screen filters with; raises `BadFilter`.
        placeholder: What stands there while there is no filter.
    """

    DEFAULT_CSS = """
    FilterBar {
        height: 1;
        padding: 0 1;
        & > #slash { width: 2; height: 1; color: $primary; }
        & > FilterInput { width: 1fr; height: 1; padding: 0; background: $background; }
        & > FilterInput:focus { background: $surface; }
        & > _Status { width: 44; height: 1; }
    }
    """

    class Changed(Message):
        """Another filter is in force."""

        def __init__(self, bar: "FilterBar", text: str, compiled: Any) -> None:
            super().__init__()
            self.bar = bar
            self.text = text
            self.compiled = compiled
            """What `compile` made of it."""

        @property
        def control(self) -> "FilterBar":
            """The line."""
            return self.bar

    class Left(Message):
        """The person is done typing; the focus belongs elsewhere."""

    def __init__(
        self,
        compile: Callable[[str], Any],  # noqa: A002  # the field's word
        placeholder: str = "",
        *,
        id: str | None = None,  # noqa: A002  # Textual's word
    ) -> None:
        super().__init__(id=id)
        self._compile = compile
        self._placeholder = placeholder
        self._before = ""
        self._status: Line = ()

    def compose(self) -> ComposeResult:
        """Make the slash, the input and the status."""
        yield Static("/", id="slash", markup=False)
        yield FilterInput(self._placeholder)
        yield _Status()

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(FilterInput).value

    def edit(self) -> None:
        """Let the person type."""
        self._before = self.text
        field = self.query_one(FilterInput)
        field.focus()
        field.cursor_position = len(field.value)

    def put(self, text: str) -> None:
        """Put another filter there, as if it had been typed."""
        field = self.query_one(FilterInput)
        field.value = text
        field.remember(text)

    def show(self, shown: int, total: int, *notes: str, unit: Unit = NO_UNIT) -> None:
        """Say how many rows are on show, and notes such as ``sort cost ↓``."""
        some = bool(self.text.strip()) and shown < total
        words = f"{count(shown)} of {count(total)}" if some else count(shown)
        noun = unit.of(total if some else shown)
        spans = [Span(f"{words} {noun}".rstrip(), "" if some else "dim")]
        spans += [Span(f"   {note}", "dim") for note in notes if note]
        self._status = spans
        if not self.has_class("-wrong"):
            self._fit_status()
            self._say(spans)

    def _say(self, spans: Line) -> None:
        status = self.query_one(_Status)
        if status.spans != spans:
            status.spans = spans
            status.refresh()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        compiled, error = self._read(event.value)
        wrong = self.query_one(FilterInput).wrong
        wrong.start, wrong.end = _place(error, event.value)
        self.set_class(error is not None, "-wrong")
        if error is not None:
            self._explain(str(error), event.value)
        else:
            self._fit_status()
            self._say(self._status)
        self.post_message(self.Changed(self, event.value, compiled))

    def _read(self, text: str) -> tuple[Any, BadFilter | None]:
        """Compile a filter without the terms that cannot be read; return the first."""
        first: BadFilter | None = None
        while True:
            try:
                return self._compile(text), first
            except BadFilter as error:
                first = first or error
                start, end = _place(error, text)
                text = text[:start] + " " * (end - start) + text[end:]

    def _explain(self, text: str, value: str) -> None:
        """Say why the underlined term cannot be read, in the room that is left."""
        reason = text.partition("cannot be read: ")[2] or text
        room = self.content_size.width - width(value) - 6
        self._status_width(max(room, STATUS))
        self._say((Span(clip(safe(reason), max(room, STATUS)), "blocked"),))

    def _fit_status(self) -> None:
        """Give the status the room it takes, as long as there is room to type."""
        room = round(self.content_size.width * MOST)
        self._status_width(max(STATUS, min(line_width(self._status), room)))

    def _status_width(self, cells: int) -> None:
        self.query_one(_Status).styles.width = cells

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(FilterInput).remember(event.value)
        self.post_message(self.Left())

    @on(FilterInput.GivenUp)
    def _given_up(self, event: FilterInput.GivenUp) -> None:
        event.stop()
        self.query_one(FilterInput).value = self._before
        self.post_message(self.Left())


def _place(error: BadFilter | None, text: str) -> tuple[int, int]:
    """Return from where to where a text is wrong; all of it if the error cannot say."""
    if error is None:
        return 0, 0
    start, end = getattr(error, "start", 0), getattr(error, "end", len(text))
    return (start, end) if start < end else (0, len(text))
