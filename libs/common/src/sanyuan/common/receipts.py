"""Seals as receipts: what the log has of one's own streams (design §3, §8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
from pydantic import ValidationError

from sanyuan.common.contracts.log import Sealed
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import EnvelopeError, decode
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import NoteError, parse_signature
from sanyuan.common.outbox import Stream
from sanyuan.common.record import SIGNATURE, RawRecord
from sanyuan.common.streams import Position

SEALS: Final = "audit-seals"
ASK_SECONDS: Final = 5.0


class RestoredBackupError(SanyuanError):
    """The log has more of a stream than its own producer: going on would fork it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one seal part says about some streams, and how far the log has read.

    Positions stand in the first part: they count once the last one was read.
    """

    covered: Mapping[Stream, Position]
    positions: Mapping[tuple[str, int], int] = field(default_factory=dict)
    is_last: bool = True


def read_receipt(raw: RawRecord, directory: Directory) -> Receipt | None:
    """Parse and verify a record of ``audit-seals``; None when it is not audit's own."""
    audit = directory.by_name.get("audit")
    founding = directory.founding
    if audit is None or founding is None or raw.value is None:
        return None
    line = dict(raw.headers).get(SIGNATURE) or b""
    try:
        envelope = decode(raw.value)
        text = line.decode()
        key = audit.keys.get(parse_signature(text)[1])
        if key is None or (envelope.source, envelope.topic) != (
            audit.source,
            f"{founding.domain}/log",
        ):
            return None
        key.verify(raw.value + b"\n", text)
        return _receipt(Sealed.model_validate(envelope.data), founding.domain)
    except (EnvelopeError, NoteError, UnicodeDecodeError, ValidationError):
        return None


def _receipt(sealed: Sealed, domain: str) -> Receipt:
    prefix = f"{domain}/"
    return Receipt(
        covered={
            (source, topic.removeprefix(prefix)): Position(last, head)
            for source, topic, _first, last, head in sealed.rows
        },
        positions={
            (topic, int(partition)): offset
            for topic, partitions in sealed.positions.items()
            for partition, offset in partitions.items()
        },
        is_last=sealed.part == sealed.parts,
    )


async def ask_heads(url: str, source: str, domain: str) -> dict[Stream, Position]:
    """The heads that the log has of a source, by audit's ``GET /streams``; raises httpx.HTTPError.

    Not signed: good enough to refuse to run, never to forget a row.
    """
    async with httpx.AsyncClient(timeout=ASK_SECONDS) as client:
        answer = await client.get(f"{url}/streams", params={"source": source})
        answer.raise_for_status()
    return {
        (source, row["topic"].removeprefix(f"{domain}/")): Position(row["last"], row["head"])
        for row in answer.json()["streams"]
    }


def check_not_ahead(stream: Stream, sealed: Position, own: Position) -> None:
    """Raises RestoredBackupError when the log has what this producer does not remember."""
    if sealed.sequence > own.sequence or (
        sealed.sequence == own.sequence and sealed.hash != own.hash
    ):
        raise RestoredBackupError(
            f"the log has {sealed.sequence} records of this stream, the outbox only {own.sequence},"
            " or others: its database is an old copy",
            where=f"{stream[0]} in {stream[1]}",
            do="go on as a new source with: sanyuan recover; never send from this database again",
        )
