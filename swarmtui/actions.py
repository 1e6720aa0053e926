"""Every action of the dashboard, once: its id, its key, its words, when it is allowed.

Screens take their bindings from here, `?` and the palette their lists, the keymap its
ids. An action's `name` is the ``action_…`` method that does it.
"""

from dataclasses import dataclass
from enum import Flag, auto
from typing import Literal

from textual.binding import Binding, BindingType

Scope = Literal[
    "app",
    "view",
    "table",
    "fleet",
    "queue",
    "help",
    "traffic",
    "tasks",
    "runs",
    "replay",
]
"""Who does an action: the app, any view's screen, any table, one view, or the app that
plays a recording."""


VIEWS: tuple[Scope, ...] = ("fleet", "queue", "help", "traffic", "tasks", "runs")
"""The views, in the order of their keys."""


class Need(Flag):
    """What must be true for an action to be offered."""

    NOTHING = 0
    HUB = auto()
    """The hub answers and lets this person give orders."""
    RECORDED = auto()
    """It is a recording, which takes no orders at all."""
    ANSWERS = auto()
    """The hub answers questions; watching is enough."""
    AGENT = auto()
    """The cursor is on an agent, or agents are marked."""
    CALL = auto()
    """The cursor is on a help request that is not settled."""
    ROW = auto()
    """The cursor is on anything."""
    CALLS = auto()
    """Somebody waits for a person."""
    WORK = auto()
    """The cursor is on a task or a dead delivery, or some are marked."""
    MESSAGE = auto()
    """The cursor is on a message."""
    LETTER = auto()
    """The cursor is on a dead letter, or some are marked."""
    UNSETTLED = auto()
    """Among these is a task that waits or that somebody works on."""
    RUNNING = auto()
    """The cursor is on a run in progress, or one is marked."""
    STOPPED = auto()
    """Among these is a run that failed or was called off."""
    ENDED = auto()
    """Among these is a run that came to its end, well or not."""
    POINT = auto()
    """The cursor is on a checkpoint."""
    ITEM = auto()
    """The cursor is on an item that somebody does, or did."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person can do."""

    id: str
    """What the keymap calls it."""
    key: str
    """Its default keys, as Textual names them, separated by commas."""
    label: str
    """One or two words, for the line of keys."""
    tip: str
    """A short sentence, for `?` and the palette."""
    scope: Scope = "app"
    name: str = ""
    """The action as a binding names it; by default the last word of the id."""
    needs: Need = Need.NOTHING
    show: bool = False
    """Whether the line of keys names it."""

    @property
    def call(self) -> str:
        """The action as a binding names it."""
        return self.name or self.id.rpartition(".")[2]

    @property
    def binding(self) -> Binding:
        """The action as Textual wants to have it."""
        return Binding(
            self.key,
            self.call,
            self.label,
            show=self.show,
            tooltip=self.tip,
            id=self.id,
        )


_ORDER = Need.HUB | Need.AGENT
_DESK = Need.HUB | Need.CALL


def _view(
    scope: Scope, *actions: tuple[str, str, str, str, Need, bool]
) -> list[Action]:
    """Build one view's actions from word, key, label, tip, needs and show."""
    return [
        Action(f"{scope}.{word}", key, label, tip, scope, word, needs, show)
        for word, key, label, tip, needs, show in actions
    ]


_EVERYWHERE = [
    Action("view.fleet", "1", "Fleet", "Show every agent", name="app.view('fleet')"),
    Action("view.queue", "2", "Queue", "Show who waits", name="app.view('queue')"),
    Action("view.help", "3", "Help", "Show who needs you", name="app.view('help')"),
    Action("view.traffic", "4", "Traffic", "Show the wire", name="app.view('traffic')"),
    Action("view.tasks", "5", "Tasks", "Show the work queue", name="app.view('tasks')"),
    Action("view.runs", "6", "Runs", "Show plans in progress", name="app.view('runs')"),
    Action("view.last", "minus", "Last", "Back to the last view", name="app.last_view"),
    Action("view.pause", "p", "Pause", "Hold the picture still", name="app.pause"),
    Action(
        "help.next",
        "exclamation_mark",
        "Next call",
        "Go to the next who needs you",
        name="app.next_call",
        needs=Need.CALLS,
        show=True,
    ),
    Action(
        "app.goto",
        "colon",
        "Go to",
        "Go to a view, an agent, a task or a run",
        name="app.goto",
    ),
    Action(
        "app.palette",
        "ctrl+p",
        "Palette",
        "Find an action, an agent, a task, a run or a theme",
        name="app.command_palette",
    ),
    Action(
        "app.silence",
        "M",
        "Silence",
        "Let calls be silent, or heard again",
        name="app.silence",
    ),
    Action("app.theme", "T", "Theme", "Change the colours", name="app.change_theme"),
    Action(
        "app.keys",
        "question_mark",
        "Keys",
        "Show every key",
        name="app.keys",
        show=True,
    ),
    Action("app.quit", "q,ctrl+c", "Quit", "Leave the dashboard", name="app.leave"),
]

