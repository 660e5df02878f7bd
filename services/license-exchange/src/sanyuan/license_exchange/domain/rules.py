"""What an installation may set: every rule with a number in it, as data."""

from dataclasses import dataclass, field

from sanyuan.common.working_days import Calendar


@dataclass(frozen=True, slots=True)
class StatusTimes:
    """How long a status list counts, and how long a copy of it may be kept, in seconds."""

    lifetime: int = 3600
    ttl: int = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """Deadlines and lifetimes.

    ``answer_days`` are working days that an issuer has for a dispute; a grant with a rate may use
    ``burst_seconds`` seconds' worth at once; codes live for ``code_seconds``; a status list has
    ``list_size`` places, a multiple of four.
    """

    answer_days: int = 10
    calendar: Calendar = field(default_factory=Calendar)
    burst_seconds: int = 10
    code_seconds: int = 300
    list_size: int = 65_536
