"""The newest published checkpoint, told to whoever waits for it: followers and witnesses.

Nobody who waits can hold up the publication: telling wakes tasks and never waits for them.
"""

from __future__ import annotations

import asyncio

from sanyuan.common.tlog.checkpoint import Checkpoint


class EndedError(Exception):
    """The log is closed, and the caller has seen all of it."""


class Announcement:
    """One log's newest checkpoint; used from the event loop only."""

    def __init__(self) -> None:
        self.head: Checkpoint | None = None
        self.note = b""
        """`head`, signed by the log."""
        self.ended = False
        """Whether the log is closed, and all of it told."""
        self._told = asyncio.Event()

    def end(self) -> None:
        """Say that this log has ended: nobody need wait for more of it."""
        self.ended = True
        self._told.set()

    def tell(self, head: Checkpoint, note: bytes) -> None:
        """Take a newer checkpoint and wake everybody."""
        self.head, self.note = head, note
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def beyond(self, size: int) -> tuple[Checkpoint, bytes]:
        """Wait for a tree of more than `size` leaves; return its checkpoint and the signed note.

        Raises EndedError when there will be none.
        """
        while self.head is None or self.head.size <= size:
            if self.ended:
                raise EndedError
            await self._told.wait()
        return self.head, self.note
