"""Identifiers and times as records carry them."""

import random
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_VERSION_AND_VARIANT: Final = 0x7000_8000_0000_0000_0000
_RANDOM: Final = 0x0FFF_3FFF_FFFF_FFFF_FFFF


def new_id() -> str:
    """A lower-case UUID version 7 (RFC 9562 §5.7): sortable by time, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    text = f"{milliseconds << 80 | random.getrandbits(80) & _RANDOM | _VERSION_AND_VARIANT:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_case() -> str:
    """A random case id, which says nothing about when or where it was opened."""
    return f"{random.getrandbits(128):032x}"


@lru_cache(maxsize=1024)
def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and ``Z``; cached, because a batch has few append times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@lru_cache(maxsize=1024)
def time_of(milliseconds: int) -> datetime:
    """A broker's append time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
