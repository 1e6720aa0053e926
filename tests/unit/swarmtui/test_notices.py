"""What each terminal is told, and that nothing else gets to it."""

import re

import pytest

from swarmtui.notices import BELL, LONGEST, TERMINALS, call, known, notice, way

OSC9 = "\x1b]9;web-1 asked: “why?”\x1b\\"
OSC777 = "\x1b]777;notify;swarmtui;web-1 asked: “why?”\x1b\\"
OSC99 = (
    "\x1b]99;i=swarmtui:d=0:p=title;swarmtui\x1b\\"
    "\x1b]99;i=swarmtui:p=body;web-1 asked: “why?”\x1b\\"
)
SAID = "web-1 asked: “why?”"
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "name", "sequence"),
    [
        ({"TERM": "xterm-kitty"}, "kitty", OSC99),
        (XTERM | {"KITTY_WINDOW_ID": "1"}, "kitty", OSC99),
        ({"TERM": "xterm-ghostty"}, "Ghostty", OSC9),
        (XTERM | {"TERM_PROGRAM": "ghostty"}, "Ghostty", OSC9),
        ({"TERM": "wezterm"}, "WezTerm", OSC9),
        (XTERM | {"TERM_PROGRAM": "WezTerm"}, "WezTerm", OSC9),
        (XTERM | {"TERM_PROGRAM": "iTerm.app"}, "iTerm2", OSC9),
        (XTERM | {"LC_TERMINAL": "iTerm2"}, "iTerm2", OSC9),
        (XTERM | {"WT_SESSION": "0e4c"}, "Windows Terminal", OSC9),
        ({"TERM": "foot"}, "foot", OSC777),
        ({"TERM": "foot-extra"}, "foot", OSC777),
        ({"TERM": "rxvt-unicode-256color"}, "urxvt", OSC777),
        (XTERM | {"VTE_VERSION": "7403"}, "VTE", OSC777),
        ({"TERM": "alacritty"}, "Alacritty", ""),
        (XTERM | {"KONSOLE_VERSION": "240802"}, "Konsole", ""),
        (XTERM | {"TERM_PROGRAM": "vscode"}, "Visual Studio Code", ""),
        (XTERM | {"TERM_PROGRAM": "Apple_Terminal"}, "another", ""),
        ({"TERM": "linux"}, "the console", ""),
        (XTERM, "unknown", ""),
        ({}, "unknown", ""),
    ],
)
def test_each_terminal_gets_the_sequence_that_it_knows(
    environ: dict[str, str], name: str, sequence: str
) -> None:
    there = way(environ)

    assert there.terminal.name == name
    assert call(there, "desktop", SAID) == sequence
    assert call(there, "both", SAID) == BELL + sequence
    assert call(there, "bell", SAID) == BELL
    assert call(there, "off", SAID) == ""


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TERM": "foot", "VTE_VERSION": "7403"}, "foot"),
        ({"TERM": "xterm-kitty", "TERM_PROGRAM": "vscode"}, "kitty"),
        (XTERM | {"TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, "Visual"),
    ],
)
def test_a_terminal_started_from_another_is_not_taken_for_it(
    environ: dict[str, str], name: str
) -> None:
    assert known(environ).name.startswith(name)


@pytest.mark.parametrize(
    ("said", "sequence", "tells"),
    [
        ("1\t1\tkitty(0.36.4)\txterm-kitty\n", OSC99, True),
        ("on\t0\tWezTerm 20240203\txterm-256color\n", OSC9, False),
        ("2\t1\tiTerm2 3.5.4\txterm-256color\n", OSC9, True),
        ("1\t1\tghostty 1.1.0\txterm-ghostty\n", OSC9, True),
        ("1\t1\tVTE(7403)\txterm-256color\n", OSC777, True),
        ("1\t1\t\tfoot\n", OSC777, True),
        ("1\t1\tfoot(1.17.2)\txterm-256color\n", OSC777, True),
        ("1\t1\t\trxvt-unicode-256color\n", OSC777, False),
        ("1\t1\tXTerm(390)\txterm-256color\n", "", False),
        ("0\t1\tkitty(0.36.4)\txterm-kitty\n", "", True),
        ("off\t0\tkitty(0.36.4)\txterm-kitty\n", "", False),
        ("\t1\tkitty(0.36.4)\txterm-kitty\n", "", True),
        ("", "", False),
    ],
)
def test_tmux_passes_a_notice_on_only_if_it_is_allowed_to(
    said: str, sequence: str, *, tells: bool
) -> None:
    inside = {"TMUX": "/tmp/s,1,0", "TERM": "tmux-256color", "TERM_PROGRAM": "tmux"}
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    wrapped = f"\x1bPtmux;{doubled}\x1b\\"

    there = way(inside | {"KITTY_WINDOW_ID": "1"}, said)

    assert call(there, "both", SAID) == BELL + (wrapped if sequence else "")
    assert there.tells is tells


def test_in_screen_there_is_the_bell_alone() -> None:
    there = way({"STY": "12.pts-0", "TERM": "screen", "KITTY_WINDOW_ID": "1"})

    assert call(there, "both", SAID) == BELL
    assert not there.tells


@pytest.mark.parametrize(
    "words",
    [
        "a\x1b]0;owned\x07b",
        "a\x1b\\\x1b]52;c;ZWNobw==\x07",
        "a\x9b31mb\x9c\x90q\x9d0;t\x9c",
        "one\ntwo\r\n\tthree\x00\x7f\x85",
        "title;text;4;1;100",
        "{title} {0} {",
        "\u202egnirts \ud800 \U0001f41d " + "x" * 10_000,
        "字" * 500,
    ],
)
@pytest.mark.parametrize("form", ["osc 9", "osc 777", "osc 99"])
def test_nothing_that_an_agent_says_acts_on_a_terminal(words: str, form: str) -> None:
    frame = notice(form, "")  # type: ignore[arg-type]
    sequence = notice(form, words)  # type: ignore[arg-type]

    head, tail = frame[: -len("\x1b\\")], "\x1b\\"
    assert sequence.startswith(head)
    text = sequence.removeprefix(head).removesuffix(tail)
    assert text.isprintable()
    assert ";" not in text
    assert len(text) <= LONGEST
    assert sequence.encode("utf-8")


def test_every_terminal_is_known_by_something_that_is_set() -> None:
    assert all(re.search(r"[\w?]", terminal.pattern) for terminal in TERMINALS)
