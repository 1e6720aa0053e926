"""Rates: so many at once, so many a second."""

from hypothesis import given
from hypothesis import strategies as st

from server.asgi import RequestError
from server.limits import SWEEP_EVERY, Crowd, Rates, Seat


def test_a_burst_passes_and_the_next_must_wait() -> None:
    rates = Rates(rate=2, burst=3)

    waits = [rates.take("a", 0.0) for _ in range(4)]

    assert waits == [0.0, 0.0, 0.0, 0.5]


def test_tokens_come_back_at_the_rate() -> None:
    rates = Rates(rate=2, burst=3)
    for _ in range(3):
        rates.take("a", 0.0)

    assert rates.take("a", 0.5) == 0.0
    assert rates.take("a", 0.5) == 0.5


def test_asking_too_early_costs_nothing() -> None:
    rates = Rates(rate=1, burst=1)
    rates.take("a", 0.0)

    for _ in range(5):
        assert rates.take("a", 0.5) > 0

    assert rates.take("a", 1.0) == 0.0


def test_what_costs_more_takes_more_and_at_most_a_burst() -> None:
    rates = Rates(rate=1, burst=4)

    waits = [rates.take("a", 0.0, cost) for cost in (3, 3, 1, 100)]

    assert waits == [0.0, 2.0, 0.0, 4.0]
    assert rates.take("a", 4.0, 100) == 0.0


def test_one_does_not_use_up_anothers() -> None:
    rates = Rates(rate=1, burst=1)
    rates.take("a", 0.0)

    assert rates.take("b", 0.0) == 0.0


def test_whoever_has_been_quiet_is_forgotten() -> None:
    rates = Rates(rate=1, burst=10)
    for number in range(100):
        rates.take(f"a{number}", 0.0)

    rates.take("new", SWEEP_EVERY + 1)

    assert len(rates) == 1


@given(
    st.floats(0.1, 1000),
    st.integers(1, 100),
    st.lists(st.floats(0, 1), max_size=200),
)
def test_no_more_than_burst_and_rate_ever_pass(
    rate: float, burst: int, gaps: list[float]
) -> None:
    rates, now, passed = Rates(rate, burst), 0.0, 0
    for gap in gaps:
        now += gap
        passed += rates.take("a", now) == 0.0

    assert passed <= burst + rate * now + 1e-6


# --- connections ---


def refused(crowd: Crowd, address: str) -> int:
    """Return the status that another connection is refused with; 0 when it is not."""
    try:
        crowd.enter(address)
    except RequestError as refusal:
        return refusal.status
    return 0


def test_an_address_has_so_many_connections_and_this_machine_any_number() -> None:
    crowd = Crowd(most=100, each=2)

    assert [refused(crowd, "10.0.0.1") for _ in range(3)] == [0, 0, 429]
    assert refused(crowd, "10.0.0.2") == 0
    assert {refused(crowd, "127.0.0.1") for _ in range(20)} == {0}
    assert {refused(crowd, "::1") for _ in range(20)} == {0}


def test_there_is_room_for_so_many_in_all() -> None:
    crowd = Crowd(most=2, each=2)

    assert [refused(crowd, "127.0.0.1") for _ in range(3)] == [0, 0, 503]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_a_place_that_is_given_back_can_be_taken(
    steps: list[tuple[str, bool]],
) -> None:
    crowd, seats = Crowd(most=5, each=3), list[Seat]()
    for address, enters in steps:
        mine = [seat for seat in seats if seat.address == address]
        if enters:
            code = 503 if len(seats) >= 5 else 429 if len(mine) >= 3 else 0
            if code:
                assert refused(crowd, address) == code
            else:
                seats.append(crowd.enter(address))
        elif mine:
            seats.remove(mine[0])
            mine[0].leave()
        assert len(crowd) == len(seats)
