"""What the log itself says about streams and records, compared with what it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import assert_never

from sanyuan.client.verify.findings import Finding, Grade
from sanyuan.client.verify.seals import START, Stream
from sanyuan.common.contracts.log import Digest, Equivocation, Gap, GapClosed


def judge_statement(
    index: int,
    message: Gap | GapClosed | Equivocation | Digest,
    heads: Mapping[Stream, tuple[int, str]],
    gaps: MutableMapping[tuple[str, str, int], int],
) -> Iterator[Finding]:
    """Judge a leaf of audit's own; `heads` are the streams before it, `gaps` is kept up to date."""
    match message:
        case Gap():
            last, _ = heads.get((message.source, message.topic), START)
            if not last + 1 == message.expected <= message.seen:
                yield _misstated(index, message, f"a gap after {last} is stated")
            gaps[message.source, message.topic, message.expected] = index
        case GapClosed():
            last, _ = heads.get((message.source, message.topic), START)
            opened = gaps.pop((message.source, message.topic, message.expected), None)
            if opened != message.gap or last < message.expected:
                yield _misstated(index, message, f"a gap closes, the stream is at {last}")
        case Equivocation():
            yield Finding(
                Grade.NOTICE,
                "the source signed two records for one place; the first one was taken",
                index=index,
                source=message.source,
                topic=message.topic,
                sequence=message.sequence,
                expected=message.first,
                found=message.second,
            )
        case Digest():
            what = (
                f"{message.count} records of partition {message.partition}, offsets "
                f"{message.first_offset} to {message.last_offset}, were not authentic: "
                f"{message.reason}"
            )
            yield Finding(
                Grade.NOTICE, what, index=index, topic=message.topic, found=message.digest
            )
        case _:
            assert_never(message)


def _misstated(index: int, message: Gap | GapClosed, what: str) -> Finding:
    return Finding(
        Grade.FORGED,
        what,
        index=index,
        source=message.source,
        topic=message.topic,
        sequence=message.expected,
    )
