"""The book: what was told to whom, whatever the moment at which the hub crashes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alerts import book as book_module
from server.alerts.book import PATIENCE, Book, Debt, pay
from server.alerts.facts import Alert
from server.alerts.gate import Gate
from server.alerts.quiet import Quiet

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TARGETS = ("chat", "mail")


def alert(key: str, mark: int = 1, *, urgent: bool = False) -> Alert:
    return Alert((key,), mark, "help", NOW, f"{key} needs help", "", urgent)


def opened(note: str = "", *found: Alert, targets: tuple[str, ...] = TARGETS) -> Book:
    book = Book(Gate(per_hour=1000), targets)
    book.begin(note, found, NOW)
    return book


def owed(book: Book, target: str = "chat") -> list[str]:
    return [key for (key,) in book.owed[target]]


def settle_debts(book: Book, target: str = "chat") -> None:
    pay(book.owed[target], list(book.owed[target].values()))


def test_what_comes_up_every_target_is_owed_once() -> None:
    book = opened()

    assert book.take_in(alert("a"))
    assert not book.take_in(alert("a", 2))
    assert book.due(NOW) == NOW
    assert book.tell(NOW) == 1

    assert owed(book, "chat") == owed(book, "mail") == ["a"]
    assert book.tell(NOW) == 0


def test_what_is_settled_is_told_no_more_and_may_come_up_anew() -> None:
    book = opened()
    book.take_in(alert("a"))
    book.tell(NOW)
    book.take_in(alert("b"))

    for key in "ab":
        book.settle((key,))

    assert (owed(book), book.waiting, book.due(NOW)) == ([], 0, None)
    assert book.take_in(alert("a", 2))


def test_what_comes_up_anew_while_it_is_on_its_way_is_still_owed() -> None:
    book = opened()
    book.take_in(alert("a"))
    book.tell(NOW)
    on_its_way = list(book.owed["chat"].values())
    book.settle(("a",))
    book.take_in(alert("a", 2))
    book.tell(NOW)

    pay(book.owed["chat"], on_its_way)

    assert owed(book) == ["a"]


def test_what_is_open_when_nothing_was_ever_told_is_no_news() -> None:
    book = opened("", alert("a"))

    assert book.due(NOW) is None
    assert not book.take_in(alert("a"))
    assert opened(book.note(), alert("a")).due(NOW) is None


def test_what_nobody_was_told_of_is_told_after_a_restart() -> None:
    before = opened()
    before.take_in(alert("a"))

    after = opened(before.note(), alert("a"))

    assert after.tell(NOW) == 1
    assert owed(after) == ["a"]


def test_what_was_told_is_not_told_again_unless_it_came_up_anew() -> None:
    before = opened()
    before.take_in(alert("a"))
    before.take_in(alert("b"))
    before.tell(NOW)
    for target in TARGETS:
        settle_debts(before, target)

    after = opened(before.note(), alert("a"), alert("b", 2))

    assert after.tell(NOW) == 1
    assert owed(after) == ["b"]


def test_who_was_away_is_owed_it_for_another_hour_and_nobody_else() -> None:
    before = opened()
    before.take_in(alert("a"))
    before.tell(NOW)
    settle_debts(before, "mail")

    after = opened(before.note(), alert("a"))

    assert (owed(after, "chat"), owed(after, "mail")) == (["a"], [])
    assert after.owed["chat"]["a",] == Debt(alert("a"), NOW + PATIENCE)


def test_what_was_settled_while_the_hub_was_away_is_not_told() -> None:
    before = opened()
    before.take_in(alert("a"))
    before.take_in(alert("b"))
    before.tell(NOW)

    after = opened(before.note())

    assert after.waiting == 0
    assert opened(after.note()).note() == after.note()


def test_a_target_that_is_new_is_not_told_what_others_were() -> None:
    before = opened(targets=("chat",))
    before.take_in(alert("a"))
    before.tell(NOW)
    settle_debts(before)

    after = opened(before.note(), alert("a"), targets=TARGETS)

    assert owed(after, "mail") == []


def test_a_thing_that_several_rows_tell_of_is_judged_by_the_newest() -> None:
    before = opened("", alert("run", 3))

    assert opened(before.note(), alert("run", 2), alert("run", 3)).waiting == 0
    assert opened(before.note(), alert("run", 4), alert("run", 3)).waiting == 1


def test_it_remembers_so_many_and_forgets_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book_module, "REMEMBERED", 10)
    book = opened()
    for number in range(11):
        book.take_in(alert(str(number)))

    assert book.waiting == 10
    assert book.take_in(alert("0"))
    assert not book.take_in(alert("2"))


# --- crashes --------------------------------------------------------------------------


class Life:
    """Hubs that crash, one after the other, over rows and a note that stay."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now = NOW
        self.cursor = 0
        self.rows: dict[str, Alert] = {}
        self.note = ""
        self.got: dict[str, Counter[tuple[str, int]]] = {t: Counter() for t in TARGETS}
        self.noted: dict[str, Counter[tuple[str, int]]] = {}
        self.crashes = 0
        self.start()
        self.save()

    def start(self) -> None:
        quiet = Quiet.read("22:00-07:00")
        quiet = Quiet(quiet.begin, quiet.end, UTC)
        self.book = Book(Gate(per_hour=3, quiet=quiet), TARGETS)
        self.book.begin(self.note, self.rows.values(), self.now)

    def step(self) -> None:
        steps = [self.come_up, self.settle, self.tell, self.arrive, self.save]
        self.dice.choice([*steps, self.come_up, self.arrive, self.crash])()

    def come_up(self) -> None:
        key, self.cursor = self.dice.choice("abcdefgh"), self.cursor + 1
        if key not in self.rows:
            self.rows[key] = alert(key, self.cursor, urgent=self.dice.random() < 0.2)
            assert self.book.take_in(self.rows[key])

    def settle(self) -> None:
        if self.rows:
            key = self.dice.choice(list(self.rows))
            del self.rows[key]
            self.book.settle((key,))

    def tell(self) -> None:
        self.now += timedelta(minutes=self.dice.randrange(60))
        self.book.tell(self.now)

    def arrive(self) -> None:
        target = self.dice.choice(TARGETS)
        debts = list(self.book.owed[target].values())
        pay(self.book.owed[target], debts)
        for debt in debts:
            (key,) = debt.alert.key
            assert self.rows[key] == debt.alert
            self.got[target][key, debt.alert.mark] += 1

    def save(self) -> None:
        self.note = self.book.note()
        self.noted = {target: Counter(got) for target, got in self.got.items()}

    def crash(self) -> None:
        """Lose all but the rows and the note; what was not noted may come again."""
        self.crashes += 1
        for target, got in self.got.items():
            got.clear()
            got.update(self.noted[target])
        self.start()

    def calm_down(self) -> None:
        """Let the last hub live on until nothing is owed any more."""
        for _ in range(100):
            self.now += timedelta(hours=1)
            self.book.tell(self.now)
            for _ in range(20):
                self.arrive()
        self.save()


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_each_target_hears_of_all_that_stays_open_once_whenever_the_hub_crashes(
    seed: int, steps: int
) -> None:
    life = Life(seed)
    for _ in range(steps):
        life.step()

    life.calm_down()

    open_now = {(key, found.mark) for key, found in life.rows.items()}
    for got in life.got.values():
        assert open_now <= got.keys()
        assert set(got.values()) <= {1}
    assert life.book.waiting == 0
    life.start()
    assert life.book.waiting == 0