_ANY_VIEW = [
    Action(
        "view.filter", "slash", "Filter", "Show only what matches", "view", show=True
    ),
    Action(
        "view.broadcast",
        "b",
        "Broadcast",
        "Tell many agents something",
        "view",
        needs=Need.HUB,
        show=True,
    ),
    Action("view.back", "escape", "Back", "Clear the marks, then the filter", "view"),
]

_TABLE = [
    Action(f"table.{word}", key, label, tip, "table", call)
    for word, key, label, tip, call in (
        ("down", "down,j", "Down", "Move the cursor down", "cursor(1)"),
        ("up", "up,k", "Up", "Move the cursor up", "cursor(-1)"),
        ("page_down", "pagedown", "Page down", "Move a page down", "page(1)"),
        ("page_up", "pageup", "Page up", "Move a page up", "page(-1)"),
        ("first", "home,g", "First", "Go to the first row", "edge(0)"),
        ("last", "end,G", "Last", "Go to the last row", "edge(1)"),
        ("open", "enter", "Open", "Open the row", "select"),
        ("mark", "space", "Mark", "Mark, or take the mark off", "mark"),
        ("range", "ctrl+space,ctrl+@", "Mark to here", "Mark up to here", "mark_range"),
        ("mark_all", "asterisk", "Mark all", "Mark every row on show", "mark_all"),
        ("sort", "s", "Sort", "Sort by the next column", "sort"),
        ("reverse", "S", "Reverse", "Turn the order round", "reverse"),
        ("freeze", "f", "Freeze", "Keep every row where it is", "freeze"),
    )
]
"""What `LineTable` binds by itself, under the same ids."""

_ASSIGN = (
    "assign",
    "a",
    "Assign",
    "Hand a task to the agent or the marked ones",
    _ORDER,
    True,
)
_MESSAGE = (
    "message",
    "m",
    "Message",
    "Tell the agent or the marked ones something",
    _ORDER,
    True,
)
_WHY_TIP = "Show why the agent is in its state"
_WHY = ("why", "w", "Why", _WHY_TIP, Need.ANSWERS | Need.AGENT, True)
_COPY = ("copy", "y", "Copy", "Copy the id", Need.ROW, False)
_ENQUEUE = (
    "enqueue",
    "e",
    "Enqueue",
    "Queue a task for whoever is able",
    Need.HUB,
    True,
)
_TO_AGENT = "Hand the task or the marked ones to one agent"
_AGAIN = "Requeue the task, or send the delivery again"
_TASK_TIP = "Show why its agent is in its state"

_BEFORE_TIP = "Show the group before"
_ITEMS_TIP = "Go to items, checkpoints and output, or back"
_CALL_OFF_TIP = "Call the run or the marked ones off"
_RESUME_TIP = "Go on with what was not done"
_FAILED_TIP = "Do only the failed items again"
_DOWN_TIP, _UP_TIP = "Scroll the plan down", "Scroll the plan up"
_HERE_TIP = "Begin a new run at the checkpoint"
_ITS_TASK_TIP = "Go to the task or the run that does the item"

_PANE_TIP = "Go to links, subjects and letters, or back"
_UNBURY_TIP = "Give the letter or the marked ones once more"
_DISCARD_TIP = "Drop the letter or the marked ones for good"

_KEYS = ("back", "on", "next_call", "slower", "faster")
_REPLAY = [
    Action(f"replay.{word}", key, label, tip, "replay", call, show=word in _KEYS)
    for word, key, label, tip, call in (
        ("back", "comma", "-5 s", "Go back 5 seconds", "app.step(-5)"),
        ("on", "full_stop", "+5 s", "Go on 5 seconds", "app.step(5)"),
        ("far_back", "less_than_sign", "-30 s", "Go back 30 seconds", "app.step(-30)"),
        ("far_on", "greater_than_sign", "+30 s", "Go on 30 seconds", "app.step(30)"),
        ("next_call", "n", "Call", "Go on to the next call for help", "app.call(1)"),
        ("last_call", "N", "Call before", "Go back to a call for help", "app.call(-1)"),
        ("slower", "left_square_bracket", "Slower", "Play slower", "app.pace(-1)"),
        ("faster", "right_square_bracket", "Faster", "Play faster", "app.pace(1)"),
        ("start", "left_parenthesis", "Start", "Go to the start", "app.edge(0)"),
        ("end", "right_parenthesis", "End", "Go to the end", "app.edge(1)"),
    )
]
"""What the scrubber of a recording does; `view.pause` pauses and plays it."""

