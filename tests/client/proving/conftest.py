"""A published log of two bundles, and proofs of its records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.client.verify.conftest import AGENCY, FOOD, LogMaker

from sanyuan.client.proving import RecordProof, find_proof, parse_wanted
from sanyuan.client.verify.source import open_source
from sanyuan.common.notes import SigningKey, VerifierKey
from sanyuan.common.sources import key_name


@dataclass(frozen=True)
class Archive:
    """The log, and an added key of FOOD with the index of the record that it signed."""

    log: LogMaker
    rotated: int

    @property
    def keys(self) -> tuple[VerifierKey, VerifierKey]:
        return self.log.key(AGENCY).verifier, self.log.log_key.verifier

    def prove(self, wanted: str | int) -> RecordProof:
        with open_source(str(self.log.folder)) as source:
            return find_proof(source, *self.keys, parse_wanted(str(wanted)))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A log that nobody changes."""
    folder: Path = tmp_path_factory.mktemp("archive")
    log = LogMaker(folder / "log", folder / "state")
    log.found()
    for _ in range(300):
        log.command()
    added = SigningKey.from_seed(key_name(FOOD), b"n" * 32)
    data = {"source": FOOD, "signing_key": str(added.verifier)}
    log.add(AGENCY, "participants", "participant.key-added.v1", data)
    log.keys[FOOD] = added
    rotated = log.command()
    log.seal()
    log.publish()
    return Archive(log, rotated)
