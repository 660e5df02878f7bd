"""How licence fields leave: under a grant, or by a holder's one-time code (design §6)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sanyuan.common.contracts.catalog.kinds import GrantId, Instant, ItemName
from sanyuan.common.contracts.license_exchange.kinds import Command, LicenseHandle, TypeCode
from sanyuan.common.contracts.message import Attachment, Decided, Purpose, Refused

FieldNames = Annotated[tuple[ItemName, ...], Field(min_length=1, max_length=120)]


class _Asking(Command):
    """Names fields, each once."""

    fields: FieldNames

    @model_validator(mode="after")
    def _names_each_field_once(self) -> Self:
        if len(set(self.fields)) != len(self.fields):
            raise ValueError("a field is named twice")
        return self


class RequestLicenseFields(_Asking):
    """Give these fields of the holder's licences of one type, under a grant of the catalog.

    ``assertion``, sealed to license-exchange: the JWT of identity about the holder, for the purpose
    of the grant. ``license`` asks for one of them, by the name that an answer has given.
    """

    TYPE = "license-exchange.request-license-fields.v1"
    SEALED = ("assertion",)
    type: TypeCode
    purpose: Purpose
    grant: GrantId
    license: LicenseHandle | None = None
    assertion: Attachment


class LicenseFieldsShared(Decided):
    """Metered and answered, also when the holder has no such licence.

    ``answer``, sealed to the sender: JSON ``{"licenses": [{"license", "version", "state",
    "fields", "sd_jwt"}], "others": [...]}``; ``others`` names those that had no room.
    """

    TYPE = "license-exchange.license-fields-shared.v1"
    SEALED = ("answer",)
    type: TypeCode
    grant: GrantId
    fields: FieldNames
    answer: Attachment


class SharingRefused(Refused):
    """No field has left, and nothing was metered."""

    TYPE = "license-exchange.sharing-refused.v1"
    reason: Literal[
        "unknown-grant",
        "not-yours",
        "grant-revoked",
        "grant-expired",
        "wrong-type",
        "wrong-provider",
        "wrong-purpose",
        "field-not-granted",
        "unknown-type",
        "unknown-field",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-expired",
        "assertion-revoked",
        "assertion-used-up",
        "quota",
        "rate",
    ]
    fields: Annotated[tuple[ItemName, ...], Field(max_length=120)] = ()
    """Those that were not granted, or that the type does not have."""


class OpenPresentation(_Asking):
    """A holder wants to show these fields to somebody (亮证).

    ``assertion``, sealed to license-exchange: the JWT of identity about the holder, for the purpose
    ``license-presentation``. ``license`` says which, when the holder has several of the type.
    """

    TYPE = "license-exchange.open-presentation.v1"
    SEALED = ("assertion",)
    type: TypeCode
    license: LicenseHandle | None = None
    assertion: Attachment


class PresentationOpened(Decided):
    """``code``, sealed to the sender: JSON ``{"code"}``, good once until ``expires_at``."""

    TYPE = "license-exchange.presentation-opened.v1"
    SEALED = ("code",)
    expires_at: Instant
    code: Attachment


class VerifyPresentation(Command):
    """Redeem a one-time code; ``code``, sealed to license-exchange: JSON ``{"code"}``."""

    TYPE = "license-exchange.verify-presentation.v1"
    SEALED = ("code",)
    purpose: Purpose
    code: Attachment


class PresentationVerified(Decided):
    """``answer``, sealed to the sender: one licence as in `LicenseFieldsShared`, with ``type``."""

    TYPE = "license-exchange.presentation-verified.v1"
    SEALED = ("answer",)
    purpose: Purpose
    answer: Attachment


class PresentationRefused(Refused):
    """Nothing was opened or shown."""

    TYPE = "license-exchange.presentation-refused.v1"
    reason: Literal[
        "unknown-type",
        "unknown-field",
        "unknown-license",
        "several-licenses",
        "license-suspended",
        "license-revoked",
        "license-expired",
        "license-erased",
        "assertion-invalid",
        "assertion-not-for-you",
        "assertion-expired",
        "assertion-revoked",
        "assertion-used-up",
        "code-missing",
        "unknown-code",
        "code-used",
        "code-expired",
    ]
    fields: Annotated[tuple[ItemName, ...], Field(max_length=120)] = ()
