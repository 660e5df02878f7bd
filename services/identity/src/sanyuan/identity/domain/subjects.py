"""Who is asked about: what a department claims and what a register knows.

A claim that exists is normalised and well formed. Nothing here quotes what it was given.
"""

import hmac
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from sanyuan.common.identifiers import (
    IdentifierError,
    parse_citizen_number,
    parse_credit_code,
    parse_mobile,
    parse_name,
)


@dataclass(frozen=True, slots=True)
class PersonClaim:
    """A name, a citizen number of 18 characters and, with three factors, a mobile number."""

    name: str = field(repr=False)
    number: str = field(repr=False)
    mobile: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OrganisationClaim:
    """A name, a credit code and, when asked for, the legal representative."""

    name: str
    code: str
    questionable: bool = False
    representative: PersonClaim | None = None


Claim = PersonClaim | OrganisationClaim


@dataclass(frozen=True, slots=True)
class Malformed:
    """A subject that cannot be looked up; ``why`` holds no personal data."""

    why: str


@dataclass(frozen=True, slots=True)
class RegisteredPerson:
    """An entry of the population register, normalised; no mobile is an empty text."""

    name: str = field(repr=False)
    mobile: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RegisteredOrganisation:
    """An entry of the legal-entity register, normalised."""

    name: str
    representative_name: str = field(default="", repr=False)
    representative_number: str = field(default="", repr=False)


# Stand in for an entry that does not exist, so that unknown and mismatch take the same path: no
# claim has an empty name.
NOBODY: Final = RegisteredPerson(name="")
NOTHING: Final = RegisteredOrganisation(name="")

_UNREADABLE: Final = Malformed("the attachment subject is missing or cannot be opened by identity")


class _Subject(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class _Person(_Subject):
    name: str
    number: str
    mobile: str | None = None


class _Representative(_Subject):
    name: str
    number: str


class _Organisation(_Subject):
    name: str
    code: str
    representative: _Representative | None = None


class _Number(_Subject):
    number: str


def read_person(plaintext: bytes | None, *, on: date) -> PersonClaim | Malformed:
    """Read the subject of ``verify-person``; ``on`` is the day of the decision."""
    if plaintext is None:
        return _UNREADABLE
    try:
        subject = _Person.model_validate_json(plaintext)
        mobile = None if subject.mobile is None else parse_mobile(subject.mobile).text
        return _person(subject.name, subject.number, mobile, on)
    except ValidationError as error:
        return _fault(error)
    except IdentifierError as error:
        return Malformed(error.what)


def read_organisation(plaintext: bytes | None, *, on: date) -> OrganisationClaim | Malformed:
    """Read the subject of ``verify-organisation``; ``on`` is the day of the decision."""
    if plaintext is None:
        return _UNREADABLE
    try:
        subject = _Organisation.model_validate_json(plaintext)
        code = parse_credit_code(subject.code)
        head = subject.representative
        representative = None if head is None else _person(head.name, head.number, None, on)
        return OrganisationClaim(
            parse_name(subject.name), code.text, code.questionable, representative
        )
    except ValidationError as error:
        return _fault(error)
    except IdentifierError as error:
        return Malformed(error.what)


def read_number(plaintext: bytes | None, *, on: date) -> str | Malformed:
    """Read the subject of ``erase-person``: a citizen number."""
    if plaintext is None:
        return _UNREADABLE
    try:
        return parse_citizen_number(_Number.model_validate_json(plaintext).number, on=on).text
    except ValidationError as error:
        return _fault(error)
    except IdentifierError as error:
        return Malformed(error.what)


def is_person(claim: PersonClaim, entry: RegisteredPerson) -> bool:
    """Whether every factor of the claim is what the register has."""
    same_mobile = True if claim.mobile is None else _same(claim.mobile, entry.mobile)
    return _same(claim.name, entry.name) and same_mobile


def is_organisation(claim: OrganisationClaim, entry: RegisteredOrganisation) -> bool:
    """Whether name and, when claimed, legal representative are what the register has."""
    head = claim.representative
    same_head = head is None or (
        _same(head.name, entry.representative_name)
        and _same(head.number, entry.representative_number)
    )
    return _same(claim.name, entry.name) and same_head


def _person(name: str, number: str, mobile: str | None, on: date) -> PersonClaim:
    return PersonClaim(parse_name(name), parse_citizen_number(number, on=on).text, mobile)


def _same(claimed: str, registered: str) -> bool:
    return hmac.compare_digest(claimed.encode(), registered.encode())


def _fault(error: ValidationError) -> Malformed:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # Only names of our own fields, never a key that the sender made up, and no text of theirs.
    known = [str(part) for part in first["loc"] if part in _FIELDS]
    where = f"subject.{'.'.join(known)}" if known else "subject"
    return Malformed(f"{where}: {_FAULTS.get(first['type'], 'is not what the contract says')}")


_FIELDS: Final = frozenset({"name", "number", "mobile", "code", "representative"})
_FAULTS: Final = {
    "json_invalid": "is no JSON",
    "missing": "is missing",
    "string_type": "is no text",
    "model_type": "is no JSON object",
}
