"""Other keys for the same actions."""

import pytest

from agentkit.errors import Invalid
from agentkit.settings import load
from swarmtui.keymap import read_keymap
from swarmtui.preferences import Preferences


def test_a_good_keymap_is_returned_as_it_is() -> None:
    table = {"help.answer": "f2", "view.last": "backspace,-"}

    assert read_keymap(table) == table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"help.anser": "f2"}, "the nearest is 'help.answer'"),
        ({"help.answer": ""}, "has no key for 'help.answer'"),
        ({"help.answer": "ctrl+b"}, "multiplexers take"),
        ({"help.answer": "?"}, "both 'help.answer' and 'app.keys'"),
        ({"help.answer": "z"}, "both 'help.answer' and 'help.snooze'"),
    ],
)
def test_a_bad_keymap_is_refused_with_the_remedy(
    table: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        read_keymap(table)


def test_a_key_may_mean_other_things_in_other_views() -> None:
    assert read_keymap({"help.answer": "m"}) == {"help.answer": "m"}


def test_freed_keys_may_be_given_away() -> None:
    table = {"help.answer": "z", "help.snooze": "r"}

    assert read_keymap(table) == table


def test_the_settings_read_keymap_and_theme() -> None:
    environ = {
        "SWARMTUI_HOME": "/nowhere",
        "SWARMTUI_KEYMAP": "view.last=f5",
        "SWARMTUI_THEME": "swarm-day",
        "SWARMTUI_NOTICES": "bell",
    }

    chosen = load(Preferences, environ=environ).values

    assert chosen == Preferences(
        theme="swarm-day", notices="bell", keymap=(("view.last", "f5"),)
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SWARMTUI_THEME", "swarm-dawn", "is none of swarm-night"),
        ("SWARMTUI_NOTICES", "loud", "is none of off, bell, desktop, both"),
        ("SWARMTUI_KEYMAP", "view.lst=f5", "the nearest is 'view.last'"),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        load(Preferences, environ={"SWARMTUI_HOME": "/nowhere", name: value})
