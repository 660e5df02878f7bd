"""The signed value of a record: one compact CloudEvent 1.0 in structured mode (design §3).

Invariants: an Envelope that exists is well formed; its bytes are never re-encoded for hashing or
signing (the bytes that travelled are what counts); unknown fields are accepted and ignored.
"""

import hashlib
import re
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.common.sources import SOURCE

MAX_VALUE_BYTES: Final = 60 * 1024
ZERO_HASH: Final = "0" * 64

HEX_SHA256: Final = r"^[0-9a-f]{64}$"
TYPE: Final = r"^[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}\.v[1-9][0-9]{0,2}$"
RFC3339_UTC: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"
_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_CONTROL = re.compile(rb"[\x00-\x1f]")


class EnvelopeError(SanyuanError):
    """A value is not the envelope of a record."""


class Envelope(BaseModel):
    """A CloudEvent with the extensions that this domain requires.

    ``topic`` is the signed topic (``cn/identity-commands``), ``sequence`` 20 decimal digits,
    ``previous`` the hex SHA-256 of the previous value of the stream, ``correlationid`` the case.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(pattern=_UUID)
    source: str = Field(pattern=f"^{SOURCE}$")
    type: str = Field(pattern=TYPE)
    time: str = Field(pattern=RFC3339_UTC)
    topic: str = Field(min_length=3, max_length=400)
    sequence: str = Field(pattern=r"^[0-9]{20}$")
    previous: str = Field(pattern=HEX_SHA256)
    correlationid: str | None = Field(default=None, min_length=1, max_length=128)
    causationid: str | None = Field(default=None, min_length=1, max_length=128)
    actor: str | None = Field(default=None, min_length=1, max_length=256)
    data: dict[str, Any]

    @property
    def number(self) -> int:
        """The place in the stream, counted from 1."""
        return int(self.sequence)


def decode(value: bytes) -> Envelope:
    """Parse a value; raises EnvelopeError that names the first fault and never quotes content."""
    if len(value) > MAX_VALUE_BYTES:
        raise EnvelopeError(f"the value has {len(value)} bytes, {MAX_VALUE_BYTES} are allowed")
    if _CONTROL.search(value) is not None:
        raise EnvelopeError("the value has a byte below 0x20", do="send compact JSON on one line")
    try:
        envelope = Envelope.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "value"
        # A location inside `data` could hold a sender's own text: name the field only.
        raise EnvelopeError(first["msg"], where=where.split(".", 1)[0]) from None
    if envelope.correlationid is None and not envelope.topic.endswith("/participants"):
        raise EnvelopeError("Field required", where="correlationid")
    return envelope


def encode(fields: dict[str, Any]) -> bytes:
    """The compact JSON of an envelope's fields, absent ones left out; raises EnvelopeError."""
    value = orjson.dumps({name: field for name, field in fields.items() if field is not None})
    if len(value) > MAX_VALUE_BYTES:
        raise EnvelopeError(
            f"the value would have {len(value)} bytes, {MAX_VALUE_BYTES} are allowed",
            where=str(fields.get("type")),
            do="send what is large as a sealed attachment",
        )
    return value


def hash_value(value: bytes) -> str:
    """Hex SHA-256 of a value: what the next record of the stream calls ``previous``."""
    return hashlib.sha256(value).hexdigest()


def format_sequence(number: int) -> str:
    """A sequence as it is written: 20 decimal digits."""
    return f"{number:020d}"
