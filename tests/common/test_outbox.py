"""The outbox: contiguous, chained, signed rows that a restart and a rollback cannot tear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.conftest import FOOD, TAX, envelope_of, readable, signing

from sanyuan.common.database import Database
from sanyuan.common.envelope import MAX_VALUE_BYTES, ZERO_HASH, EnvelopeError, hash_value
from sanyuan.common.outbox import (
    Draft,
    Outbox,
    Row,
    load_from,
    mark_acknowledged,
    pack_headers,
    size_bytes,
    trim,
    unconfirmed,
    unpack_headers,
)
from sanyuan.common.partition import partition_of
from sanyuan.common.record import RawRecord, verify
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES, SealingError
from sanyuan.common.streams import START

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

TOPIC = "identity-commands"
STREAM = (FOOD, TOPIC)


def draft(
    source: str = FOOD,
    topic: str = TOPIC,
    *,
    text: str = "x",
    sealed: Mapping[str, bytes] | None = None,
) -> Draft:
    return Draft(
        key=signing(source),
        domain="cn",
        topic=topic,
        type="identity.revoke-assertion.v1",
        data={"jti": "0" * 32, "text": text},
        time="2026-11-23T02:17:00.123456Z",
        case="case",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        sealed=sealed or {},
    )


def append(database: Database, outbox: Outbox, *drafts: Draft) -> list[Row]:
    return database.run(lambda connection: outbox.append(connection, drafts))


def test_rows_of_a_stream_are_contiguous_and_chained(database: Database) -> None:
    outbox = Outbox()
    rows = append(database, outbox, draft(), draft(TAX), draft(), draft(topic="calls"))
    rows += append(database, outbox, draft(), draft(TAX))
    mine = [row for row in rows if row.stream == STREAM]
    assert [row.sequence for row in mine] == [1, 2, 3]
    expected = [ZERO_HASH, *(row.hash for row in mine)][:-1]
    assert [envelope_of(row).previous for row in mine] == expected
    assert all(row.hash == hash_value(row.value) for row in rows)


def test_a_row_is_the_authentic_record_that_a_reader_will_read(database: Database) -> None:
    (row,) = append(database, Outbox(), draft(sealed={"subject": b"\x00\n\xff"}))
    key = row.source.encode()
    raw = RawRecord(TOPIC, partition_of(key, 12), 0, 0, key, row.value, row.headers)
    record = readable(raw)
    assert verify(record, signing(FOOD).verifier) is None
    assert record.sealed == {"subject": b"\x00\n\xff"}
    assert record.traceparent
    assert record.envelope.id == row.id


def test_a_restart_goes_on_at_the_head(database: Database) -> None:
    (first,) = append(database, Outbox(), draft())
    (second,) = append(database, Outbox(), draft())
    assert (second.sequence, envelope_of(second).previous) == (2, first.hash)


def test_after_a_rollback_and_forget_heads_are_what_was_committed(database: Database) -> None:
    outbox = Outbox()
    (first,) = append(database, outbox, draft())

    def fail(connection: Connection) -> None:
        outbox.append(connection, [draft(), draft()])
        raise KeyError

    with pytest.raises(KeyError):
        database.run(fail)
    outbox.forget()
    (second,) = append(database, outbox, draft())
    assert (second.sequence, envelope_of(second).previous) == (2, first.hash)


def test_a_value_that_is_too_large_is_refused_before_anything_is_written(
    database: Database,
) -> None:
    outbox = Outbox()
    with pytest.raises(EnvelopeError):
        append(database, outbox, draft(), draft(text="x" * MAX_VALUE_BYTES))
    outbox.forget()
    assert database.run(lambda c: outbox.head(c, STREAM)) == START


def test_attachments_that_no_reader_would_take_are_refused(database: Database) -> None:
    half = bytes(MAX_ATTACHMENT_BYTES // 2)
    append(database, Outbox(), draft(sealed={"a": half, "b": half}))
    with pytest.raises(SealingError):
        append(database, Outbox(), draft(sealed={"a": half, "b": half + b"x"}))


def test_unconfirmed_is_the_first_row_without_an_offset(database: Database) -> None:
    outbox = Outbox()
    append(database, outbox, draft(), draft(), draft(), draft(TAX))
    database.run(lambda c: mark_acknowledged(c, {(FOOD, TOPIC, 1): 10, (FOOD, TOPIC, 3): 12}))
    assert database.run(unconfirmed) == {STREAM: 2, (TAX, TOPIC): 1}


def test_what_is_loaded_is_what_was_appended(database: Database) -> None:
    rows = append(database, Outbox(), *(draft(text=str(number)) for number in range(5)))
    found = database.run(lambda c: load_from(c, STREAM, 3, 2))
    assert [(row.sequence, row.value, row.headers, row.hash) for row in found] == [
        (row.sequence, row.value, row.headers, row.hash) for row in rows[2:4]
    ]


def test_a_seal_removes_what_it_covers_and_never_the_head(database: Database) -> None:
    outbox = Outbox()
    append(database, outbox, draft(), draft(), draft(), draft(TAX))
    assert database.run(lambda c: trim(c, {STREAM: 2})) == 2
    left = database.run(lambda c: load_from(c, STREAM, 1, 10))
    assert [row.sequence for row in left] == [3]
    database.run(lambda c: trim(c, {STREAM: 3}))
    (after,) = append(database, Outbox(), draft())
    assert after.sequence == 4


def test_the_size_is_that_of_the_rows(database: Database) -> None:
    assert database.run(size_bytes) == 0
    (row,) = append(database, Outbox(), draft())
    assert database.run(size_bytes) == len(row.value) + len(pack_headers(row.headers))


@given(st.lists(st.tuples(st.text(min_size=1), st.binary(max_size=300)), max_size=6))
def test_headers_survive_their_column(headers: list[tuple[str, bytes]]) -> None:
    assert unpack_headers(pack_headers(headers)) == tuple(headers)
