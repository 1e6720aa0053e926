"""What is new in an export, and what was counted before."""

import pytest

from server.otlp import ledger as module
from server.otlp.ledger import Ledger, Spent
from server.otlp.products import Source
from server.otlp.reading import Series, Use

BEGAN = 1_000


def use(
    amount: float,
    source: Source = "metric",
    *,
    service: str = "claude-code",
    series: Series | None = None,
) -> Use:
    return Use("a1", "", service, source, "cost", amount, series)


def total(amount: float, key: bytes = b"1", start: int = BEGAN) -> Use:
    return use(amount, series=Series(key, start))


def costs(ledger: Ledger, *uses: Use, who: str = "a1") -> list[float]:
    return [ledger.enter(who, [each], 2_000).cost for each in uses]


def test_what_is_new_is_added_up() -> None:
    assert costs(Ledger(BEGAN), use(1), use(2), use(0)) == [1, 2, 0]


def test_of_totals_the_difference_is_new() -> None:
    assert costs(Ledger(BEGAN), total(1), total(3), total(3), total(4)) == [1, 2, 0, 1]


def test_a_total_that_comes_late_takes_nothing_back() -> None:
    assert costs(Ledger(BEGAN), total(3), total(2), total(4)) == [3, 0, 1]


def test_a_series_that_begins_anew_is_another() -> None:
    assert costs(Ledger(BEGAN), total(3), total(2, start=BEGAN + 1)) == [3, 2]


def test_a_total_from_before_the_hub_is_only_remembered() -> None:
    assert costs(Ledger(BEGAN), total(3, start=5), total(4, start=5)) == [0, 1]


def test_of_several_ways_to_tell_the_same_the_largest_counts() -> None:
    ledger = Ledger(BEGAN)

    new = costs(
        ledger, use(1, "log"), use(2, "log"), use(3), use(1), use(0.5, "gen_ai")
    )

    assert new == [1, 2, 0, 1, 0]


def test_services_and_agents_are_counted_apart() -> None:
    ledger = Ledger(BEGAN)

    new = [
        *costs(ledger, use(1), use(1, "log", service="codex")),
        *costs(ledger, use(1, "log"), who="a2"),
    ]

    assert new == [1, 1, 1]


def test_one_export_may_tell_of_everything() -> None:
    told = [use(1), use(2)._replace(counted="tokens_in"), use(3), use(9, "log")]

    assert Ledger(BEGAN).enter("a1", told, 2_000) == Spent(9, 2, 0)


def test_a_series_that_was_forgotten_is_not_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    ledger = Ledger(BEGAN)

    new = costs(
        ledger,
        *(total(5, key) for key in (b"1", b"2", b"3")),
        *(total(6, b"1"), total(7, b"4", start=3_000)),
    )

    assert new == [5, 5, 5, 0, 7]
