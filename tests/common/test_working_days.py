from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.working_days import Calendar, deadline

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHINA = timedelta(hours=8)
PLAIN = Calendar()
# 2026-10-01 is a Thursday.
NATIONAL_DAY = Calendar(
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    workdays=frozenset({date(2026, 10, 10)}),
)


def last_day(began: str, days: int, calendar: Calendar = PLAIN) -> str:
    """The day at whose end in Beijing the time is over; ``began`` is a time in Beijing."""
    at = datetime.fromisoformat(began).replace(tzinfo=UTC) - CHINA
    end = EPOCH + timedelta(
        microseconds=deadline((at - EPOCH) // timedelta(microseconds=1), days, calendar)
    )
    assert (end + CHINA).time().isoformat() == "00:00:00"
    return str((end + CHINA - timedelta(days=1)).date())


def test_a_period_begins_on_the_day_after_and_ends_with_its_last_day() -> None:
    assert last_day("2026-11-23T10:17", 1) == "2026-11-24"
    assert last_day("2026-11-23T10:17", 10) == "2026-12-07"


def test_weekends_do_not_count() -> None:
    for day in ("2026-11-27T09:00", "2026-11-28T09:00", "2026-11-29T09:00"):
        assert last_day(day, 1) == "2026-11-30"


def test_the_day_is_that_of_beijing() -> None:
    assert last_day("2026-11-23T23:59:59", 1) == "2026-11-24"
    assert last_day("2026-11-24T00:00:00", 1) == "2026-11-25"


def test_holidays_do_not_count_and_make_up_days_do() -> None:
    assert last_day("2026-09-30T12:00", 1, NATIONAL_DAY) == "2026-10-08"
    assert last_day("2026-09-30T12:00", 3, NATIONAL_DAY) == "2026-10-10"
    assert last_day("2026-09-30T12:00", 4, NATIONAL_DAY) == "2026-10-12"


def test_a_holiday_that_is_worked_is_a_working_day() -> None:
    day = date(2026, 10, 1)
    assert Calendar(frozenset({day}), frozenset({day})).is_working(day)


@given(st.integers(0, 4 * 10**15), st.integers(1, 30))
def test_a_longer_period_ends_later_and_every_day_is_counted_once(at: int, days: int) -> None:
    first, second = deadline(at, days, PLAIN), deadline(at, days + 1, PLAIN)
    assert at < first < second
    worked = [
        day
        for offset in range(1, 60)
        if PLAIN.is_working(
            day := (EPOCH + timedelta(microseconds=at) + CHINA).date() + timedelta(offset)
        )
    ]
    end = EPOCH + timedelta(microseconds=first) + CHINA
    assert worked[days - 1] == end.date() - timedelta(days=1)
