"""The rate at which the feed is drained."""

from swarmtui.pace import FAST, PATIENCE, RATES, RECOVERY, SLOW, Pace


def drains(pace: Pace, seconds: float, times: int) -> list[bool]:
    return [pace.note(seconds) for _ in range(times)]


def test_one_slow_drain_changes_nothing() -> None:
    pace = Pace()

    assert not pace.note(SLOW * 2)
    assert not pace.note(FAST / 2)
    assert not pace.note(SLOW * 2)
    assert pace.rate == RATES[0]
    assert not pace.overloaded


def test_slow_drains_in_a_row_lower_the_rate_step_by_step() -> None:
    pace = Pace()

    rates = []
    for _ in range(4):
        drains(pace, SLOW * 2, PATIENCE)
        rates.append(pace.rate)

    assert rates == [4, 2, 2, 2]
    assert pace.overloaded


def test_fast_drains_raise_it_again() -> None:
    pace = Pace()
    drains(pace, SLOW * 2, PATIENCE)

    changes = drains(pace, FAST / 2, RECOVERY)

    assert changes == [False] * (RECOVERY - 1) + [True]
    assert pace.rate == RATES[0]


def test_drains_that_are_neither_slow_nor_fast_keep_the_rate() -> None:
    pace = Pace()
    drains(pace, SLOW * 2, PATIENCE)

    assert not any(drains(pace, (SLOW + FAST) / 2, RECOVERY * 2))
