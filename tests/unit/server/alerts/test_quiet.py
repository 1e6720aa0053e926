"""Quiet hours, by a clock on a wall."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from server.alerts.quiet import Quiet, quiet_hours

NIGHT = Quiet.read("22:00-07:00")
BERLIN = ZoneInfo("Europe/Berlin")


def at(clock: str, day: int = 10) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02}T{clock}+00:00")


def in_zone(said: str, zone: ZoneInfo) -> Quiet:
    quiet = Quiet.read(said)
    return Quiet(quiet.begin, quiet.end, zone)


UTC_NIGHT = in_zone("22:00-07:00", ZoneInfo("UTC"))
UTC_NOON = in_zone("12:00-13:30", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (at("21:59:59"), None),
        (at("22:00"), at("07:00", 11)),
        (at("23:59:59"), at("07:00", 11)),
        (at("00:00"), at("07:00")),
        (at("06:59:59"), at("07:00")),
        (at("07:00"), None),
        (at("12:00"), None),
    ],
)
def test_a_night_goes_on_after_midnight(now: datetime, end: datetime | None) -> None:
    assert UTC_NIGHT.until(now) == end


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (at("11:59"), None),
        (at("12:00"), at("13:30")),
        (at("13:29"), at("13:30")),
        (at("13:30"), None),
    ],
)
def test_a_rest_at_noon_is_on_one_day(now: datetime, end: datetime | None) -> None:
    assert UTC_NOON.until(now) == end


def test_the_clock_hangs_where_people_are() -> None:
    there = in_zone("22:00-07:00", BERLIN)

    assert there.until(at("20:30")) is None
    assert there.until(at("21:30")) == at("06:00", 11)


def test_a_night_in_which_the_clock_is_put_forward_ends_by_the_clock() -> None:
    """On 29 March 2026 it is 03:00 in Berlin right after 01:59."""
    there = in_zone("22:00-07:00", BERLIN)

    assert there.until(at("22:00", 28)) == at("05:00", 29)


def test_without_a_zone_it_is_the_clock_of_this_machine() -> None:
    here = datetime(2026, 3, 10, 23, 0).astimezone()

    assert NIGHT.until(here.astimezone(UTC)) == datetime(2026, 3, 11, 7).astimezone()


@pytest.mark.parametrize("said", ["22:00-07:00", " 9:30 - 10:00 "])
def test_hours_are_read_and_written(said: str) -> None:
    assert quiet_hours(said) == str(Quiet.read(said))
    assert quiet_hours("") == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("night", "two times of day"),
        ("22-7", "two times of day"),
        ("25:00-07:00", "no day has"),
        ("22:00-07:60", "no day has"),
        ("07:00-07:00", "ends when it begins"),
    ],
)
def test_what_are_no_hours_is_refused(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        quiet_hours(said)
