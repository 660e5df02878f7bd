"""The audit stream as server-sent events: each entry once, in order, once a checkpoint covers it.

Event `record`: `id` is the index; `data` is the entry, the record's signed note, verbatim but for
its final newline (entries hold no carriage returns, so the event's lines are the note's lines).
Event `checkpoint`: the signed note over everything sent before it, so that a reader who hashes what
it gets can compare roots. Every entry was proven against the checkpoint before it is sent. A reader
that comes again with `Last-Event-ID` goes on behind that entry.
Event `withheld` stands for an entry whose bytes are gone: `data` is its leaf hash, hexadecimal.
What a reader may not see is left out: the ids of its events have gaps, the checkpoint covers all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from sanyuan.audit.announcing import Announcement, EndedError
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.reading import MayRead
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import BLANK, WIDTH

RETRY: Final = b"retry: 1000\n\n"
HEARTBEAT: Final = b":\n\n"
HEARTBEAT_SECONDS: Final = 15.0


async def events(
    folder: LogFolder,
    announced: Announcement,
    start: int,
    check: MayRead | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[bytes, None]:
    """Yield the stream from entry `start` to the log's end; a comment now and then while idle.

    With `check`, only entries that pass it.

    Raises SanyuanError when the folder does not hold what its checkpoint says.
    """
    yield RETRY
    while True:
        try:
            async with asyncio.timeout(heartbeat):
                head, note = await announced.beyond(start)
        except TimeoutError:
            yield HEARTBEAT
            continue
        except EndedError:
            return
        tiles = await asyncio.to_thread(_open, folder, head)
        while start < head.size:
            chunk = await asyncio.to_thread(_chunk, tiles, start, check)
            yield chunk
            start = min(head.size, (start // WIDTH + 1) * WIDTH)
        yield event(b"checkpoint", note)


def event(kind: bytes, note: bytes, index: int | None = None) -> bytes:
    """Return one event; `note` ends in a newline, which the event's data does not have."""
    name = b"" if index is None else b"id: %d\n" % index
    lines = note.removesuffix(b"\n").split(b"\n")
    return b"event: %s\n%s%s\n" % (kind, name, b"".join(b"data: %s\n" % each for each in lines))


def _chunk(tiles: AuthenticTiles, start: int, check: MayRead | None) -> bytes:
    """The events of one bundle from `start` on."""
    fresh = tiles.entries(start // WIDTH)[start % WIDTH :]
    return b"".join(
        _entry(tiles, at, entry)
        for at, entry in enumerate(fresh, start)
        if check is None or check(entry)
    )


def _entry(tiles: AuthenticTiles, index: int, entry: bytes) -> bytes:
    if entry == BLANK:
        return event(b"withheld", tiles.leaf_hash(index).hex().encode(), index)
    return event(b"record", entry, index)


def _open(folder: LogFolder, head: Checkpoint) -> AuthenticTiles:
    return AuthenticTiles(folder.read_grown, head, str(folder.path))
