"""The signed value of a record: one compact CloudEvent 1.0 in structured mode (design §3).

Invariants: an Envelope that exists is well formed; its bytes are never re-encoded for hashing or
signing (the bytes that travelled are what counts); unknown fields are accepted and ignored.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import from_json

from sanyuan.common.errors import SanyuanError
from sanyuan.common.sources import SOURCE

MAX_VALUE_BYTES: Final = 60 * 1024
MAX_SEQUENCE: Final = 2**53 - 1
"""What every JSON reader and every database has without loss: a place that no stream reaches."""
_FIRST: Final = f"{1:020d}"
_LAST: Final = f"{MAX_SEQUENCE:020d}"
"""As they are written: texts of one length compare like their numbers."""
ZERO_HASH: Final = "0" * 64

HEX_SHA256: Final = r"^[0-9a-f]{64}$"
# Wider than any contract's: an unknown type of an authentic command is refused, not rejected.
TYPE: Final = r"^[!-~]{1,255}$"
RFC3339: Final = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_CONTROLS: Final = bytes(range(0x20))
_exact: Final = partial(Field, strict=True)
"""Not for the whole: a strict dataclass takes nothing but an instance."""


class EnvelopeError(SanyuanError):
    """A value is not the envelope of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A CloudEvent with the extensions that this domain requires.

    ``topic`` is the signed topic (``cn/identity-commands``), ``sequence`` 20 decimal digits,
    ``previous`` the hex SHA-256 of the previous value of the stream, ``correlationid`` the case.
    """

    specversion: Literal["1.0"]
    id: Annotated[str, _exact(pattern=_UUID)]
    source: Annotated[str, _exact(pattern=f"^{SOURCE}$")]
    type: Annotated[str, _exact(pattern=TYPE)]
    time: Annotated[str, _exact(pattern=RFC3339)]
    topic: Annotated[str, _exact(min_length=3, max_length=400)]
    sequence: Annotated[str, _exact(pattern=r"^[0-9]{20}$")]
    previous: Annotated[str, _exact(pattern=HEX_SHA256)]
    correlationid: Annotated[str, _exact(min_length=1, max_length=128)] | None = None
    causationid: Annotated[str, _exact(min_length=1, max_length=128)] | None = None
    actor: Annotated[str, _exact(min_length=1, max_length=256)] | None = None
    data: Annotated[dict[str, Any], _exact()]

    @property
    def number(self) -> int:
        """The place in the stream, counted from 1."""
        return int(self.sequence)


# A dataclass: a model also keeps which fields it was given, for a fifth of the time.
ENVELOPE: Final = TypeAdapter(Envelope)
_validate: Final[Callable[[object], Envelope]] = ENVELOPE.validator.validate_python


def decode(value: bytes) -> Envelope:
    """Parse a value; raises EnvelopeError that names the first fault and never quotes content."""
    return decode_all((value,))[0]


def decode_all(values: Sequence[bytes]) -> list[Envelope]:
    """`decode` of each; raises as it does about one of them: decode each alone to know of which."""
    if (longest := max(map(len, values), default=0)) > MAX_VALUE_BYTES:
        raise EnvelopeError(f"the value has {longest} bytes, {MAX_VALUE_BYTES} are allowed")
    joined = b"".join(values)
    # JSON has these three between its parts, and no other byte below 0x20 anywhere (RFC 8259).
    if b"\n" in joined or b"\t" in joined or b"\r" in joined:
        raise _controls_error()
    try:
        fields = [from_json(each, allow_inf_nan=False, cache_strings="keys") for each in values]
        envelopes = [_validate(each) for each in fields]
    except ValueError as error:
        raise _explained(error, joined) from None
    for envelope in envelopes:
        if not _FIRST <= envelope.sequence <= _LAST:
            raise EnvelopeError("a stream counts from 1 to 2^53 - 1", where="sequence")
        if envelope.correlationid is None and not envelope.topic.endswith("/participants"):
            raise EnvelopeError("Field required", where="correlationid")
    return envelopes


def _explained(error: ValueError, values: bytes) -> EnvelopeError:
    if len(values.translate(None, _CONTROLS)) != len(values):
        return _controls_error()
    if not isinstance(error, ValidationError):
        return EnvelopeError(f"no JSON: {error}", where="value")
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if not first["loc"]:
        return EnvelopeError("the value is no JSON object", where="value")
    # A location inside `data` could hold a sender's own text: name the field only.
    return EnvelopeError(first["msg"], where=str(first["loc"][0]))


def _controls_error() -> EnvelopeError:
    return EnvelopeError("the value has a byte below 0x20", do="send compact JSON on one line")


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
