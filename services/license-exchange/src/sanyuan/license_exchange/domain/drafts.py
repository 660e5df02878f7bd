"""The content of a licence as a department sends it: read from a sealed attachment.

A draft that exists is in the right form and normalised; its type has not seen it yet. Nothing here
quotes what it was given: reasons end up in records that are kept for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.contracts.license_exchange import HolderKind
from sanyuan.common.identifiers import (
    IdentifierError,
    parse_citizen_number,
    parse_credit_code,
    parse_name,
)
from sanyuan.common.license_identifiers import parse_serial
from sanyuan.license_exchange.domain.fields import ContentError, Json, read_date, read_text

MAX_CONTENT_BYTES: Final = 16 * 1024
CREDIT_CODE: Final = "001"
CITIZEN_NUMBER: Final = "111"
"""GB/T 36903: what kind of code a holder's code is."""
_SHORT: Final = 512


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class _Holder(_Part):
    kind: Literal["person", "organisation"]
    name: str
    code: str | None = None
    code_type: Annotated[str, Field(pattern=r"^[0-9]{3}$")] | None = None


class _Matter(_Part):
    name: str
    code: str | None = None


class _Annotation(_Part):
    made_at: str
    by: str
    reason: str
    valid_until: str | None = None


class _Given(_Part):
    serial: str
    holder: _Holder
    valid_from: str
    valid_until: str | None = None
    name: str | None = None
    number: str | None = None
    territory: str | None = None
    jurisdiction: str | None = None
    matters: Annotated[list[_Matter], Field(max_length=20)] = []
    annotations: Annotated[list[_Annotation], Field(max_length=20)] = []
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Draft:
    """A content in the right form, before its type has seen it.

    ``metadata`` is what GB/T 36903 has and the sender said; dates are ISO 8601.
    """

    serial: str = field(repr=False)
    holder_kind: HolderKind
    holder_code: str | None = field(repr=False)
    valid_from: str = field(repr=False)
    valid_until: str | None = field(repr=False)
    metadata: Mapping[str, Json] = field(repr=False)
    fields: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContentFault:
    """A content that no licence can be made of; neither text holds anything of it."""

    where: str
    why: str
    is_missing: bool = False

    def __str__(self) -> str:
        return f"{self.where} {self.why}"


def read_content(plaintext: bytes | None, *, on: date) -> Draft | ContentFault:
    """Read the attachment of ``issue-license``; ``on`` is the day of the decision in China."""
    if plaintext is None:
        return ContentFault("content", "is missing or cannot be opened", is_missing=True)
    if len(plaintext) > MAX_CONTENT_BYTES:
        return ContentFault("content", f"has more than {MAX_CONTENT_BYTES} bytes")
    try:
        return _draft(_Given.model_validate(orjson.loads(plaintext)), on)
    except orjson.JSONDecodeError:
        return ContentFault("content", "is no JSON")
    except ValidationError as error:
        return _fault(error)
    except ContentError as error:
        return ContentFault(f"content.{error.where}", error.what)


def _draft(given: _Given, on: date) -> Draft:
    code, code_type = _holder_code(given.holder, on)
    begin = _part("valid_from", read_date, given.valid_from)
    end = None
    if given.valid_until is not None:
        end = _part("valid_until", read_date, given.valid_until)
        if end < begin:
            raise ContentError("lies before valid_from", where="valid_until")
    said: dict[str, Json] = {
        "license_name": _optional("name", given.name),
        "license_number": _optional("number", given.number),
        "valid_from": begin,
        "valid_until": end,
        "territory": _optional("territory", given.territory),
        "jurisdiction": _optional("jurisdiction", given.jurisdiction),
        "holder_name": _name(given.holder.name),
        "holder_code": code,
        "holder_code_type": code_type,
        "matters": [_matter(each) for each in given.matters] or None,
        "annotations": [_annotation(each) for each in given.annotations] or None,
    }
    return Draft(
        serial=_part("serial", parse_serial, given.serial),
        holder_kind=given.holder.kind,
        holder_code=code,
        valid_from=begin,
        valid_until=end,
        metadata={name: value for name, value in said.items() if value is not None},
        fields=given.fields,
    )


def _holder_code(holder: _Holder, on: date) -> tuple[str | None, str | None]:
    """The code, checked where the standard says how, and its kind."""
    if holder.kind == "organisation":
        if holder.code is None or holder.code_type not in (None, CREDIT_CODE):
            raise ContentError("of an organisation is its credit code", where="holder.code")
        return _part("holder.code", _credit_code, holder.code), CREDIT_CODE
    if holder.code is None:
        return None, None
    kind = holder.code_type or CITIZEN_NUMBER
    if kind != CITIZEN_NUMBER:
        return _part("holder.code", lambda text: read_text(text, 64), holder.code), kind
    return (
        _part("holder.code", lambda text: parse_citizen_number(text, on=on).text, holder.code),
        kind,
    )


def _credit_code(text: str) -> str:
    return parse_credit_code(text).text


def _name(text: str) -> str:
    return _part("holder.name", parse_name, text)


def _optional(where: str, text: str | None) -> str | None:
    return None if text is None else _part(where, lambda given: read_text(given, _SHORT), text)


def _matter(matter: _Matter) -> Json:
    said = {"name": _optional("matters", matter.name), "code": _optional("matters", matter.code)}
    return {name: value for name, value in said.items() if value is not None}


def _annotation(annotation: _Annotation) -> Json:
    where = "annotations"
    until = annotation.valid_until
    said = {
        "made_at": _part(where, read_date, annotation.made_at),
        "by": _optional(where, annotation.by),
        "reason": _optional(where, annotation.reason),
        "valid_until": None if until is None else _part(where, read_date, until),
    }
    return {name: value for name, value in said.items() if value is not None}


def _part(where: str, read: Callable[[str], str], text: str) -> str:
    try:
        return read(text)
    except IdentifierError as error:
        raise ContentError(f"cannot be: {error.what}", where=where) from None
    except ValueError as error:
        raise ContentError(str(error), where=where) from None


def _fault(error: ValidationError) -> ContentFault:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # Only names of our own, never a key that the sender made up.
    known = [str(part) for part in first["loc"] if part in _NAMES]
    where = ".".join(["content", *known])
    return ContentFault(where, _FAULTS.get(first["type"], "is not what the contract says"))


_NAMES: Final = frozenset(
    {
        *_Given.model_fields,
        *_Holder.model_fields,
        *_Matter.model_fields,
        *_Annotation.model_fields,
    }
)
_FAULTS: Final = {
    "missing": "is missing",
    "string_type": "is no text",
    "list_type": "is no list",
    "dict_type": "is no JSON object",
    "model_type": "is no JSON object",
    "too_long": "is too long",
}
