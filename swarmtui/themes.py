"""Themes, and the variables that every widget draws with.

A colour has one meaning everywhere, and widgets know only the meanings: the names in
`variables`. They are opaque, because lines are drawn cell by cell and nothing blends
them. Our own themes set them by hand. In every other theme the states keep the colours
that they have in ours by night or by day and the rest is derived from the theme; ANSI
themes use the sixteen colours of the terminal.
"""

from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

NIGHT = Theme(
    name="swarm-night",
    dark=True,
    primary="#6ea8fe",
    secondary="#7f9fd4",
    accent="#8bd5ca",
    foreground="#c8d3e0",
    background="#0e1116",
    surface="#12161d",
    panel="#1a2029",
    success="#7fbf8e",
    warning="#d9a94e",
    error="#ee7684",
    variables={
        "ink-dim": "#8793a5",
        "ink-faint": "#5f6b7c",
        "divider": "#262e3a",
        "row-alt": "#12161d",
        "row-cursor": "#22324a",
        "row-blur": "#1a2331",
        "st-idle": "#8bd5ca",
        "st-busy": "#7fbf8e",
        "st-blocked": "#d9a94e",
        "st-help": "#ee7684",
        "st-done": "#7f9fd4",
        "st-lost": "#7a8597",
        "footer-background": "#12161d",
        "footer-key-foreground": "#6ea8fe",
        "footer-description-foreground": "#8793a5",
        "border": "#3a4658",
        "border-blurred": "#262e3a",
        "input-selection-background": "#2d4a75",
        "block-cursor-background": "#22324a",
        "block-cursor-foreground": "#e6edf5",
        "block-cursor-text-style": "none",
        "scrollbar": "#262e3a",
        "scrollbar-hover": "#3a4658",
        "scrollbar-active": "#4a5a70",
        "scrollbar-background": "#0e1116",
        "scrollbar-background-hover": "#0e1116",
        "scrollbar-background-active": "#0e1116",
        "scrollbar-corner-color": "#0e1116",
    },
)

DAY = Theme(
    name="swarm-day",
    dark=False,
    primary="#1f5fbf",
    secondary="#4660a0",
    accent="#0b7a70",
    foreground="#1d2733",
    background="#fbfcfd",
    surface="#f3f5f8",
    panel="#e9edf2",
    success="#23733f",
    warning="#8a5a00",
    error="#b9243a",
    variables={
        "ink-dim": "#566273",
        "ink-faint": "#7d8998",
        "divider": "#d5dce5",
        "row-alt": "#f5f7f9",
        "row-cursor": "#d3e3fa",
        "row-blur": "#e6edf6",
        "st-idle": "#0b7a70",
        "st-busy": "#23733f",
        "st-blocked": "#8a5a00",
        "st-help": "#b9243a",
        "st-done": "#4660a0",
        "st-lost": "#6b7685",
        "footer-background": "#f3f5f8",
        "footer-key-foreground": "#1f5fbf",
        "footer-description-foreground": "#566273",
        "border": "#aab6c5",
        "border-blurred": "#d5dce5",
        "input-selection-background": "#b8d2f8",
        "block-cursor-background": "#d3e3fa",
        "block-cursor-foreground": "#111922",
        "block-cursor-text-style": "none",
        "scrollbar": "#d5dce5",
        "scrollbar-hover": "#aab6c5",
        "scrollbar-active": "#8896a8",
        "scrollbar-background": "#fbfcfd",
        "scrollbar-background-hover": "#fbfcfd",
        "scrollbar-background-active": "#fbfcfd",
        "scrollbar-corner-color": "#fbfcfd",
    },
)

# Okabe and Ito's palette, lightened for a dark ground: distinct for every common kind
# of colour vision. Help is the brightest of them, so that it also stands out in grey.
CLEAR = Theme(
    name="swarm-clear",
    dark=True,
    primary="#6fb7e9",
    secondary="#6fb7e9",
    accent="#6fb7e9",
    foreground="#dde3ea",
    background="#0c0f13",
    surface="#11151b",
    panel="#1b212a",
    success="#2fb58c",
    warning="#e69f00",
    error="#ff8a4c",
    variables=NIGHT.variables
    | {
        "ink-dim": "#a3adba",
        "ink-faint": "#758191",
        "row-alt": "#11151b",
        "row-cursor": "#1f3a57",
        "row-blur": "#1a2836",
        "st-idle": "#6fb7e9",
        "st-busy": "#2fb58c",
        "st-blocked": "#e69f00",
        "st-help": "#f4ec6a",
        "st-done": "#d48fb8",
        "st-lost": "#8a95a3",
        "footer-background": "#11151b",
        "footer-key-foreground": "#6fb7e9",
        "footer-description-foreground": "#a3adba",
        "scrollbar-background": "#0c0f13",
        "scrollbar-background-hover": "#0c0f13",
        "scrollbar-background-active": "#0c0f13",
        "scrollbar-corner-color": "#0c0f13",
    },
)

THEMES = (NIGHT, DAY, CLEAR)
"""Our own themes; the first is the default. Register each with `App.register_theme`."""

ANSI = {
    "ink": "ansi_default",
    "ink-dim": "ansi_bright_black",
    "ink-faint": "ansi_bright_black",
    "divider": "ansi_bright_black",
    "row-alt": "ansi_default",
    "row-cursor": "ansi_blue",
    "row-cursor-ink": "ansi_bright_white",
    "row-blur": "ansi_bright_black",
    "st-idle": "ansi_cyan",
    "st-busy": "ansi_green",
    "st-blocked": "ansi_yellow",
    "st-help": "ansi_red",
    "st-done": "ansi_blue",
    "st-lost": "ansi_bright_black",
}


def variable_defaults(theme: Theme) -> dict[str, str]:
    """Return what a theme does not say itself, for `App.get_theme_variable_defaults`.

    Args:
        theme: The theme in force, our own or any other.
    """
    if theme.ansi:
        return dict(ANSI)
    colours = theme.to_color_system().generate()

    def colour(name: str) -> Color:
        return Color.parse(colours[name])

    ground, ink = colour("background"), colour("foreground")
    derived = {
        "ink": ink,
        "ink-dim": ink.blend(ground, 0.35),
        "ink-faint": ink.blend(ground, 0.55),
        "divider": ground.blend(ink, 0.15),
        "row-alt": ground.blend(ink, 0.03),
        "row-cursor": ground.blend(colour("primary"), 0.3),
        "row-cursor-ink": ink,
        "row-blur": ground.blend(colour("primary"), 0.14),
    }
    ours = (NIGHT if theme.dark else DAY).variables
    states = {name: ours[name] for name in ours if name.startswith("st-")}
    return states | {name: shade.hex6 for name, shade in derived.items()}


def names() -> tuple[str, ...]:
    """Return the names of all themes, our own first."""
    ours = tuple(theme.name for theme in THEMES)
    return ours + tuple(name for name in BUILTIN_THEMES if name not in ours)
