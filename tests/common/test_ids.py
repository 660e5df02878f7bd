"""Ids and times as records carry them."""

import time
import uuid
from datetime import UTC, datetime, timedelta, timezone

from sanyuan.common.envelope import decode, encode
from sanyuan.common.ids import format_time, new_case, new_id, time_of


def test_an_id_is_a_lower_case_uuid_of_version_7() -> None:
    before = time.time_ns() // 1_000_000
    text = new_id()
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_are_unique_and_fit_an_envelope() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
    fields = {
        "specversion": "1.0",
        "source": "//cn/services/identity",
        "type": "identity.tick.v1",
        "time": format_time(datetime.now(UTC)),
        "topic": "cn/identity-commands",
        "sequence": f"{1:020d}",
        "previous": "0" * 64,
        "correlationid": new_case(),
        "data": {},
    }
    assert all(decode(encode(fields | {"id": text})).id == text for text in ids[:100])


def test_ids_use_all_their_74_random_bits() -> None:
    seen = 0
    for _ in range(500):
        seen |= uuid.UUID(new_id()).int
    random_bits = (0xFFF << 64) | 0x3FFF_FFFF_FFFF_FFFF
    assert seen & random_bits == random_bits


def test_a_case_says_nothing_about_when_it_was_opened() -> None:
    assert len({new_case()[:8] for _ in range(100)}) > 90


def test_times_are_utc_with_microseconds() -> None:
    beijing = timezone(timedelta(hours=8))
    moment = datetime(2026, 11, 23, 10, 17, 0, 123456, beijing)
    assert format_time(moment) == "2026-11-23T02:17:00.123456Z"
    assert format_time(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"
    assert format_time(time_of(1_800_000_000_123)) == "2027-01-15T08:00:00.123000Z"
