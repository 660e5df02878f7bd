"""What an installation may set, as data."""

from dataclasses import dataclass, field

from sanyuan.common.working_days import Calendar


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule with a number in it.

    A grant with a rate may use ``burst_seconds`` seconds' worth at once after a pause.
    """

    answer_days: int = 10
    calendar: Calendar = field(default_factory=Calendar)
    burst_seconds: int = 10
