"""Deadlines in working days of China, whose calendar is moved every year by a notice.

A period begins on the day after (民法典 第二百零一条) and ends with its last day, at 24:00 in
Asia/Shanghai. Without summer time since 1992, that zone is eight hours before UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

SATURDAY: Final = 5
_CHINA: Final = timedelta(hours=8)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Monday to Friday, but for ``holidays`` and plus ``workdays`` (调休)."""

    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether offices are open."""
        if day in self.workdays:
            return True
        return day.weekday() < SATURDAY and day not in self.holidays


def deadline(at: int, days: int, calendar: Calendar) -> int:
    """The end of the ``days``-th working day after the day of ``at``; both µs since 1970 UTC."""
    day, left = (_EPOCH + at * _MICROSECOND + _CHINA).date(), days
    while left:
        day += _DAY
        left -= calendar.is_working(day)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + _DAY - _CHINA
    return (midnight - _EPOCH) // _MICROSECOND
