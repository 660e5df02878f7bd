"""Asks witnesses to cosign what was published (C2SP tlog-witness), beside everything else.

Invariants: publication and ingestion never wait for this, and nothing that a witness answers, or
does not answer, can end the service; a cosigned checkpoint is handed on only when the policy's
quorum is reached; a witness is asked one checkpoint at a time, always the newest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import httpx
import structlog

from sanyuan.audit.announcing import Announcement
from sanyuan.audit.folder import LogFolder
from sanyuan.audit.heads import FoundNote
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import Note, VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint, parse_size
from sanyuan.common.tlog.cosignature import (
    CosignerKey,
    is_cosignature_of,
    verify_cosignatures,
    with_signatures,
)
from sanyuan.common.tlog.merkle import consistency_proof
from sanyuan.common.tlog.policy import Policy, Witness
from sanyuan.common.tlog.tiles import nodes_of
from sanyuan.common.tlog.witnessing import (
    SIZE_TYPE,
    AddCheckpoint,
    origin_hash,
    parse_answer,
)

TIMEOUT_SECONDS: Final = 5.0
START_SECONDS: Final = 3.0
"""How long the start waits for what witnesses know."""
MAX_REST_SECONDS: Final = 60.0
MAX_ANSWER_BYTES: Final = 100_000

Prove = Callable[[int], Awaitable[Sequence[bytes]]]
"""Size -> consistency proof from there to the checkpoint in question."""
Publish = Callable[[Checkpoint, bytes], Awaitable[None]]

log = structlog.get_logger()


class WitnessError(SanyuanError):
    """A witness did not cosign."""


FAILURES: Final = (SanyuanError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""Whatever asking somebody else can end in; a timeout is an OSError."""


class Answer(NamedTuple):
    """An HTTP answer, read whole."""

    status: int
    kind: str | None
    body: bytes

    def known_size(self) -> int:
        """The size in a 409 answer; raises WitnessError."""
        size = parse_size(self.body.decode("latin-1").removesuffix("\n"))
        if size is None or self.kind != SIZE_TYPE:
            raise WitnessError("it says conflict, and not what it knows")
        return size


@dataclass
class Asker:
    """One witness; `size` is what it is thought to know."""

    witness: Witness
    client: httpx.AsyncClient
    size: int = 0
    failures: int = 0
    resting_until: float = 0.0

    async def ask(self, head: Checkpoint, note: bytes, prove: Prove) -> str | None:
        """Return the witness's signature line over `note`, None when it did not cosign."""
        try:
            line = await self._ask(head, note, prove)
        except FAILURES as error:
            self.failures += 1
            rest = min(MAX_REST_SECONDS, 2.0 ** min(self.failures, 10) / 2)
            self.resting_until = time.monotonic() + rest
            log.warning(
                "a witness did not cosign",
                witness=self.witness.key.name,
                error=str(error) or type(error).__name__,
                again_in_s=rest,
            )
            return None
        self.failures, self.size = 0, head.size
        return line

    async def _ask(self, head: Checkpoint, note: bytes, prove: Prove) -> str:
        answer = await self._post(head, note, prove)
        if answer.status == httpx.codes.CONFLICT:
            self.size = answer.known_size()
            answer = await self._post(head, note, prove)
        if answer.status != httpx.codes.OK:
            raise WitnessError(f"it answers {answer.status}: {answer.body[:200]!r}")
        key = self.witness.key
        lines = [line for line in parse_answer(answer.body) if is_cosignature_of(line, key)]
        if not lines:
            raise WitnessError("its answer has no cosignature of its key")
        verify_cosignatures(Note.parse(with_signatures(note, lines[:1])), [key])
        return lines[0]

    async def _post(self, head: Checkpoint, note: bytes, prove: Prove) -> Answer:
        if self.size > head.size:
            raise WitnessError(
                f"it knows a tree of {self.size} leaves, larger than ours of {head.size}",
                do="see whether an old state of this log was taken into service",
            )
        request = AddCheckpoint(self.size, tuple(await prove(self.size)), note)
        url = f"{(self.witness.url or '').rstrip('/')}/add-checkpoint"
        return await fetch(self.client, "POST", url, bytes(request))


