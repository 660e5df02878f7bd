"""What a proof file holds, and what follows from it. Pure: no file, network or clock.

`extra` is JSON: `entry`, the record's signed note, and `keys`, the agency's entries that registered
the key which signed it, each with index and path under the same checkpoint, oldest first. Nothing
of it is trusted: the entry must be what the tree holds at its index, each registration too, and
each signature must hold under the pinned agency key or under a key that an earlier one registers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.contracts.participants import KeyAdded, SystemRegistered
from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.errors import SanyuanError
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import Leaf, LeafError, parse_leaf
from sanyuan.common.logkeys import verifier_for
from sanyuan.common.notes import Note, VerifierKey, decode_base64, encode_base64
from sanyuan.common.rules import RuleError
from sanyuan.common.sources import key_name
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import CosignerKey, verify_cosignatures
from sanyuan.common.tlog.merkle import leaf_hash, verify_inclusion
from sanyuan.common.tlog.proof import ProofBundle
from sanyuan.common.tlog.tiles import MAX_ENTRY_BYTES

MAX_KEYS: Final = 16
MAX_PROOF_BYTES: Final = 4_000_000

_Entry = Annotated[str, Field(max_length=MAX_ENTRY_BYTES)]
Signer = tuple[str, bytes]
"""Key name and key id: the name is the source without its slashes."""


class RecordProofError(SanyuanError):
    """The file does not prove what it should; `what` says where it fails."""


class Registration(BaseModel):
    """The agency's entry that names a signing key, with its place in the log."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    index: int = Field(ge=0)
    entry: _Entry
    hashes: Annotated[list[str], Field(max_length=63)]


class Extra(BaseModel):
    """The `extra` line of our proofs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    entry: _Entry
    keys: Annotated[list[Registration], Field(max_length=MAX_KEYS)]


@dataclass(frozen=True)
class Proven:
    """What a proof shows: `leaf` is entry `index` of the log at `head`, signed under `key`.

    `registered` is the index of the agency's entry that names the key, None for its own pinned key;
    `witnesses` are those of the given ones that cosigned the checkpoint, with their times.
    """

    leaf: Leaf
    index: int
    head: Checkpoint
    key: VerifierKey
    registered: int | None
    witnesses: dict[CosignerKey, int]


@dataclass(frozen=True)
class RecordProof:
    """A proof file, parsed."""

    bundle: ProofBundle
    extra: Extra

    @classmethod
    def make(
        cls,
        entry: bytes,
        place: tuple[int, tuple[bytes, ...]],
        keys: list[tuple[int, bytes, tuple[bytes, ...]]],
        checkpoint: bytes,
    ) -> RecordProof:
        """Put a proof together; `place` is index and path, `keys` are registrations alike."""
        extra = Extra(
            entry=entry.decode(),
            keys=[
                Registration(index=index, entry=raw.decode(), hashes=[*map(encode_base64, path)])
                for index, raw, path in keys
            ],
        )
        index, path = place
        return cls(ProofBundle(index, path, checkpoint, extra.model_dump_json().encode()), extra)

    def __bytes__(self) -> bytes:
        return bytes(self.bundle)

    @classmethod
    def parse(cls, raw: bytes) -> RecordProof:
        """Parse a file; raises RecordProofError. Nothing is verified yet."""
        if len(raw) > MAX_PROOF_BYTES:
            raise RecordProofError(f"the file has more than {MAX_PROOF_BYTES:,} bytes")
        try:
            bundle = ProofBundle.parse(raw)
        except RuleError as error:
            raise RecordProofError(error.what) from None
        try:
            return cls(bundle, Extra.model_validate_json(bundle.extra or b""))
        except ValidationError:
            raise RecordProofError(
                "the proof is well formed, but carries no record",
                do="a proof by `sanyuan proof` has the record in its extra line",
            ) from None

    def verify(
        self,
        agency_key: VerifierKey,
        log_key: VerifierKey,
        witnesses: Collection[CosignerKey] = (),
    ) -> Proven:
        """Check everything; raises RecordProofError that says which step fails."""
        entry = self.extra.entry.encode()
        log_key = verifier_for(log_key, self.bundle.checkpoint)
        try:
            head = Checkpoint.open(self.bundle.checkpoint, origin=log_key.name, keys=[log_key])
            seen = verify_cosignatures(Note.parse(self.bundle.checkpoint), witnesses)
            path = self.bundle.hashes
            verify_inclusion(leaf_hash(entry), self.bundle.index, head.size, path, head.root)
            leaf = parse_leaf(entry)
            signer = key_name(leaf.envelope.source), leaf.key_id
            keys, places = self._registered(agency_key, head)
            if (key := keys.get(signer)) is None:
                raise RecordProofError(
                    "the proof does not show that the agency registered the key that signed this",
                    where=leaf.envelope.source,
                )
            leaf.verify(key)
        except (RuleError, LeafError) as error:
            raise RecordProofError(error.what, where=error.where) from None
        return Proven(leaf, self.bundle.index, head, key, places.get(signer), seen)

    def _registered(
        self, agency_key: VerifierKey, head: Checkpoint
    ) -> tuple[dict[Signer, VerifierKey], dict[Signer, int]]:
        """The pinned key and those that the registrations name, each proven, and where."""
        keys = {(agency_key.name, agency_key.key_id): agency_key}
        places: dict[Signer, int] = {}
        for each in self.extra.keys:
            if each.index >= self.bundle.index:
                raise RecordProofError("a key counts only for entries after its registration")
            entry = each.entry.encode()
            path = [decode_base64(line) for line in each.hashes]
            verify_inclusion(leaf_hash(entry), each.index, head.size, path, head.root)
            leaf = parse_leaf(entry)
            signer = keys.get((agency_key.name, leaf.key_id))
            if signer is None or key_name(leaf.envelope.source) != agency_key.name:
                raise RecordProofError("a registration is not signed by the agency")
            leaf.verify(signer)
            key = registered_key(leaf)
            keys[key.name, key.key_id] = key
            places[key.name, key.key_id] = each.index
        return keys, places


def registered_key(leaf: Leaf) -> VerifierKey:
    """Return the signing key that a leaf of `participants` registers, under its source's name.

    Raises RecordProofError when it registers none, NoteError for a malformed key.
    """
    envelope = leaf.envelope
    domain, _, topic = envelope.topic.partition("/")
    if topic == PARTICIPANTS:
        try:
            message = parse_data(envelope.type, PARTICIPANTS, envelope.data)
        except ContractError as error:
            raise RecordProofError(str(error)) from None
        if isinstance(message, SystemRegistered | KeyAdded):
            key = VerifierKey.parse(message.signing_key)
            if key.name == key_name(message.source) and key.name.startswith(f"{domain}/"):
                return key
    raise RecordProofError("an entry beside the record registers no key", where=envelope.type)
