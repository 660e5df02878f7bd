"""The witness's memory, in SQLite: the newest checkpoint of each log, and evidence.

Commit point: `answer` compares and sets in one durable transaction (one writer, synchronous), and
its answer is handed out afterwards. Whoever is told that a checkpoint is cosigned is told so after
the disk knows it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select
from sqlmodel import Field, SQLModel

from sanyuan.client.witness.deciding import Consistent, Decision, Known, Logs, decide
from sanyuan.common.database import table_of, upsert
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import Cosigner, with_signatures
from sanyuan.common.tlog.misbehaviour import Misbehaviour
from sanyuan.common.tlog.witnessing import origin_hash


class WitnessedLog(SQLModel, table=True):
    """The newest cosigned checkpoint of a log, with its signatures."""

    __tablename__ = "witnessed_log"
    origin_hash: str = Field(primary_key=True)
    note: bytes


class Evidence(SQLModel, table=True):
    """Proof that a log signed two histories."""

    __tablename__ = "evidence"
    digest: bytes = Field(primary_key=True)
    origin_hash: str = Field(index=True)
    at: int
    text: bytes


LOGS: Final = table_of(WitnessedLog)
EVIDENCE: Final = table_of(Evidence)
MODELS: Final = (WitnessedLog, Evidence)
MAX_EVIDENCE: Final = 16
"""Kept against one log."""


@dataclass(frozen=True)
class Answered:
    """A decision that is durable; `line` is the cosignature of a consistent checkpoint."""

    decision: Decision
    line: str | None = None


def answer(connection: Connection, raw: bytes, logs: Logs, cosigner: Cosigner, at: int) -> Answered:
    """Decide on a request at `at`, in seconds since 1970, and take down what follows."""
    decision = decide(raw, logs, lambda origin: load_known(connection, origin))
    if decision.evidence is not None:
        _keep(connection, decision.evidence, at)
    match decision.answer:
        case Consistent(head, note):
            line = cosigner.cosign(bytes(head), at)
            row = {
                "origin_hash": origin_hash(head.origin),
                "note": with_signatures(note, [line]),
            }
            upsert(connection, LOGS, [row])
            return Answered(decision, line)
        case _:
            return Answered(decision)


def load_known(connection: Connection, origin: str) -> Known | None:
    """Return the newest cosigned checkpoint of a log."""
    note = load_note(connection, origin_hash(origin))
    return None if note is None else Known(Checkpoint.open_unverified(note), note)


def load_note(connection: Connection, hashed: str) -> bytes | None:
    """Return the newest cosigned note of the log whose origin has this hash."""
    found: bytes | None = connection.scalar(select(LOGS.c.note).where(LOGS.c.origin_hash == hashed))
    return found


def load_evidence(connection: Connection, hashed: str) -> bytes | None:
    """Return the first evidence against the log whose origin has this hash."""
    query = select(EVIDENCE.c.text).where(EVIDENCE.c.origin_hash == hashed)
    found: bytes | None = connection.scalar(query.order_by(EVIDENCE.c.at, EVIDENCE.c.digest))
    return found


def _keep(connection: Connection, evidence: Misbehaviour, at: int) -> None:
    """Take evidence down, the first few against each log: one convicts already."""
    text, hashed = bytes(evidence), origin_hash(Checkpoint.open_unverified(evidence.smaller).origin)
    kept = select(EVIDENCE.c.digest).where(EVIDENCE.c.origin_hash == hashed)
    known = set(connection.scalars(kept))
    digest = hashlib.sha256(text).digest()
    if digest not in known and len(known) < MAX_EVIDENCE:
        row = {"digest": digest, "origin_hash": hashed, "at": at, "text": text}
        connection.execute(insert(EVIDENCE).values(row))
