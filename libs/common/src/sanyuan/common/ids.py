"""Identifiers and times as records carry them."""

import random
import time
from datetime import UTC, datetime


def new_id() -> str:
    """A lower-case UUID version 7 (RFC 9562 §5.7): sortable by time, 74 random bits."""
    number = random.getrandbits(74)
    milliseconds = time.time_ns() // 1_000_000
    high = (milliseconds << 16) | 0x7000 | (number >> 62)
    low = 0x8000_0000_0000_0000 | (number & 0x3FFF_FFFF_FFFF_FFFF)
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_case() -> str:
    """A random case id, which says nothing about when or where it was opened."""
    return f"{random.getrandbits(128):032x}"


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def time_of(milliseconds: int) -> datetime:
    """A broker's append time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
