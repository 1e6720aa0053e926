"""Calls that are heard outside the window: the bell, and the desktop's own notices.

A notice is a sequence that the terminal itself turns into one, so that it also comes
from a dashboard on a distant machine. Which terminal understands which is a table.
Nothing here reads or writes anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from swarmtui.text import clip, safe

Notices: TypeAlias = Literal["off", "bell", "desktop", "both"]
"""What a call for a person does outside the window."""

Form: TypeAlias = Literal["", "osc 9", "osc 777", "osc 99"]
"""How a terminal wants to be told of a notice; empty: not at all."""

LONGEST: Final = 160
"""Cells of a notice: what is longer is cut."""

TITLE: Final = "swarmtui"

BELL: Final = "\x07"


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal, and by which variable it is known."""

    variable: str
    pattern: str
    """What the variable is; `*` is any text."""
    name: str
    form: Form = ""
    tells: bool = True
    """Whether it tells, when the dashboard opens, that it goes to the back."""


TERMINALS: Final = (
    Terminal("XTVERSION", "kitty*", "kitty", "osc 99"),
    Terminal("XTVERSION", "ghostty*", "Ghostty", "osc 9"),
    Terminal("XTVERSION", "WezTerm*", "WezTerm", "osc 9"),
    Terminal("XTVERSION", "iTerm2*", "iTerm2", "osc 9"),
    Terminal("XTVERSION", "foot*", "foot", "osc 777"),
    Terminal("XTVERSION", "VTE*", "VTE", "osc 777"),
    Terminal("TERM", "xterm-kitty", "kitty", "osc 99"),
    Terminal("TERM", "xterm-ghostty", "Ghostty", "osc 9"),
    Terminal("TERM", "wezterm", "WezTerm", "osc 9"),
    Terminal("TERM", "foot*", "foot", "osc 777"),
    Terminal("TERM", "rxvt-unicode*", "urxvt", "osc 777", tells=False),
    Terminal("TERM", "alacritty*", "Alacritty"),
    Terminal("TERM", "linux", "the console", tells=False),
    Terminal("TERM_PROGRAM", "ghostty", "Ghostty", "osc 9"),
    Terminal("TERM_PROGRAM", "WezTerm", "WezTerm", "osc 9"),
    Terminal("TERM_PROGRAM", "iTerm.app", "iTerm2", "osc 9"),
    Terminal("TERM_PROGRAM", "vscode", "Visual Studio Code"),
    Terminal("TERM_PROGRAM", "?*", "another", tells=False),
    Terminal("KITTY_WINDOW_ID", "?*", "kitty", "osc 99"),
    Terminal("WT_SESSION", "?*", "Windows Terminal", "osc 9"),
    Terminal("KONSOLE_VERSION", "?*", "Konsole"),
    Terminal("VTE_VERSION", "?*", "VTE", "osc 777"),
    Terminal("LC_TERMINAL", "iTerm2", "iTerm2", "osc 9"),
)
"""The terminals, the surest signs first: a variable of a terminal is inherited by
another that is started from it, but each sets its own TERM. XTVERSION is what a
terminal says of itself, which tmux knows."""

UNKNOWN: Final = Terminal("", "", "unknown", tells=False)

ASKED: Final = (
    "allow-passthrough",
    "focus-events",
    "client_termtype",
    "client_termname",
)
"""What tmux is asked."""

QUESTION: Final = "\t".join(f"#{{{name}}}" for name in ASKED)
"""The same, as the format that tmux fills in."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way from the dashboard to the person: the terminal, and what is between."""

    terminal: Terminal
    tells: bool
    """Whether we are told when the window goes to the back."""
    form: Form
    """How a notice is told; empty when none gets through."""
    wrap: Callable[[str], str] = str
    """Makes a sequence pass what is between."""


def known(marks: Mapping[str, str]) -> Terminal:
    """Return the terminal that has these variables."""
    for terminal in TERMINALS:
        if fnmatchcase(marks.get(terminal.variable, ""), terminal.pattern):
            return terminal
    return UNKNOWN


def way(environ: Mapping[str, str], tmux: str = "") -> Way:
    """Return the way to the person.

    Args:
        environ: the environment.
        tmux: what it answered to `QUESTION`; empty when it did not, or is not there.
    """
    if environ.get("TMUX"):
        return _through_tmux(tmux)
    if environ.get("STY"):
        return Way(UNKNOWN, tells=False, form="")
    terminal = known(environ)
    return Way(terminal, terminal.tells, terminal.form)


def _through_tmux(said: str) -> Way:
    passes, focus, kind, name = (*said.rstrip("\n").split("\t"), "", "", "", "")[:4]
    terminal = known({"XTVERSION": kind, "TERM": name})
    tells = terminal.tells and focus not in ("", "0", "off")
    form = terminal.form if passes not in ("", "0", "off") else ""
    return Way(terminal, tells, form, _passed_by_tmux)


def _passed_by_tmux(sequence: str) -> str:
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"


def call(way: Way, chosen: Notices, words: str) -> str:
    """Return what makes a call heard; empty when nothing does.

    Args:
        way: to the person.
        chosen: what the person wants.
        words: what a notice says; whatever could act on a terminal is taken out.
    """
    ring = BELL if chosen in ("bell", "both") else ""
    wanted = chosen in ("desktop", "both") and way.form
    return ring + (way.wrap(notice(way.form, words)) if wanted else "")


def notice(form: Form, words: str) -> str:
    """Return the sequence of a notice; empty when the terminal knows none."""
    text = clip(" ".join(safe(words).replace(";", ",").split()), LONGEST)
    return _FORMS[form].format(title=TITLE, text=text) if form else ""


_FORMS: Final[Mapping[Form, str]] = {
    "osc 9": "\x1b]9;{text}\x1b\\",
    "osc 777": "\x1b]777;notify;{title};{text}\x1b\\",
    "osc 99": (
        "\x1b]99;i={title}:d=0:p=title;{title}\x1b\\"
        "\x1b]99;i={title}:p=body;{text}\x1b\\"
    ),
}
"""The sequences. kitty puts a notice with the same identifier in the place of the one
before."""
