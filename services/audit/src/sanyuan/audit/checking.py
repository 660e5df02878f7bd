"""Which records are authentic: every signature, on every core.

A key is judged by the `participants` records before the record; a record is called `unknown-key`
only after a catch-up on `participants` that began after it was read. Checking is pure and runs in
other processes: in threads, everything around a check would wait for one interpreter.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import pickle
from collections.abc import Awaitable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from sanyuan.audit.facts import Checked, Facts, Outcome
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Participants
from sanyuan.common.record import RawRecord, Record, Rejection, authenticate, read_all
from sanyuan.common.telemetry import is_sampled
from sanyuan.common.topics import topic_named
from sanyuan.common.workers import make_pool

CHUNK: Final = 250
"""Records that one process checks at a time."""
_NO_REFERENCES: Final = 2
"""Version of marshal's format that does not look for values that come twice."""
ALONE: Final = 1000
"""Up to so many are checked here: sending a record to another process and back costs more CPU than
it saves time, and while there are no more there is no backlog to work off."""


class Checker:
    """Checks batches for one domain, in `jobs` processes or, with one, in a thread."""

    def __init__(self, domain: str, jobs: int | None = None) -> None:
        self._domain = domain
        jobs = jobs or os.cpu_count() or 1
        self._pool: Executor = ThreadPoolExecutor(1) if jobs == 1 else make_pool(jobs, __name__)
        self._keys: tuple[Directory, bytes] | None = None

    def close(self) -> None:
        """Let the workers go."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def check(
        self, fresh: Sequence[RawRecord], raws: Sequence[RawRecord], participants: Participants
    ) -> asyncio.Task[Checked]:
        """Begin to check a batch; `fresh` are the records of `participants` that come before it.

        `participants` is moved over them before this returns, one by one: each is judged by those
        before it. So the next batch may begin while this one is checked, and they keep the cores
        busy between them.
        """
        checked = Checked()
        for raw in fresh:
            checked.add(raw, *check_all([raw], self._domain, participants.directory))
            participants.apply(raw)
        return asyncio.create_task(_collect(checked, raws, self._begin(raws, participants)))

    def _begin(
        self, raws: Sequence[RawRecord], participants: Participants
    ) -> list[Awaitable[list[Outcome]]]:
        directory, loop = participants.directory, asyncio.get_running_loop()
        if len(raws) <= ALONE:
            return [loop.run_in_executor(None, check_all, raws, self._domain, directory)]
        keys = self._keys_of(directory)
        return [self._elsewhere(raws[at : at + CHUNK], keys) for at in range(0, len(raws), CHUNK)]

    async def _elsewhere(self, raws: Sequence[RawRecord], keys: bytes) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        packed = marshal.dumps(list(zip(*raws, strict=True)))
        found = await loop.run_in_executor(self._pool, check_chunk, packed, self._domain, keys)
        return [outcome_of(each) for each in marshal.loads(found)]  # noqa: S302  made by `check_chunk`

    def _keys_of(self, directory: Directory) -> bytes:
        """Return the keys of a directory as they travel; the same bytes until it moves."""
        if self._keys is None or self._keys[0] is not directory:
            systems = {source: replace(each) for source, each in directory.systems.items()}
            self._keys = (directory, pickle.dumps(Directory(directory.pinned, systems=systems)))
        return self._keys[1]


async def _collect(
    checked: Checked, raws: Sequence[RawRecord], chunks: Sequence[Awaitable[list[Outcome]]]
) -> Checked:
    """Sort the outcomes in, in the order of the records."""
    outcomes = chain.from_iterable(await asyncio.gather(*chunks))
    for raw, outcome in zip(raws, outcomes, strict=True):
        checked.add(raw, outcome)
    return checked


def check_chunk(packed: bytes, domain: str, keys: bytes) -> bytes:
    """Check records against one directory's keys; runs anywhere.

    ``packed`` are the records' columns. Of what it returns, unpacked, `outcome_of` makes the
    outcomes. Both are plain values for a process of ours: marshal takes a third of pickle's time.
    """
    directory = _unpack(keys)
    columns = marshal.loads(packed)  # noqa: S302  made by `Checker`, in this program
    raws = [RawRecord._make(row) for row in zip(*columns, strict=True)]
    outcomes = check_all(raws, domain, directory)
    return marshal.dumps([tuple(each) for each in outcomes], _NO_REFERENCES)


def outcome_of(travelled: tuple[Any, ...]) -> Outcome:
    """Return what `check_all` has returned elsewhere."""
    if len(travelled) == len(Facts._fields):
        return Facts._make(travelled)
    reason, detail = travelled
    return reason, detail


def check_all(raws: Sequence[RawRecord], domain: str, directory: Directory) -> list[Outcome]:
    """Return each record's facts when it is authentic, else the one reason why not."""
    found = read_all(raws, domain=domain, partitions=_partitions_of)
    return [_outcome(each) for each in authenticate(found, directory)]


def _outcome(found: Record | Rejection) -> Outcome:
    if isinstance(found, Rejection):
        return found.reason, found.detail
    envelope, trace = found.envelope, found.traceparent
    return Facts(
        envelope.source,
        envelope.number,
        envelope.previous,
        found.hash,
        found.signature,
        trace if is_sampled(trace) else None,
    )


def _partitions_of(name: str) -> int:
    topic = topic_named(name)
    return topic.partitions if topic else 1


_known: tuple[bytes, Directory] | None = None


def _unpack(keys: bytes) -> Directory:
    """Keep the last directory: it changes seldom."""
    global _known  # noqa: PLW0603  one per process, replaced whole
    if _known is None or _known[0] != keys:
        _known = (keys, pickle.loads(keys))  # noqa: S301  made by `_keys_of`, in this program
    return _known[1]
