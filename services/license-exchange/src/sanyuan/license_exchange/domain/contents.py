"""What a licence says: a draft completed by its type, kept encrypted, shown field by field.

Metadata by GB/T 36903, under the names of `sanyuan.common.contracts.license_exchange.METADATA`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import orjson

from sanyuan.common.contracts.license_exchange import METADATA
from sanyuan.common.license_identifiers import LicenseIdentifier
from sanyuan.license_exchange.domain.drafts import ContentFault, Draft
from sanyuan.license_exchange.domain.fields import ContentError, Json, read_fields
from sanyuan.license_exchange.domain.texts import folded
from sanyuan.license_exchange.domain.types import TypeRevision

# Days begin and end in China Standard Time, which has no summer time since 1992.
_CHINA: Final = timedelta(hours=8)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a new version says anew, whatever its content is.
_OF_VERSION: Final = frozenset({"license_identifier", "version", "issue_date", "type_name"})


@dataclass(frozen=True, slots=True)
class Content:
    """One version of a licence as it is kept and shown.

    ``claims`` are metadata and fields by name; ``absent`` names those that its type knows and it
    lacks; ``begins`` and ``ends`` in seconds since 1970 UTC; ``seed`` is what salts are made of.
    """

    claims: Mapping[str, Json] = field(repr=False)
    absent: tuple[str, ...]
    begins: int
    ends: int | None
    seed: bytes = field(repr=False)

    def is_same_as(self, other: "Content") -> bool:
        """Whether both say the same, in whatever normal form."""
        return _compared(self) == _compared(other)

    def select(self, names: frozenset[str]) -> dict[str, Json]:
        """These claims and no other."""
        return {name: value for name, value in self.claims.items() if name in names}


@dataclass(frozen=True, slots=True)
class Issuing:
    """What the service knows about a version that its content does not say."""

    type: TypeRevision
    issuer: str
    issuer_name: str
    definer_name: str
    version: int
    at: int
    seed: bytes = field(repr=False)


def complete(draft: Draft, about: Issuing) -> Content | ContentFault:
    """The content with what its type asks for, and what the service adds."""
    kind = about.type.type
    if draft.holder_kind not in kind.holders:
        return ContentFault("content.holder.kind", "is not one that the type is for")
    items = {item.name: item for item in kind.fields}
    try:
        fields = read_fields(items, draft.fields)
    except ContentError as error:
        return ContentFault(f"content.{error.where}", error.what)
    identifier = LicenseIdentifier(kind.code, about.issuer, draft.serial, about.version)
    claims: dict[str, Json] = {
        "license_identifier": str(identifier),
        "license_name": kind.name,
        "license_number": draft.serial,
        "version": f"{about.version:03}",
        "type_code": kind.code,
        "type_name": kind.name,
        "issuer_code": about.issuer,
        "issuer_name": about.issuer_name,
        "definer_code": about.type.definer,
        "definer_name": about.definer_name,
        "issue_date": day_of(about.at).isoformat(),
        **draft.metadata,
        **fields,
    }
    absent = tuple(name for name in (*METADATA, *items) if name not in claims)
    ends = None if draft.valid_until is None else _midnight(draft.valid_until, _DAY)
    return Content(claims, absent, _midnight(draft.valid_from), ends, about.seed)


def day_of(at: int) -> date:
    """The day in China of an instant in µs since 1970 UTC."""
    return (_EPOCH + timedelta(microseconds=at) + _CHINA).date()


def dump(content: Content) -> bytes:
    """JSON, to be encrypted."""
    return orjson.dumps(
        {
            "claims": dict(content.claims),
            "absent": content.absent,
            "begins": content.begins,
            "ends": content.ends,
            "seed": content.seed.hex(),
        }
    )


def load(plaintext: bytes) -> Content:
    """What `dump` has made."""
    kept = orjson.loads(plaintext)
    seed = bytes.fromhex(kept["seed"])
    return Content(kept["claims"], tuple(kept["absent"]), kept["begins"], kept["ends"], seed)


def _midnight(day: str, later: timedelta = timedelta()) -> int:
    """The beginning of a day in China, in seconds since 1970 UTC."""
    moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) - _CHINA + later
    return int(moment.timestamp())


def _compared(content: Content) -> object:
    claims = {name: v for name, v in content.claims.items() if name not in _OF_VERSION}
    return folded(claims), content.begins, content.ends
