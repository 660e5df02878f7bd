"""Where the newest checkpoint may be found: the folder, the topic, and what witnesses remember.

The start takes the newest of all, so that a log whose folder and broker were both put back to an
old state does not go on from there while a witness knows better.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import FoundNote
from sanyuan.audit.publisher import CHECKPOINTS
from sanyuan.audit.witnesses import notes_of_witnesses
from sanyuan.common.errors import SanyuanError
from sanyuan.common.kafka import start_consumer, stop_consumer
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.policy import Policy

HISTORY_SECONDS: Final = 5.0
LAST_NOTES: Final = 16


class UnknownHistoryError(SanyuanError):
    """What was published before cannot be asked for."""


async def published_notes(
    system: SystemFile, folder: LogFolder, key: VerifierKey, policy: Policy | None
) -> list[FoundNote]:
    """Return signed notes, the newest checkpoint of the log among them; key and log share a name.

    They may be of several years: the log may have gone on in a newer one.

    Witnesses that cannot be reached are left out: the log must be able to go on without them.
    Raises UnknownHistoryError when the topic does not answer: nobody goes on without it.
    """
    try:
        notes = [*folder.notes(), *await _notes_in_topic(system, key.name)]
    except (KafkaError, TimeoutError) as error:
        raise UnknownHistoryError(
            f"the last checkpoints cannot be read: {type(error).__name__}",
            where=CHECKPOINTS,
            do="start the broker: the log only goes on from its newest checkpoint",
        ) from error
    if policy is not None:
        notes += await notes_of_witnesses(policy, key)
    return notes


async def _notes_in_topic(system: SystemFile, origin: str) -> list[FoundNote]:
    """Return the last few records of `audit-checkpoints` that are of the domain's logs.

    Behind the newest checkpoint there may be cosigned ones that are older, one a round at most.
    """
    prefix = origin.rpartition("/")[0] + "/"
    consumer = await start_consumer(system)
    try:
        partition = TopicPartition(CHECKPOINTS, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        start = (await consumer.beginning_offsets([partition]))[partition]
        at = max(start, end - LAST_NOTES)
        consumer.seek(partition, at)
        notes: list[FoundNote] = []
        async with asyncio.timeout(HISTORY_SECONDS):
            while at < end:
                record = await consumer.getone(partition)
                at = record.offset + 1
                if record.key and record.key.startswith(prefix.encode()) and record.value:
                    where = f"{CHECKPOINTS} offset {record.offset}"
                    notes.append(FoundNote(where, record.value))
        return notes
    finally:
        await stop_consumer(consumer)
