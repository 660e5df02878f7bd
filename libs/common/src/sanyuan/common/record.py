"""From what Kafka delivers to an authentic record, or the one reason why not (design §3).

Three steps, each pure: `read_all` (everything that needs no key), `find_key` (needs the directory)
and `verify` (the signature). Only an authentic record takes a place in a stream.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import MAX_VALUE_BYTES, Envelope, EnvelopeError, decode_all, hash_value
from sanyuan.common.leaf import encode_leaf
from sanyuan.common.notes import NoteError, VerifierKey, parse_signature, verify_all
from sanyuan.common.partition import partition_of
from sanyuan.common.sealing import HEADER_PREFIX, MAX_ATTACHMENT_BYTES
from sanyuan.common.sources import key_name

SIGNATURE: Final = "signature"
TRACEPARENT: Final = "traceparent"
MAX_SIGNATURE_BYTES: Final = 1024
GROUP: Final = 64
"""Records that are read together; more of them would leave the caches before the next step."""
PLACES: Final = 16_384
"""Sources and topics whose place is remembered."""
_TRACE_CONTEXT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class RawRecord(NamedTuple):
    """What Kafka delivers; ``timestamp_ms`` is the broker's append time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Rejection(NamedTuple):
    """Why a raw record takes no place."""

    raw: RawRecord
    reason: Reason
    detail: str


class Record(NamedTuple):
    """A readable record; authentic once `verify` has returned."""

    raw: RawRecord
    value: bytes
    envelope: Envelope
    hash: str
    signature: bytes
    """The header as it travelled."""
    key_id: bytes
    blob: bytes
    """The decoded signature: key id ‖ 64 bytes."""
    traceparent: str | None
    sealed: Mapping[str, bytes]

    @property
    def source(self) -> str:
        """Whose record it claims, or is proven, to be."""
        return self.envelope.source

    @property
    def stream(self) -> tuple[str, str]:
        """(source, Kafka topic)."""
        return self.envelope.source, self.raw.topic

    @property
    def leaf(self) -> bytes:
        """The record as a signed note: what the log keeps."""
        return encode_leaf(self.value, self.signature)


def read(raw: RawRecord, *, domain: str, partitions: int) -> Record | Rejection:
    """Check everything that needs no key, cheapest first."""
    try:
        return _read_group((raw,), domain, lambda _topic: partitions)[0]
    except _RefusedError as refused:
        return Rejection(raw, refused.reason, refused.detail)
    except EnvelopeError as error:
        return Rejection(raw, "unreadable", str(error))


def read_all(
    raws: Sequence[RawRecord], *, domain: str, partitions: Callable[[str], int]
) -> list[Record | Rejection]:
    """`read` each on its own: one bad record never hurts another.

    A group goes through each step together: a step whose code is still in the processor's caches
    costs two thirds of what it costs between the others.
    """
    found: list[Record | Rejection] = []
    for at in range(0, len(raws), GROUP):
        group = raws[at : at + GROUP]
        try:
            found += _read_group(group, domain, partitions)
        except (_RefusedError, EnvelopeError):
            found += [read(raw, domain=domain, partitions=partitions(raw.topic)) for raw in group]
    return found


class _RefusedError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _read_group(
    raws: Sequence[RawRecord], domain: str, partitions: Callable[[str], int]
) -> list[Record]:
    """Read records that are all readable; raises _RefusedError or EnvelopeError."""
    values = [raw.value for raw in raws if raw.value is not None]
    if len(values) < len(raws):
        raise _RefusedError("unreadable", "the value is null")
    if (longest := max(map(len, values))) > MAX_VALUE_BYTES:
        raise _RefusedError("too-large", f"the value has {longest} bytes")
    envelopes = decode_all(values)
    headers = [_read_headers(raw.headers) for raw in raws]
    topics = {name: (f"{domain}/{name}", partitions(name)) for name in {raw.topic for raw in raws}}
    for raw, envelope, (signer, *_, sealed) in zip(raws, envelopes, headers, strict=True):
        signed = signer, envelope.source, envelope.topic
        if misplaced := _misplaced(raw.key, raw.partition, *signed, *topics[raw.topic]):
            raise _RefusedError(*misplaced)
        if sealed and sum(map(len, sealed.values())) > MAX_ATTACHMENT_BYTES:
            raise _RefusedError("too-large", "the attachments have more than 512 KiB")
    hashes = [hash_value(value) for value in values]
    return [
        Record(raw, value, envelope, hashed, *header[1:])
        for raw, value, envelope, hashed, header in zip(
            raws, values, envelopes, hashes, headers, strict=True
        )
    ]


