"""Reading partitions that may hold what the client library cannot parse (faststream.md, fact 21).

A header name that is not UTF-8 makes aiokafka raise while it iterates, for ever, and other
partitions starve. So: own positions; on such an error each partition is read one record at a time,
and an offset that does not read becomes a record without key, value and headers, which every reader
rejects as unreadable.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

FETCH_WAIT_MS: Final = 250
"""How long the broker keeps a fetch that finds nothing."""
REFILL_MS: Final = FETCH_WAIT_MS + 50
"""The fetch that is under way comes back first."""
MAX_STEPS: Final = 500

log = structlog.get_logger()

Records = list["ConsumerRecord[bytes | None, bytes | None]"]
Positions = Callable[[], Mapping[TopicPartition, int]]


class Pace:
    """Lets records gather at the broker between two reads; after a silence, the next comes at once.

    A batch costs milliseconds whatever its size, at every hop. Between two reads everything is
    paused: the broker looks at all partitions of a fetch that waits whenever one of them grows,
    which cost it more than the records (faststream.md, fact 27). A consumer for this has
    ``fetch_max_wait_ms=FETCH_WAIT_MS`` and no least size.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0

    async def read_many(
        self, consumer: AIOKafkaConsumer, positions: Positions, *, max_records: int
    ) -> Records:
        """`read_many`, when it is due; nothing when nothing comes meanwhile."""
        await asyncio.sleep(self._due - time.monotonic())
        consumer.resume(*consumer.assignment())
        runs = await _read_runs(
            consumer, positions, timeout_ms=FETCH_WAIT_MS, max_records=max_records
        )
        records = list(chain.from_iterable(runs))
        if records and len(records) < max_records and not _has_more(consumer, runs):
            consumer.pause(*consumer.assignment())
            self._due = time.monotonic() + self._seconds
        return records


async def read_many(
    consumer: AIOKafkaConsumer, positions: Positions, *, timeout_ms: int, max_records: int
) -> Records:
    """The next records of all assigned partitions, in order within each.

    ``positions`` gives the next offset that the caller has not handled yet: where reading starts
    again after an error. Raises KafkaError only.
    """
    runs = await _read_runs(consumer, positions, timeout_ms=timeout_ms, max_records=max_records)
    return list(chain.from_iterable(runs))


def _has_more(consumer: AIOKafkaConsumer, runs: Iterable[Records]) -> bool:
    """Whether the broker had more of these partitions than one fetch brings: a backlog."""
    assigned = consumer.assignment()
    ends = ((TopicPartition(run[-1].topic, run[-1].partition), run[-1].offset + 1) for run in runs)
    return any(
        partition in assigned and (consumer.highwater(partition) or 0) > end
        for partition, end in ends
    )


async def _read_runs(
    consumer: AIOKafkaConsumer, positions: Positions, *, timeout_ms: int, max_records: int
) -> list[Records]:
    """`read_many`, by partition."""
    try:
        fetched = await consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
    except KafkaError:
        raise
    except Exception as error:  # noqa: BLE001  the parser raises whatever its input makes it raise
        log.warning("a record does not parse", error=type(error).__name__)
        return await _read_one_by_one(consumer, positions())
    return list(fetched.values())


async def _read_one_by_one(
    consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
) -> list[Records]:
    """Step over what does not parse; what parses around it is returned with it.

    Every partition starts again where the caller stands: what `getmany` had taken from others
    before it raised is lost otherwise. All wait together, so that an offender costs one wait.
    """
    partitions = sorted(consumer.assignment())
    for partition in partitions:
        consumer.seek(partition, positions.get(partition, 0))
    steps = [_step(consumer, partition) for partition in partitions]
    found: list[Records] = []
    outcomes = await asyncio.gather(*steps, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome:
            found.append(outcome)
    return found


async def _step(consumer: AIOKafkaConsumer, partition: TopicPartition) -> Records:
    """Read one partition up to its next offenders and over them, until it reads again."""
    found: Records = []
    over = False
    for _ in range(MAX_STEPS):
        position = await consumer.position(partition)
        try:
            fetched = await consumer.getmany(partition, timeout_ms=REFILL_MS, max_records=1)
        except KafkaError:
            raise
        except Exception:  # noqa: BLE001  see read_many
            consumer.seek(partition, position + 1)
            found.append(_unreadable(partition, position))
            over = True
            continue
        records = [record for records in fetched.values() for record in records]
        found += records
        if over or not records:
            return found
    return found


def _unreadable(
    partition: TopicPartition, offset: int
) -> "ConsumerRecord[bytes | None, bytes | None]":
    return ConsumerRecord(
        topic=partition.topic,
        partition=partition.partition,
        offset=offset,
        timestamp=int(time.time() * 1000),
        timestamp_type=1,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )
