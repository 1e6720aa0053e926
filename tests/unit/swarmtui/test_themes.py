import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from swarmtui.themes import ANSI, DAY, THEMES, variable_defaults

MEANINGS = set(ANSI)
ALL = {theme.name: theme for theme in (*THEMES, *BUILTIN_THEMES.values())}


def variables(theme: Theme) -> dict[str, Color]:
    known = variable_defaults(theme) | theme.to_color_system().generate()
    return {name: Color.parse((known | theme.variables)[name]) for name in MEANINGS}


@pytest.mark.parametrize("name", ALL)
def test_every_theme_has_an_opaque_colour_for_every_meaning(name: str) -> None:
    colours = variables(ALL[name])

    assert all(colour.a == 1 and not colour.auto for colour in colours.values())


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_stands_out_from_every_ground_of_our_themes(theme: Theme) -> None:
    colours = variables(theme)
    inks = [name for name in MEANINGS if name.startswith("st-")] + ["ink", "ink-dim"]
    grounds = [
        Color.parse(theme.background or ""),
        colours["row-alt"],
        colours["row-cursor"],
    ]

    weak = [
        (ink, round(contrast(colours[ink], ground), 2))
        for ink in inks
        for ground in grounds
        if contrast(colours[ink], ground) < 3
    ]

    assert not weak


@pytest.mark.parametrize("name", [name for name in ALL if not ALL[name].ansi])
def test_states_stand_out_in_every_theme(name: str) -> None:
    colours = variables(ALL[name])
    ground = Color.parse(ALL[name].to_color_system().generate()["background"])
    states = [name for name in MEANINGS if name.startswith("st-")]

    assert {one for one in states if contrast(colours[one], ground) < 2.5} == set()


def test_ansi_themes_use_the_colours_of_the_terminal() -> None:
    for name in ("ansi-dark", "ansi-light"):
        assert all(colour.ansi is not None for colour in variables(ALL[name]).values())


def test_one_of_our_themes_is_light() -> None:
    assert [theme.name for theme in THEMES if not theme.dark] == [DAY.name]


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of WCAG 2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in colour.rgb)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
