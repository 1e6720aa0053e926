"""The registry of actions: nothing twice, everything in reach."""

from pathlib import Path

import pytest
from textual.binding import Binding
from textual.keys import format_key

from swarmtui.actions import ACTIONS, VIEWS, Action, Need, bindings, in_scope, offered
from swarmtui.app import SwarmApp
from swarmtui.keymap import RESERVED, read_keymap
from swarmtui.replay_app import ReplayApp
from swarmtui.screens.fleet import FleetScreen
from swarmtui.screens.help import HelpScreen
from swarmtui.screens.queue import QueueScreen
from swarmtui.screens.runs import RunsScreen
from swarmtui.screens.tasks import TasksScreen
from swarmtui.screens.traffic import TrafficScreen
from swarmtui.widgets.line_table import LineTable

DOERS = {
    "app": SwarmApp,
    "view": FleetScreen,
    "table": LineTable,
    "fleet": FleetScreen,
    "queue": QueueScreen,
    "help": HelpScreen,
    "replay": ReplayApp,
    "traffic": TrafficScreen,
    "tasks": TasksScreen,
    "runs": RunsScreen,
}


def test_every_action_has_its_own_id() -> None:
    ids = [action.id for action in ACTIONS]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_somebody_does_every_action(action: Action) -> None:
    call = action.call.removeprefix("app.").partition("(")[0]
    doer = DOERS[action.scope]

    assert hasattr(doer, f"action_{call}")


def test_no_view_has_a_key_twice() -> None:
    assert read_keymap({}) == {}


def test_no_default_key_is_one_that_never_arrives() -> None:
    keys = {key for action in ACTIONS for key in action.key.split(",")}

    assert keys.isdisjoint(RESERVED)


def test_the_table_binds_what_the_registry_says() -> None:
    said = {action.id: action.key for action in ACTIONS if action.scope == "table"}

    bound = [one for one in LineTable.BINDINGS if isinstance(one, Binding)]
    assert said == {binding.id: binding.key for binding in bound}


def test_a_view_offers_its_own_actions_first() -> None:
    for view in VIEWS:
        scopes = [action.scope for action in in_scope(view)]

        assert scopes == sorted(scopes, key=[view, "view", "table", "app"].index)


def test_bindings_carry_ids_and_tooltips() -> None:
    for scope in ("app", "view", *VIEWS):
        for binding in bindings(scope):
            assert isinstance(binding, Binding)
            assert binding.id
            assert binding.tooltip


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (Need.HUB | Need.AGENT, True),
        (Need.HUB, None),
        (Need.AGENT, None),
        (Need.NOTHING, None),
    ],
)
def test_assigning_needs_a_hub_and_an_agent(given: Need, answer: bool | None) -> None:
    assert offered("assign", "fleet", given) is answer


def test_a_recording_is_not_offered_any_order() -> None:
    given = Need.HUB | Need.AGENT | Need.RECORDED

    assert offered("assign", "fleet", given) is False
    assert offered("why", "fleet", given | Need.ANSWERS) is True


def test_the_same_word_may_need_other_things_elsewhere() -> None:
    assert offered("assign", "help", Need.HUB | Need.CALL) is True
    assert offered("assign", "help", Need.HUB | Need.AGENT) is None


def test_what_needs_nothing_is_always_offered() -> None:
    assert offered("filter", "view", Need.NOTHING) is True
    assert offered("unheard_of", "view", Need.NOTHING) is True


def test_the_page_on_the_dashboard_lists_every_action() -> None:
    page = (Path(__file__).parents[3] / "docs" / "dashboard.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]

    assert rows == [
        f"| {keys(action)} | {action.tip} | `{action.id}` |"
        for scope in (*VIEWS, "view", "table", "app", "replay")
        for action in ACTIONS
        if action.scope == scope
    ]


def keys(action: Action) -> str:
    """Return the keys of an action as the page writes them."""
    return " ".join(f"`{format_key(key)}`" for key in action.key.split(","))