ACTIONS: tuple[Action, ...] = (
    *_EVERYWHERE,
    *_REPLAY,
    *_ANY_VIEW,
    *_TABLE,
    *_view(
        "fleet",
        _ASSIGN,
        _MESSAGE,
        _WHY,
        _COPY,
    ),
    *_view("queue", _ASSIGN, _ENQUEUE, _MESSAGE, _WHY, _COPY),
    *_view(
        "help",
        ("answer", "r", "Answer", "Answer the question", _DESK, True),
        ("take", "t,x", "Take", "Tell the others that you see to it", _DESK, True),
        ("assign", "a", "Helper", "Send an agent to help", _DESK, True),
        ("snooze", "z", "Snooze", "Put it aside for a while", _DESK, True),
        ("resolve", "R", "Resolve", "Close it without an answer", _DESK, True),
        ("settled", "o", "Settled", "Show what is settled", Need.NOTHING, False),
        ("why", "w", "Why", _WHY_TIP, Need.ANSWERS | Need.ROW, False),
        _COPY,
    ),
    *_view(
        "traffic",
        ("pane", "l,tab", "Links", _PANE_TIP, Need.NOTHING, True),
        ("next_group", "right", "Next", "Show the next table", Need.NOTHING, False),
        ("last_group", "left", "Before", "Show the table before", Need.NOTHING, False),
        ("only", "o", "Only its agent", "Show one agent alone", Need.MESSAGE, False),
        ("copy", "y", "Copy", "Copy the message or letter as JSON", Need.ROW, True),
        ("export", "e", "Export", "Write what is shown to a file", Need.NOTHING, True),
        ("requeue", "r", "Requeue", _UNBURY_TIP, Need.HUB | Need.LETTER, True),
        ("discard", "d", "Discard", _DISCARD_TIP, Need.HUB | Need.LETTER, True),
    ),
    *_view(
        "tasks",
        ("next_group", "right,tab", "Group", "Show the next group", Need.NOTHING, True),
        (
            "last_group",
            "left,shift+tab",
            "Group before",
            "Show the group before",
            Need.NOTHING,
            False,
        ),
        _ENQUEUE,
        ("requeue", "r", "Requeue", _AGAIN, Need.HUB | Need.WORK, True),
        (
            "cancel",
            "c",
            "Cancel",
            "Call the task or the marked ones off",
            Need.HUB | Need.UNSETTLED,
            True,
        ),
        ("assign", "a", "Assign", _TO_AGENT, Need.HUB | Need.WORK, True),
        (
            "ledger",
            "l",
            "Ledger",
            "Show how far it got with each recipient",
            Need.ANSWERS | Need.WORK,
            True,
        ),
        ("why", "w", "Why", _TASK_TIP, Need.ANSWERS | Need.AGENT, False),
        _COPY,
    ),
    *_view(
        "runs",
        ("next_group", "right", "Group", "Show the next group", Need.NOTHING, True),
        ("last_group", "left", "Before", _BEFORE_TIP, Need.NOTHING, False),
        ("pane", "l,tab", "Items", _ITEMS_TIP, Need.ROW, True),
        ("launch", "e", "Launch", "Run a plan from a file", Need.HUB, True),
        ("cancel", "c", "Cancel", _CALL_OFF_TIP, Need.HUB | Need.RUNNING, True),
        ("resume", "r", "Resume", _RESUME_TIP, Need.HUB | Need.STOPPED, True),
        ("again", "R", "Retry failed", _FAILED_TIP, Need.HUB | Need.ENDED, True),
        ("from_here", "h", "From here", _HERE_TIP, Need.HUB | Need.POINT, True),
        ("task", "t", "Its task", _ITS_TASK_TIP, Need.ITEM, False),
        ("copy", "y", "Copy", "Copy the address", Need.ROW, False),
        ("plan_down", "J", "Plan down", _DOWN_TIP, Need.ROW, False),
        ("plan_up", "K", "Plan up", _UP_TIP, Need.ROW, False),
    ),
)


def bindings(scope: Scope) -> list[BindingType]:
    """Return the bindings of one scope; a view's are followed by those of any view."""
    scopes = (scope, "view") if scope in VIEWS else (scope,)
    return [
        action.binding for one in scopes for action in ACTIONS if action.scope == one
    ]


def in_scope(scope: Scope, *more: Scope) -> list[Action]:
    """Return what can be done in a view: its own first, what works everywhere last."""
    scopes = (scope, *more, "view", "table", "app")
    return [action for one in scopes for action in ACTIONS if action.scope == one]


def by_id(name: str) -> Action:
    """Return the action with this id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[name]


def offered(name: str, scope: Scope, given: Need) -> bool | None:
    """Say whether an action is on offer: True, or None to show it as out of reach.

    It is False, and not shown at all, for orders to a recording.

    Args:
        name: the action as `check_action` gets it, without namespace or arguments.
        scope: who is asked to do it.
        given: everything that is true just now.
    """
    needs = _NEEDS.get((scope, name), Need.NOTHING)
    if Need.HUB in needs and Need.RECORDED in given:
        return False
    return True if needs in given else None


_BY_ID = {action.id: action for action in ACTIONS}
_NEEDS: dict[tuple[Scope, str], Need] = {
    (action.scope, action.call.removeprefix("app.").partition("(")[0]): action.needs
    for action in ACTIONS
}
