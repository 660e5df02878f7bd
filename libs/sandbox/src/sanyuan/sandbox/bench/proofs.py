"""How long an inclusion proof takes whose tiles are in no cache: not ours, not the kernel's."""

import os
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from sanyuan.client.verify.source import CHECKPOINT, open_source, read_tile
from sanyuan.common.notes import VerifierKey
from sanyuan.common.tlog.authentic import AuthenticTiles
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import inclusion_proof, verify_inclusion
from sanyuan.common.tlog.tiles import nodes_of

PROOFS: Final = 100


def cold_proof_ms(log: Path, key: VerifierKey, count: int = PROOFS) -> float:
    """The mean over entries drawn at random: checkpoint, tiles, path, and its verification."""
    random, total = Random(1), 0.0  # noqa: S311  which entries, no secret
    size = Checkpoint.open((log / CHECKPOINT).read_bytes(), keys=[key]).size
    for _ in range(count):
        index = random.randrange(size)
        _forget(log)
        started = time.perf_counter()
        _prove(log, key, index)
        total += time.perf_counter() - started
    return total / count * 1000


def _prove(log: Path, key: VerifierKey, index: int) -> None:
    with open_source(str(log)) as source:
        head = Checkpoint.open(source.read(CHECKPOINT) or b"", keys=[key])
        tiles = AuthenticTiles(partial(read_tile, source), head, source.name)
        leaf = tiles.leaf_hash(index)
        path = inclusion_proof(index, head.size, nodes_of(head.size, tiles.hashes))
        verify_inclusion(leaf, index, head.size, path, head.root)


def _forget(log: Path) -> None:
    """Have the kernel drop the hash tiles; entries are not read."""
    for file in log.glob("tile/[0-9]*/**/*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
