"""The audit stream as server-sent events: each entry once, in order, once a checkpoint covers it.

Event `record`: `id` is the index; `data` is the entry, the record's signed note, verbatim but for
its final newline (entries hold no carriage returns, so the event's lines are the note's lines).
Event `checkpoint`: the signed note over everything sent before it, so that a reader who hashes what
it gets can compare roots. Every entry was proven against the checkpoint before it is sent. A reader
that comes again with `Last-Event-ID` goes on behind that entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from sanyuan.audit.announcing import Announcement
from sanyuan.audit.folder import LogFolder
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import WIDTH

RETRY: Final = b"retry: 1000\n\n"
HEARTBEAT: Final = b":\n\n"
HEARTBEAT_SECONDS: Final = 15.0


async def events(
    folder: LogFolder, announced: Announcement, start: int, heartbeat: float = HEARTBEAT_SECONDS
) -> AsyncGenerator[bytes, None]:
    """Yield the stream from entry `start` on, for ever; a comment now and then while idle.

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
        tiles = await asyncio.to_thread(_open, folder, head)
        while start < head.size:
            entries = await asyncio.to_thread(tiles.entries, start // WIDTH)
            fresh = entries[start % WIDTH :]
            yield b"".join(event(b"record", each, at) for at, each in enumerate(fresh, start))
            start += len(fresh)
        yield event(b"checkpoint", note)


def event(kind: bytes, note: bytes, index: int | None = None) -> bytes:
    """Return one event; `note` ends in a newline, which the event's data does not have."""
    name = b"" if index is None else b"id: %d\n" % index
    lines = note.removesuffix(b"\n").split(b"\n")
    return b"event: %s\n%s%s\n" % (kind, name, b"".join(b"data: %s\n" % each for each in lines))


def _open(folder: LogFolder, head: Checkpoint) -> AuthenticTiles:
    return AuthenticTiles(folder.read_grown, head, str(folder.path))
