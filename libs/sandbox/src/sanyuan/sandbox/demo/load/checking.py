"""Whether what came back is what had to come back: the callers know the answer beforehand. Pure.

A caller knows from the plan whom it has asked about, whether the provider knows them, and what goes
beyond a grant. So nothing counts as completed that was not opened and found right.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from sanyuan.client.calls import Answered, CallResult, Failed, NoAnswer, Refused
from sanyuan.client.inbox import Decision
from sanyuan.sandbox.demo.load.drawing import Call, Exchange, Organisation, Person
from sanyuan.sandbox.demo.load.grants import LICENSE_FIELDS, Wanted
from sanyuan.sandbox.demo.load.progress import Outcome
from sanyuan.sandbox.demo.load.subjects import Subject

NOT_YOURS: Final = "not-yours"
NOT_GRANTED: Final = "field-not-granted"
ASSERTION: Final = "assertion"
_VERIFIED: Final = frozenset({"identity.person-verified.v1", "identity.organisation-verified.v1"})
_NOT_VERIFIED: Final = frozenset(
    {"identity.person-not-verified.v1", "identity.organisation-not-verified.v1"}
)
_SHARED: Final = "license-exchange.license-fields-shared.v1"
_SHARING_REFUSED: Final = "license-exchange.sharing-refused.v1"
_NAMES: Final = ("person_name", "organisation_name")


def check_call(result: CallResult, drawn: Call, wanted: Wanted, subject: Subject) -> Outcome:
    """How a shared call has ended."""
    match result:
        case Refused(reason=reason):
            return _refused(expected=drawn.outside and reason == NOT_YOURS)
        case Failed() | NoAnswer():
            return Outcome.FAILED
        case Answered(found=found, fields=fields):
            right = not drawn.outside and found == drawn.known
            if found:
                right = right and _is_about(fields, wanted.fields, subject)
            return Outcome.ANSWERED if right else Outcome.SURPRISING


def check_verification(decision: Decision, drawn: Person | Organisation) -> Outcome:
    """How a verification has ended."""
    so = isinstance(drawn, Organisation) or drawn.matches
    if decision.type in _VERIFIED:
        opened = decision.opened.get(ASSERTION) is not None
        return Outcome.ANSWERED if so and opened else Outcome.SURPRISING
    if decision.type in _NOT_VERIFIED:
        return Outcome.SURPRISING if so else Outcome.NOT_VERIFIED
    return Outcome.REFUSED


def check_exchange(decision: Decision, drawn: Exchange, subject: Subject) -> Outcome:
    """How a licence exchange has ended."""
    if decision.type == _SHARED:
        licenses = _licenses(decision.opened.get("answer"))
        right = not drawn.outside and len(licenses) == 1
        right = right and _says(licenses[0], subject)
        return Outcome.ANSWERED if right else Outcome.SURPRISING
    refused = decision.type == _SHARING_REFUSED and decision.reason == NOT_GRANTED
    return _refused(expected=drawn.outside and refused)


def _refused(*, expected: bool) -> Outcome:
    return Outcome.REFUSED_AS_EXPECTED if expected else Outcome.REFUSED


def _is_about(fields: Mapping[str, object], granted: tuple[str, ...], subject: Subject) -> bool:
    names = {fields.get(name, subject.name) for name in _NAMES}
    return fields.keys() == set(granted) and fields[granted[0]] == subject.key and names == {
        subject.name
    }  # fmt: skip


def _licenses(answer: bytes | None) -> list[Mapping[str, Any]]:
    try:
        found = orjson.loads(answer or b"")
    except orjson.JSONDecodeError:
        return []
    licenses = found.get("licenses") if isinstance(found, dict) else None
    return licenses if isinstance(licenses, list) else []


def _says(license_: object, subject: Subject) -> bool:
    """Whether a licence is the subject's, in force, with no field but those of the grant."""
    fields = license_.get("fields") if isinstance(license_, dict) else None
    return (
        isinstance(license_, dict)
        and isinstance(fields, dict)
        and license_.get("state") == "active"
        and fields.keys() <= set(LICENSE_FIELDS)
        and fields.get("holder_code") == subject.key
        and fields.get("holder_name") == subject.name
    )
