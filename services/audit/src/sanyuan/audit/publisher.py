"""Publication: tiles, then the checkpoint, then the receipts; each durable before the next.

A checkpoint is signed only if the tiles on disk make its root and extend the newest published one.
If the process ends anywhere in here, the start does the rest again from the committed leaves: tiles
are the same bytes, a checkpoint of the same size has the same root, seals are sent again verbatim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from sanyuan.audit.folder import LogFolder
from sanyuan.audit.growth import Files
from sanyuan.audit.heads import ForkError, told
from sanyuan.audit.store import Part
from sanyuan.common.failpoints import failpoint
from sanyuan.common.kafka import start_producer, stop_producer
from sanyuan.common.notes import NoteError, SigningKey
from sanyuan.common.record import SIGNATURE
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import Tile

CHECKPOINTS: Final = "audit-checkpoints"
SEALS: Final = "audit-seals"
RETRY_SECONDS: Final = 0.5

log = structlog.get_logger()
T = TypeVar("T")


class Sending(Protocol):
    """Where publications go."""

    async def send(
        self, topic: str, key: bytes, values: Sequence[tuple[bytes, list[tuple[str, bytes]]]]
    ) -> None:
        """Send values with their headers, in order; acknowledged once this returns."""


class Sender:
    """Sends to the broker until it has it: what is sent may be sent twice, never lost."""

    def __init__(self, system: SystemFile) -> None:
        self._system = system
        self._producer: AIOKafkaProducer | None = None

    async def send(
        self, topic: str, key: bytes, values: Sequence[tuple[bytes, list[tuple[str, bytes]]]]
    ) -> None:
        """Send values with their headers, in order; acknowledged once this returns."""
        while True:
            try:
                producer = self._producer = self._producer or await start_producer(self._system)
                sent = [
                    await producer.send(topic, value, key=key, headers=headers)
                    for value, headers in values
                ]
                await asyncio.gather(*sent)
            except KafkaError as error:
                log.warning("sending failed", topic=topic, error=type(error).__name__)
                await self.stop()  # a fresh one: an idempotent producer may stick (fact 14)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)


class Publisher:
    """Publishes one log; `published` is its newest checkpoint."""

    def __init__(
        self, folder: LogFolder, key: SigningKey, sender: Sending, published: Checkpoint
    ) -> None:
        self._folder = folder
        self._key = key
        self._sender = sender
        self._note = folder.checkpoint()
        self._full: list[Tile] = []
        self._turn = asyncio.Lock()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="log-folder")
        self.published = published

    def close(self) -> None:
        """Finish what is being written: nothing of this publisher is written afterwards."""
        self._disk.shutdown(cancel_futures=True)

    @property
    def key(self) -> SigningKey:
        """The log's key, by its origin."""
        return self._key

    @property
    def folder(self) -> LogFolder:
        """Where the log's files are."""
        return self._folder

    @property
    def note(self) -> bytes:
        """The signed note of `published`; empty before the first."""
        return self._note or b""

    async def begin(self, parts: Sequence[Part]) -> None:
        """Send the newest checkpoint and seal again: their topics may have lost them."""
        async with self._turn:
            await self._begin(parts)

    async def _begin(self, parts: Sequence[Part]) -> None:
        if self.published.size == 0:
            return
        if self._note is None or self._head_of(self._note) != self.published:
            self._note = self.published.sign([self._key])
            await self._on_disk(self._folder.write_checkpoint, self._note)
        await self._send_checkpoint(self._note)
        await self._send_parts([part for part in parts if part.leaf < self.published.size])

    async def publish(self, head: Checkpoint, files: Files, parts: Sequence[Part]) -> None:
        """Publish `head` over committed leaves; raises ForkError before signing another history."""
        async with self._turn:
            await self._publish(head, files, parts)

    async def publish_cosigned(self, head: Checkpoint, note: bytes) -> None:
        """Publish a checkpoint of ours with the cosignatures of a quorum.

        It lies in a file of its own; while it is the newest, `checkpoint` has the cosignatures too.
        """
        async with self._turn:
            await self._on_disk(self._check_alone)
            await self._on_disk(self._folder.write_cosigned, note)
            if head.agrees_with(self.published):
                await self._on_disk(self._folder.write_checkpoint, note)
                self._note = note
            await self._send_checkpoint(note)

    async def _publish(self, head: Checkpoint, files: Files, parts: Sequence[Part]) -> None:
        await self._on_disk(self._folder.write_tiles, files)
        failpoint("audit.after-tiles")
        note = await self._on_disk(self._sign, head)
        await self._on_disk(self._folder.write_checkpoint, note)
        self._note, self.published = note, head
        failpoint("audit.after-checkpoint-file")
        await self._send_checkpoint(note)
        failpoint("audit.after-checkpoint-topic")
        await self._send_parts(parts)
        failpoint("audit.after-seals")
        full, self._full = self._full, [tile for tile, _ in files if tile.full]
        # One publication later: whoever reads by the last checkpoint has had time.
        await self._on_disk(self._folder.drop_partials, full)

    async def _on_disk(self, work: Callable[..., T], *given: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *given)

    def _sign(self, head: Checkpoint) -> bytes:
        self._check_alone()
        tiles = AuthenticTiles(self._folder.read, head, str(self._folder.path))
        if not tiles.extends(self.published):
            raise ForkError(
                f"the log of {told(head)}, does not extend the published one of "
                f"{told(self.published)}",
                where=str(self._folder.path),
                do="keep the folder as it is and compare it with a copy: its tiles were changed",
            )
        return head.sign([self._key])

    def _check_alone(self) -> None:
        """Raise ForkError unless the folder's checkpoint is the one that was written last."""
        note = self._folder.checkpoint()
        if note == self._note:
            return
        try:
            there = told(self._head_of(note)) if note else "none"
        except NoteError as error:
            there = f"one that is not this log's ({error})"
        raise ForkError(
            f"somebody else wrote this log's checkpoint: there is {there}, after ours of "
            f"{told(self.published)}",
            where=str(self._folder.path),
            do="see which process it is: one log has one writer",
        )

    def _head_of(self, note: bytes) -> Checkpoint:
        return Checkpoint.open(note, origin=self._key.name, keys=[self._key.verifier])

    async def _send_checkpoint(self, note: bytes) -> None:
        await self._sender.send(CHECKPOINTS, self._key.name.encode(), [(note, [])])

    async def _send_parts(self, parts: Sequence[Part]) -> None:
        key = self._key.name.encode()
        values = [(part.value, [(SIGNATURE, part.signature.encode())]) for part in parts]
        await self._sender.send(SEALS, key, values)