def find_key(record: Record, directory: Directory) -> VerifierKey | Rejection:
    """The registered key that the signature names."""
    key = directory.keys_of(record.source).get(record.key_id)
    if key is None:
        return Rejection(record.raw, "unknown-key", "no such key is registered for the source")
    return key


def verify(record: Record, key: VerifierKey) -> Rejection | None:
    """Check the signature over the value; None when it is authentic. 44 µs."""
    try:
        key.verify_signature(record.value + b"\n", record.blob)
    except NoteError as error:
        return Rejection(record.raw, "bad-signature", error.what)
    return None


def authenticate(
    found: Sequence[Record | Rejection], directory: Directory
) -> list[Record | Rejection]:
    """Each record that is authentic under the directory, in place of any other why it is not.

    What `find_key` and `verify` say of each; together their signatures take 12 µs each.
    """
    keys = [each if isinstance(each, Rejection) else find_key(each, directory) for each in found]
    signed = [
        (key, record.value + b"\n", record.blob)
        for record, key in zip(found, keys, strict=True)
        if isinstance(record, Record) and isinstance(key, VerifierKey)
    ]
    refusals = iter(verify_all(signed))
    outcomes: list[Record | Rejection] = []
    for record, key in zip(found, keys, strict=True):
        if isinstance(key, Rejection):
            outcomes.append(key)
        elif (refusal := next(refusals)) is None:
            outcomes.append(record)
        else:
            outcomes.append(Rejection(record.raw, "bad-signature", refusal.what))
    return outcomes


@lru_cache(maxsize=PLACES)
def _misplaced(
    key: bytes | None,
    partition: int,
    signer: str,
    source: str,
    signed_topic: str,
    topic: str,
    partitions: int,
) -> tuple[Reason, str] | None:
    """Why a record does not belong where it lies; cached, because a source's all lie alike."""
    if key != source.encode():
        return "wrong-key", "the Kafka key is not the source"
    if signer != key_name(source):
        return "wrong-key", "the signature is not by the source"
    if signed_topic != topic:
        return "wrong-topic", "the record was signed for another topic"
    if partition != partition_of(key, partitions):
        return "wrong-partition", "the source belongs to another partition"
    return None


_Headers = tuple[str, bytes, bytes, bytes, str | None, Mapping[str, bytes]]
"""The signer, then what a Record has of them, in its order."""


def _read_headers(headers: Sequence[tuple[str, bytes | None]]) -> _Headers:
    signature, trace = None, None
    sealed: dict[str, bytes] = {}
    for name, value in headers:
        if value is None:
            raise EnvelopeError("a header has no value", where="headers")
        if name == SIGNATURE:
            signature = value
        elif name == TRACEPARENT:
            trace = value
        elif name.startswith(HEADER_PREFIX):
            sealed[name.removeprefix(HEADER_PREFIX)] = value
    if len(headers) > 1 and len(dict(headers)) != len(headers):
        raise EnvelopeError("two headers have one name", where="headers")
    if signature is None:
        raise EnvelopeError("there is no signature header", where="headers")
    # A bad traceparent is ignored (design §3) and, above all, not copied into what it causes.
    traceparent = trace.decode() if trace and _TRACE_CONTEXT.fullmatch(trace) else None
    return *_read_signature(signature), traceparent, sealed


def _read_signature(signature: bytes) -> tuple[str, bytes, bytes, bytes]:
    """Signer, header, key id and key id ‖ signature."""
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise EnvelopeError("the signature header is too long", where="headers")
    try:
        signer, key_id, blob = parse_signature(signature)
    except NoteError as error:  # without its place, which is text of the sender
        raise EnvelopeError(error.what, where="signature") from None
    return signer, signature, key_id, key_id + blob
