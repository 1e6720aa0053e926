"""Alerts of a hub that is killed at any moment and started again."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.conftest import RunningHub, Start
from tests.integration.receivers import Hooks
from tests.integration.test_alerts import around_now, figure, title, until


@pytest.fixture
def alerting(start: Start, receiver: Hooks) -> Callable[..., RunningHub]:
    """Start a hub over the same store that tells a web hook, and perhaps others."""

    def begin(*flags: str, also: tuple[Hooks, ...] = ()) -> RunningHub:
        places = [hook.place for hook in (receiver, *also)]
        return start(
            "--alerts", ",".join(f"json://{place}" for place in places), *flags
        )

    return begin


def kill(hub: RunningHub) -> None:
    hub.process.kill()
    hub.process.wait(timeout=20)


def noted(home: Path) -> str:
    """Return what is on disk of what was told."""
    with closing(sqlite3.connect(home / "hub.db")) as store:
        found = store.execute("SELECT body FROM notes WHERE name = 'alerts'").fetchone()
    return str(found[0]) if found else ""


def test_what_was_committed_and_not_told_when_the_hub_was_killed_is_told(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    hub = alerting()
    hub.report("web-1", "help", message="?")
    kill(hub)

    alerting()

    assert title(receiver.next()) == "web-1 needs help"


def test_what_was_on_its_way_when_the_hub_was_killed_is_told(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    receiver.hangs = True
    hub = alerting()
    hub.report("web-1", "help", message="?")
    until(lambda: receiver.asked == 1)
    kill(hub)

    receiver.hangs = False
    alerting()

    assert title(receiver.next()) == "web-1 needs help"


def test_what_was_told_is_not_told_again(
    alerting: Callable[..., RunningHub], receiver: Hooks, tmp_path: Path
) -> None:
    hub = alerting()
    for name in ("web-1", "web-2"):
        hub.report(name, "help", message="?")
        assert title(receiver.next()) == f"{name} needs help"
    until(lambda: noted(tmp_path).count("help") == 2)
    until(lambda: noted(tmp_path).endswith('"owed":{}}'))
    kill(hub)

    for number in (3, 4):
        hub = alerting()
        hub.report("web-1", "help", message="?")
        hub.report(f"web-{number}", "help", message="?")

        assert title(receiver.next()) == f"web-{number} needs help"
        assert hub.stop() == 0
    assert receiver.posts.empty()


def test_what_was_settled_before_it_was_told_is_not_told(
    start: Start, alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    receiver.answers = [503] * 1000
    hub = alerting()
    hub.report("web-1", "help", message="?")
    until(lambda: figure(hub, "failed_total") >= 1)
    kill(hub)
    hub = start()
    hub.report("web-1", "idle")
    hub.stop()

    receiver.answers = []
    hub = alerting()
    hub.report("web-2", "help", message="?")

    assert title(receiver.next()) == "web-2 needs help"


def test_what_quiet_hours_hold_back_outlives_the_hub(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    quiet = "--alerts-quiet", around_now()
    hub = alerting(*quiet)
    hub.report("web-1", "help", message="?")
    hub.report("web-2", "help", message="?")
    until(lambda: figure(hub, "waiting") == 2)
    kill(hub)

    hub = alerting(*quiet)
    until(lambda: figure(hub, "waiting") == 2)
    kill(hub)
    alerting()

    assert title(receiver.next()) == "web-1 needs help, and 1 more"


def test_only_who_was_away_is_still_owed_it(
    alerting: Callable[..., RunningHub],
    receiver: Hooks,
    other: Hooks,
    tmp_path: Path,
) -> None:
    other.answers = [503] * 1000
    hub = alerting(also=(other,))
    hub.report("web-1", "help", message="?")
    assert title(receiver.next()) == "web-1 needs help"
    until(lambda: f'"owed":{{"json://{other.place}":[' in noted(tmp_path))
    until(lambda: f'"json://{receiver.place}":[' not in noted(tmp_path))
    kill(hub)

    other.answers = []
    hub = alerting(also=(other,))
    assert title(other.next()) == "web-1 needs help"
    hub.report("web-2", "help", message="?")

    assert title(receiver.next()) == "web-2 needs help"
    assert title(other.next()) == "web-2 needs help"


def test_what_a_hub_that_stops_could_not_bring_is_told_after_the_next_start(
    alerting: Callable[..., RunningHub], receiver: Hooks
) -> None:
    receiver.answers = [503] * 1000
    hub = alerting()
    hub.report("web-1", "help", message="?")
    until(lambda: figure(hub, "failed_total") >= 1)
    assert hub.stop() == 0

    receiver.answers = []
    alerting()

    assert title(receiver.next()) == "web-1 needs help"
