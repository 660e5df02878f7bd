"""What an inbox has lost to its topic's retention comes from the log (design §3).

Each record is proven to be in the log and then judged like any other: signature, key, place. Its
attachments are gone with the topic's record. Who waits is told; nothing of an inbox whose topic has
lost nothing is ever asked for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, cast

import httpx
import structlog

from sanyuan.client.inbox.kept import FROM_THE_LOG
from sanyuan.client.verify.looking import Seen, look_back
from sanyuan.client.verify.source import (
    CHECKPOINT,
    LogSource,
    SourceError,
    open_source,
    read_tile,
)
from sanyuan.common.contracts.log import CarriedOver
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.logkeys import verifier_for, year_of
from sanyuan.common.notes import VerifierKey
from sanyuan.common.outbox import Stream
from sanyuan.common.receipts import ask_heads
from sanyuan.common.record import SIGNATURE, RawRecord, Record
from sanyuan.common.streams import Position
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint

RETRY_SECONDS: Final = 5.0
AT_ONCE: Final = 5_000
"""Records of a stream that are fetched together."""
YEAR_SHIFT: Final = 44
"""Each year's indices count from 0: the year before them keeps places apart, and in order."""

log = structlog.get_logger()
Starts = Callable[[set[str]], Awaitable[Mapping[str, int]]]
"""Inboxes → the first offset that the broker still has of each."""


class Older:
    """Fetches what lies between a stream's place and records that came ahead of it."""

    def __init__(self, systems: Sequence[SystemFile], starts: Starts) -> None:
        self._by_inbox = {system.inbox: system for system in systems if system.inbox}
        self._starts = starts

    async def fetch(
        self, ahead: Sequence[Record], places: Mapping[Stream, Position]
    ) -> list[RawRecord]:
        """What the log has of the missing records, in its order; empty when it has not the next.

        Waits for audit where the topic has lost records.
        """
        starts = await self._starts({record.raw.topic for record in ahead})
        found: list[RawRecord] = []
        for topic in sorted(topic for topic, start in starts.items() if start):
            own = [record for record in ahead if record.raw.topic == topic]
            found += await self._fetch(self._by_inbox[topic], own, places)
        return found

    async def logged(self, inbox: str, senders: Iterable[str]) -> dict[Stream, int]:
        """How far the log goes in the streams of ``senders`` in an inbox; waits for audit."""
        system = self._by_inbox[inbox]
        found: dict[Stream, int] = {}
        for sender in sorted(senders):
            stream = (sender, inbox)
            while stream not in found:
                try:
                    found[stream] = await _logged(system, stream)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    await _wait(system, error)
        return found

    async def fetch_places(
        self, inbox: str, wanted: Mapping[Stream, tuple[int, int]]
    ) -> list[RawRecord]:
        """The records after the first and up to the second place of each stream; waits for audit.

        At most `AT_ONCE` of each.
        """
        system = self._by_inbox[inbox]
        numbers = {
            stream: set(range(place + 1, min(last, place + AT_ONCE) + 1))
            for stream, (place, last) in wanted.items()
        }
        while True:
            try:
                seen = await asyncio.to_thread(search, system, numbers)
            except SanyuanError as error:
                await _wait(system, error)
            else:
                return [_raw(system, each) for each in seen]

    async def _fetch(
        self, system: SystemFile, ahead: Sequence[Record], places: Mapping[Stream, Position]
    ) -> list[RawRecord]:
        numbers: dict[Stream, set[int]] = defaultdict(set)
        for record in ahead:
            numbers[record.stream].add(record.envelope.number)
        while True:
            try:
                wanted: dict[Stream, set[int]] = {}
                for stream, there in numbers.items():
                    last = await _logged(system, stream)
                    if missing := _missing(places[stream].sequence, there, last):
                        wanted[stream] = missing
                if not wanted:
                    return []
                seen = await asyncio.to_thread(search, system, wanted)
            except (SanyuanError, httpx.HTTPError, httpx.InvalidURL) as error:
                await _wait(system, error)
            else:
                log.warning("records have expired unread", inbox=system.inbox, fetched=len(seen))
                return [_raw(system, each) for each in seen]


async def _wait(system: SystemFile, error: Exception) -> None:
    what = f"{type(error).__name__}: {error}"
    log.warning("the inbox waits for audit", inbox=system.inbox, error=what)
    await asyncio.sleep(RETRY_SECONDS)


def _missing(place: int, there: set[int], logged: int) -> set[int]:
    """The places before those that came; none when the log has not reached the first of them."""
    if logged < min(there) - 1:
        return set()
    end = min(max(there), place + 1 + AT_ONCE, logged + 1)
    return {number for number in range(place + 1, end) if number not in there}


async def _logged(system: SystemFile, stream: Stream) -> int:
    heads = await ask_heads(system.urls.get("audit", ""), stream[0], system.domain)
    found = heads.get(stream)
    return 0 if found is None else found.sequence


def search(system: SystemFile, wanted: Mapping[Stream, set[int]]) -> list[Seen]:
    """These records from the log at ``urls.audit`` and those of earlier years, proven, in order.

    Raises SourceError, NoteError, ForgedLogError and TileError.
    """
    left = {
        (source, f"{system.domain}/{topic}", number)
        for (source, topic), numbers in wanted.items()
        for number in numbers
    }
    found: list[Seen] = []
    with open_source(f"{system.urls.get('audit', '').rstrip('/')}/log", system) as source:
        key, year = VerifierKey.parse(system.log_key), cast("LogSource | None", source)
        while year is not None and left:
            tiles = _open(year, key)
            base = (year_of(tiles.head.origin) or 0) << YEAR_SHIFT
            here = list[Seen]()
            for seen in look_back(tiles, lambda: {number for _, _, number in left}):
                place = (*seen.leaf.stream, seen.leaf.envelope.number)
                if place in left:
                    left.discard(place)
                    here.append(seen._replace(at=base + seen.at))
            found = sorted(here) + found
            year = _year_before(source, tiles) if left else None
    return found


def _open(source: LogSource, key: VerifierKey) -> AuthenticTiles:
    note = source.read(CHECKPOINT)
    if note is None:
        raise SourceError("the log has no checkpoint", where=source.name)
    head = Checkpoint.open(note, keys=[verifier_for(key, note)])
    return AuthenticTiles(partial(read_tile, source), head, source.name)


def _year_before(source: LogSource, tiles: AuthenticTiles) -> LogSource | None:
    """The log that this one was carried over from; None for the first."""
    first = parse_leaf(tiles.entries(0)[0]).envelope
    year = year_of(str(first.data.get("log"))) if first.type == CarriedOver.TYPE else None
    return None if year is None else source.year(year)


def _raw(system: SystemFile, seen: Seen) -> RawRecord:
    """As the broker would bring it, without attachments, at an offset of its own."""
    value, _, line = seen.entry.partition(b"\n\n")
    return RawRecord(
        topic=system.inbox or "",
        partition=0,
        offset=FROM_THE_LOG + seen.at,
        timestamp_ms=0,
        key=seen.leaf.envelope.source.encode(),
        value=value,
        headers=[(SIGNATURE, line.removesuffix(b"\n"))],
    )
