"""What comes late or twice is no news, in whichever order it comes."""

from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from agentkit.a2a.words import ENDS, State, Told
from agentkit.rows import Agent
from server.a2a.order import Order

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def told(state: State, second: int | None = None, task: str = "t") -> Told:
    stamp = "" if second is None else (NOON + timedelta(seconds=second)).isoformat()
    return Told(task=task, state=state, stamp=stamp)


def taken(order: Order, one: Told, row: Agent | None = None) -> bool:
    news = order.is_news("a", one, one.task, row)
    if news:
        order.note("a", one)
    return news


def row(stamp: str, via: str = "a2a") -> Agent:
    return Agent(
        id="a", status="busy", since=NOON, heard=NOON, joined=NOON, task="t",
        reported_at=stamp, via=via,
    )  # fmt: skip


MIDWAY = [state for state in get_args(State) if state not in ENDS]


@given(st.permutations(range(6)), st.data())
def test_in_whichever_order_they_come_the_newest_is_taken_last(
    order: list[int], data: st.DataObject
) -> None:
    seen = Order()
    states = [data.draw(st.sampled_from(MIDWAY)) for _ in order]

    news = [n for n in order if taken(seen, told(states[n], n))]

    assert news == sorted(news)
    assert news[-1] == 5


@given(st.lists(st.sampled_from(get_args(State)), min_size=1), st.booleans())
def test_nothing_follows_the_end_of_a_task(states: list[State], stamped: bool) -> None:
    seen = Order()

    found = [
        state
        for n, state in enumerate(states)
        if taken(seen, told(state, n if stamped else None))
    ]

    assert not set(found[:-1]) & ENDS


def test_the_same_is_taken_once() -> None:
    seen = Order()

    assert [taken(seen, told("working", 1)) for _ in range(3)] == [True, False, False]


def test_tasks_of_an_agent_do_not_order_each_other() -> None:
    seen = Order()

    assert taken(seen, told("completed", 5))
    assert taken(seen, told("working", 1, "u"))


def test_after_a_restart_the_row_tells_what_was_last() -> None:
    stamp = (NOON + timedelta(seconds=5)).isoformat()

    assert not taken(Order(), told("working", 4), row(stamp))
    assert taken(Order(), told("completed", 6), row(stamp))
    assert taken(Order(), told("working", 4), row(stamp, via="ws"))


def test_what_is_remembered_is_bounded() -> None:
    seen = Order(most=2)

    for task in "tuv":
        taken(seen, told("completed", 1, task))

    assert taken(seen, told("completed", 1, "t"))
    assert not taken(seen, told("completed", 1, "v"))
