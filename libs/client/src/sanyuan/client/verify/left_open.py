"""What a verification cannot tell, said as plainly as what it has found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sanyuan.client.verify.findings import Report

ALWAYS: Final = (
    "events that nobody recorded: no log proves them",
    "sealed attachments: the log holds their digests only",
)
UNHEARD: Final = "whether a system was silenced on its way: no heads were compared"


def left_open(report: Report, *, heads_compared: bool) -> Iterator[str]:
    """Yield what stays open after a report, `report.unchecked` included."""
    yield from ALWAYS
    if not heads_compared:
        yield UNHEARD
    yield from report.unchecked
    if report.withheld:
        yield (
            f"what {report.withheld:,} withheld entries said, and their signatures: their places "
            "in their streams are those that the supervisor's orders name, and fit what follows"
        )
    yield _unwitnessed(report)


def _unwitnessed(report: Report) -> str:
    """What stays open about other people's views."""
    if not report.witnesses:
        return "whether others were shown another log: no witness's cosignature was checked"
    size = report.witnessed_size
    if size is None or report.size is None:
        return "whether others than these witnesses were shown another log"
    if size < report.size:
        return f"whether others were shown other entries from {size:,} on: not cosigned yet"
    return "whether others were shown another log, should these witnesses act together"