@dataclass
class Witnesses:
    """The policy's witnesses that have a URL, asked in rounds at least `interval` seconds apart."""

    policy: Policy
    folder: LogFolder
    announced: Announcement
    publish: Publish
    interval: float
    client: httpx.AsyncClient = field(default_factory=lambda: make_client(TIMEOUT_SECONDS))
    askers: tuple[Asker, ...] = field(init=False)

    def __post_init__(self) -> None:
        having_url = [each for each in self.policy.witnesses.values() if each.url]
        self.askers = tuple(Asker(each, self.client) for each in having_url)

    async def run(self) -> None:
        """Ask for ever; when the quorum is not reached, again, also for the same checkpoint."""
        cosigned = 0
        while True:
            head, note = await self.announced.beyond(cosigned)
            started = time.monotonic()
            lines = await self.ask(head, note)
            if lines and self.policy.satisfied(lines):
                await self.publish(head, with_signatures(note, lines.values()))
                cosigned = head.size
            await asyncio.sleep(max(0.0, started + self.interval - time.monotonic()))

    async def ask(self, head: Checkpoint, note: bytes) -> dict[CosignerKey, str]:
        """One round: the signature lines by witness, as far as they came in time."""
        now = time.monotonic()
        awake = [each for each in self.askers if each.resting_until <= now]
        prove = self._prover(head)
        asked = {
            asyncio.create_task(each.ask(head, note, prove)): each.witness.key for each in awake
        }
        lines: dict[CosignerKey, str] = {}
        waiting, deadline = set(asked), now + TIMEOUT_SECONDS
        try:
            while waiting and (left := deadline - time.monotonic()) > 0:
                done, waiting = await asyncio.wait(
                    waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                lines |= {asked[each]: line for each in done if (line := each.result())}
                if self.policy.satisfied(lines):  # the others may still come within one interval
                    deadline = min(deadline, time.monotonic() + self.interval)
        finally:
            for each in waiting:
                each.cancel()
        return lines

    def _prover(self, head: Checkpoint) -> Prove:
        known: dict[int, list[bytes]] = {}

        async def prove(size: int) -> Sequence[bytes]:
            if size not in known:
                known[size] = await asyncio.to_thread(self._prove, size, head)
            return known[size]

        return prove

    def _prove(self, size: int, head: Checkpoint) -> list[bytes]:
        tiles = AuthenticTiles(self.folder.read_grown, head, str(self.folder.path))
        return consistency_proof(size, head.size, nodes_of(head.size, tiles.hashes))

    async def stop(self) -> None:
        """Disconnect."""
        await self.client.aclose()


def make_client(timeout: float) -> httpx.AsyncClient:
    """Return a client that keeps its connections and follows nobody elsewhere."""
    return httpx.AsyncClient(timeout=timeout, follow_redirects=False)


async def fetch(
    client: httpx.AsyncClient, method: str, url: str, content: bytes | None = None
) -> Answer:
    """Ask, and read no more than an answer may have; raises HTTPError and WitnessError."""
    async with client.stream(method, url, content=content) as answer:
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise WitnessError("its answer is longer than any valid one")
        return Answer(answer.status_code, answer.headers.get("content-type"), body)


async def notes_of_witnesses(policy: Policy, key: VerifierKey) -> list[FoundNote]:
    """Return the newest checkpoints of a log that witnesses serve; the unreachable have none."""
    urls = [each.url for each in policy.witnesses.values() if each.url]
    async with make_client(START_SECONDS) as client:
        found = await asyncio.gather(*(_note_at(client, url, key) for url in urls))
    return [note for note in found if note is not None]


async def _note_at(client: httpx.AsyncClient, url: str, key: VerifierKey) -> FoundNote | None:
    where = f"{url.rstrip('/')}/{origin_hash(key.name)}/checkpoint"
    try:
        async with asyncio.timeout(START_SECONDS):
            answer = await fetch(client, "GET", where)
        if answer.status != httpx.codes.OK:
            return None
        Checkpoint.open(answer.body, origin=key.name, keys=[key])
    except FAILURES as error:
        log.warning("a witness cannot be asked", url=url, error=str(error) or type(error).__name__)
        return None
    return FoundNote(where, answer.body)
