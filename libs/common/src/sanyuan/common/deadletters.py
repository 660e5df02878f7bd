"""Dead letters: what was not taken, counted and fixed by a digest, never content (design §3)."""

import hashlib
from collections.abc import Iterable
from itertools import groupby

from sanyuan.common.contracts.dead_letters import DeadLetter
from sanyuan.common.record import RawRecord, Rejection


def digest(raws: Iterable[RawRecord]) -> str:
    """Hex SHA-256 over the SHA-256 of each raw value (empty for a null), in the given order."""
    whole = hashlib.sha256()
    for raw in raws:
        whole.update(hashlib.sha256(raw.value or b"").digest())
    return whole.hexdigest()


def dead_letters(service: str, rejections: Iterable[Rejection]) -> list[DeadLetter]:
    """One per topic, partition and reason, in that order."""
    ordered = sorted(
        rejections, key=lambda r: (r.raw.topic, r.raw.partition, r.reason, r.raw.offset)
    )
    letters = []
    for (topic, partition, reason), group in groupby(
        ordered, key=lambda r: (r.raw.topic, r.raw.partition, r.reason)
    ):
        members = list(group)
        letters.append(
            DeadLetter(
                service=service,
                topic=topic,
                partition=partition,
                reason=reason,
                first_offset=members[0].raw.offset,
                last_offset=members[-1].raw.offset,
                count=len(members),
                digest=digest(member.raw for member in members),
                detail=members[0].detail,
            )
        )
    return letters
