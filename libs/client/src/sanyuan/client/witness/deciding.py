"""What a witness answers to a request: a pure function of what it knows (tlog-witness).

Invariant: `Consistent` comes only for a checkpoint that a trusted key of a known log signed and
that extends the newest one that this witness cosigned. A refused request may still hold evidence
that the log signed two histories: it is handed out beside the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sanyuan.common.notes import (
    BadSignatureError,
    ForeignKeyError,
    Note,
    NoteError,
    VerifierKey,
    parse_signature,
)
from sanyuan.common.rules import RuleError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import ProofError, consistency_roots, verify_consistency
from sanyuan.common.tlog.misbehaviour import Misbehaviour
from sanyuan.common.tlog.witnessing import AddCheckpoint, WitnessRequestError, check_older

Logs = Mapping[str, tuple[VerifierKey, ...]]
"""Origin -> the keys that are trusted for it."""


@dataclass(frozen=True)
class Known:
    """The newest checkpoint that was cosigned: signed note with the log's and our signatures."""

    head: Checkpoint
    note: bytes


@dataclass(frozen=True)
class Consistent:
    """200: cosign `head` and remember `note`, which has the log's signatures only."""

    head: Checkpoint
    note: bytes


@dataclass(frozen=True)
class Malformed:
    """400."""

    what: str


@dataclass(frozen=True)
class NotSigned:
    """403."""

    what: str


@dataclass(frozen=True)
class UnknownLog:
    """404."""


@dataclass(frozen=True)
class Conflict:
    """409: this is the size that the witness knows."""

    size: int


@dataclass(frozen=True)
class Inconsistent:
    """422."""

    what: str


Answer = Consistent | Malformed | NotSigned | UnknownLog | Conflict | Inconsistent


@dataclass(frozen=True)
class Decision:
    """An answer, and what the request proves beside it."""

    answer: Answer
    evidence: Misbehaviour | None = None


def decide(raw: bytes, logs: Logs, known: Callable[[str], Known | None]) -> Decision:
    """Judge a request's body; `known` is asked for an origin that is in `logs`."""
    try:
        request = AddCheckpoint.parse(raw)
        note = Note.parse(request.checkpoint)
        head = Checkpoint.parse(note.text)
    except RuleError as error:
        return Decision(Malformed(error.what))
    keys = logs.get(head.origin)
    if keys is None:
        return Decision(UnknownLog())
    try:
        note.verify(keys)
    except (ForeignKeyError, BadSignatureError) as error:
        return Decision(NotSigned(error.what))
    except NoteError as error:  # a known key's name and id on no signature of its type
        return Decision(NotSigned(error.what))
    last = known(head.origin)
    evidence = _evidence(request, head, last) if last else None
    return Decision(_compare(request, head, last, _ours(note, keys)), evidence)


def _compare(request: AddCheckpoint, head: Checkpoint, last: Known | None, note: bytes) -> Answer:
    try:
        check_older(request.old, head.size)
    except WitnessRequestError as error:
        return Malformed(error.what)
    size = last.head.size if last else 0
    if request.old != size:
        return Conflict(size)
    try:
        head.check_empty()
        if last is not None:
            root, proof = last.head.root, request.proof
            verify_consistency(size, root, head.size, head.root, proof)
        elif request.proof:
            return Inconsistent("no proof is needed from the empty tree")
    except RuleError as error:
        return Inconsistent(error.what)
    return Consistent(head, note)


def _evidence(request: AddCheckpoint, head: Checkpoint, last: Known) -> Misbehaviour | None:
    """What two signed checkpoints and the proof between them prove against their log."""
    if head.size == last.head.size:
        forked = head.root != last.head.root
        return Misbehaviour(last.note, request.checkpoint) if forked else None
    if not 0 < request.old == last.head.size < head.size:
        return None
    try:
        prefix, root = consistency_roots(request.old, head.size, request.proof)
    except ProofError:
        return None
    # From a power of two the proof leaves the older root out: then it makes no root by itself.
    if root != head.root or prefix == last.head.root:
        return None
    return Misbehaviour(last.note, request.checkpoint, request.proof)


def _ours(note: Note, keys: tuple[VerifierKey, ...]) -> bytes:
    """Return the note with the signatures of these keys only, each once."""
    known = {(key.name, key.key_id) for key in keys}
    lines = [line for line in note.signatures if parse_signature(line)[:2] in known]
    return bytes(Note(note.text, tuple(dict.fromkeys(lines))))
