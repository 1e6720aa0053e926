"""Runs as events tell of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from agentkit.changes import Heard
from agentkit.errors import NotFound
from agentkit.protocol import (
    Event,
    ItemCancelled,
    ItemDone,
    ItemFailed,
    ItemRetrying,
    ItemStarted,
    PlanKept,
    RunCancelled,
    RunEntered,
    RunFailed,
    RunFinished,
    RunLaunched,
    RunMoved,
    RunResumed,
    RunRetried,
)
from swarmtui.past_runs import PastRuns
from swarmtui.run_book import RunBook
from tests.unit.swarmtui.conftest import NOW
from tests.unit.swarmtui.running import DOCUMENT, item, run

ERROR = {"_error": "no sound", "_error_type": "TaskFailed"}


def launched(key: str, **fields: Any) -> RunLaunched:
    given: dict[str, Any] = {"plan": "p", "machine": "lessons", "stage": "outline"}
    given |= {"input": {}, "context": {}, "root": key}
    return RunLaunched(at=NOW, run=key, **(given | fields))


def entered(key: str, stage: str, visit: int = 1, total: int = 2) -> RunEntered:
    return RunEntered(at=NOW, run=key, stage=stage, visit=visit, total=total)


def started(key: str, index: int, visit: int = 1, attempt: int = 1) -> ItemStarted:
    return ItemStarted(
        at=NOW,
        run=key,
        visit=visit,
        index=index,
        attempt=attempt,
        kind="agent",
        name="planner",
        key=f"k{index}",
        ref=f"{key}.{index + 1}",
    )


def which(key: str, index: int, visit: int = 1) -> dict[str, Any]:
    return {"at": NOW, "run": key, "visit": visit, "index": index}


def heard(*events: Event) -> list[Heard]:
    return [Heard(cursor, event) for cursor, event in enumerate(events, 100)]


STORY: Sequence[Event] = (
    launched("r"),
    entered("r", "outline", total=4),
    *(started("r", n) for n in range(4)),
    ItemDone(**which("r", 0), output={"n": 1}),
    ItemFailed(**which("r", 1), error=ERROR),
    ItemRetrying(**which("r", 2), not_before=NOW, error=ERROR),
    ItemCancelled(**which("r", 3), reason="enough"),
    RunMoved(at=NOW, run="r", visit=1, stage="record", changes={}, checkpoint=1),
    entered("r", "record", visit=2, total=1),
)


def states(book: RunBook) -> dict[str, str]:
    return {key: one.state for key, one in book.items.items()}


def test_items_and_checkpoints_are_made_of_events() -> None:
    book = RunBook("r")

    changed = book.hear(heard(*STORY))

    assert states(book) == {
        "1.0": "done",
        "1.1": "failed",
        "1.2": "retrying",
        "1.3": "cancelled",
    }
    assert changed == set(book.items)
    assert book.visits == {1: "outline", 2: "record"}
    assert [(row.number, row.stage) for row in book.checkpoints.values()] == [
        (0, "outline"),
        (1, "record"),
    ]


def test_what_is_heard_of_other_runs_changes_nothing() -> None:
    book = RunBook("x")

    assert book.hear(heard(*STORY)) == set()
    assert not book.items


def test_a_row_of_the_hub_that_is_newer_stays() -> None:
    book = RunBook("r")
    book.put([replace(item("r", 0), state="done", version=900)])

    book.hear(heard(started("r", 0)))

    assert states(book) == {"1.0": "done"}


def test_a_row_of_the_hub_that_is_older_changes_nothing() -> None:
    book = RunBook("r")
    book.hear(heard(started("r", 0), ItemDone(**which("r", 0), output=1)))

    book.put([item("r", 0, version=1)])

    assert states(book) == {"1.0": "done"}


def test_an_item_that_is_not_known_cannot_settle() -> None:
    book = RunBook("r")

    assert book.hear(heard(ItemDone(**which("r", 7), output=1))) == set()


def test_what_had_failed_waits_when_a_run_goes_on() -> None:
    book = RunBook("r")
    book.hear(heard(*STORY[:-2], RunResumed(at=NOW, run="r")))

    assert states(book) == {
        "1.0": "done",
        "1.1": "waiting",
        "1.2": "retrying",
        "1.3": "waiting",
    }


def test_a_retry_goes_back_to_the_stage_with_what_had_failed() -> None:
    again = RunRetried(at=NOW, run="r", visit=1, stage="outline", total=4, checkpoint=0)
    book = RunBook("r")
    book.hear(heard(*STORY, again))

    assert states(book)["1.1"] == "waiting"
    assert states(book)["1.0"] == "done"


# --- A recording ---------------------------------------------------------------------

CHILD: Sequence[Event] = (
    launched("r.1", parent="r", item=0, root="r", depth=1, machine="lesson"),
    entered("r.1", "film", total=1),
    started("r.1", 0),
)


def past(*events: Event, rows: Sequence[str] = ("r",)) -> PastRuns:
    story = heard(*events)
    return PastRuns({key: run(key, plan="p") for key in rows}, lambda _: story)


def test_runs_below_are_made_of_events() -> None:
    tree = past(*STORY, *CHILD, ItemDone(**which("r.1", 0), output=1)).tree("r")

    (below,) = tree.children
    assert (below.run.id, below.run.stage, below.run.done) == ("r.1", "film", 1)
    assert below.progress == 1.0


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (RunFinished(at=NOW, run="r.1", output={"n": 1}), "done"),
        (RunFailed(at=NOW, run="r.1", error=ERROR), "failed"),
        (RunCancelled(at=NOW, run="r.1", reason="enough"), "cancelled"),
    ],
)
def test_a_run_below_ends_as_it_was_heard(end: Event, state: str) -> None:
    view = past(*STORY, *CHILD, end).view("r.1")

    assert view.run.state == state
    assert view.run.ended == NOW


def test_a_run_below_goes_on_when_it_is_heard_to() -> None:
    failed = RunFailed(at=NOW, run="r.1", error=ERROR)
    view = past(*CHILD, failed, RunResumed(at=NOW, run="r.1")).view("r.1")

    assert (view.run.state, view.run.error, view.run.ended) == ("running", {}, None)


def test_a_view_names_the_plan_and_counts_what_is_below() -> None:
    kept = PlanKept(at=NOW, plan="p", name="lessons", document=DOCUMENT)
    view = past(kept, *STORY, *CHILD).view("r")

    assert view.plan == "lessons"
    assert view.children == {"running": 1}


def test_the_output_of_a_run_is_in_the_event_of_its_end() -> None:
    view = past(*STORY, RunFinished(at=NOW, run="r", output=[1, 2])).view("r")

    assert view.run.output == [1, 2]


def test_items_and_checkpoints_stand_in_order() -> None:
    told = past(*STORY)

    assert [one.index for one in told.items("r")] == [0, 1, 2, 3]
    assert [row.number for row in told.checkpoints("r")] == [1, 0]


def test_what_was_before_the_recording_is_not_known() -> None:
    told = past(*STORY)

    with pytest.raises(NotFound, match="began before"):
        told.view("r.9")
    with pytest.raises(NotFound, match="kept before"):
        told.plan("p")
