"""A log in memory that can fork, and a witness over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient, Response

from sanyuan.client.witness.app import make_app
from sanyuan.client.witness.store import MODELS
from sanyuan.common.database import Database
from sanyuan.common.notes import SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner
from sanyuan.common.tlog.merkle import Node, consistency_proof, fold, leaf_hash, peaks, perfect_root
from sanyuan.common.tlog.witnessing import AddCheckpoint, origin_hash

LOG = SigningKey.from_seed("cn/log/2026", bytes(31) + b"L")
NOW = 1_800_000_000


@dataclass
class Tree:
    """Leaves of a log; one that is forked differs from leaf `fork` on."""

    fork: int | None = None
    origin: str = LOG.name
    key: SigningKey = LOG

    def node(self) -> Node:
        def node(level: int, index: int) -> bytes:
            first = index << level
            return perfect_root([self.leaf(at) for at in range(first, first + (1 << level))])

        return node

    def leaf(self, at: int) -> bytes:
        forked = self.fork is not None and at >= self.fork
        return leaf_hash(b"%d%s" % (at, b"forked" if forked else b""))

    def head(self, size: int) -> Checkpoint:
        node = self.node()
        return Checkpoint(self.origin, size, fold(node(*each) for each in peaks(size)))

    def note(self, size: int) -> bytes:
        return self.head(size).sign([self.key])

    def request(self, old: int, new: int) -> bytes:
        proof = tuple(consistency_proof(old, new, self.node())) if old <= new else ()
        return bytes(AddCheckpoint(old, proof, self.note(new)))


@dataclass
class Bench:
    """A witness that can die and start again over the same database."""

    folder: Path
    cosigner: Cosigner = field(default_factory=lambda: Cosigner("witness.example/w1", b"w" * 32))
    now: float = NOW
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.database = Database.open(f"sqlite:///{self.folder}/witness.db", MODELS)

    def client(self) -> AsyncClient:
        logs = {LOG.name: (LOG.verifier,)}
        app = make_app(self.database, self.cosigner, logs, lambda: self.now)
        return AsyncClient(transport=ASGITransport(app), base_url="http://witness")

    def add(self, *bodies: bytes) -> list[Response]:
        """Send requests, all at once."""

        async def send() -> list[Response]:
            async with self.client() as client:
                sent = [client.post("/add-checkpoint", content=body) for body in bodies]
                return await asyncio.gather(*sent)

        return asyncio.run(send())

    def get(self, path: str, origin: str = LOG.name) -> Response:
        async def ask() -> Response:
            async with self.client() as client:
                return await client.get(f"/{origin_hash(origin)}/{path}")

        return asyncio.run(ask())


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[[], Bench]]:
    made: list[Bench] = []

    def make() -> Bench:
        made.append(Bench(tmp_path / str(len(made))))
        return made[-1]

    yield make
    for each in made:
        each.database.close()


@pytest.fixture
def bench(make_bench: Callable[[], Bench]) -> Bench:
    """A witness that has seen nothing."""
    return make_bench()
