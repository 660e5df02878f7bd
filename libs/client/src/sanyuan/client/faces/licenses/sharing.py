"""Fields of licences: under a grant, or by a holder's one-time code; and how to check them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, Unpack

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sanyuan.client import facts
from sanyuan.client.faces.licenses.asking import Around, LicenseAsking, Token, token_bytes
from sanyuan.client.inbox import Decision
from sanyuan.client.licenses import EVENTS, CheckedLicense, LicenseChecker, fold_issuers
from sanyuan.common.contracts.license_exchange import (
    LicenseFieldsShared,
    OpenPresentation,
    PresentationOpened,
    PresentationVerified,
    RequestLicenseFields,
    VerifyPresentation,
)
from sanyuan.common.errors import SanyuanError

T = TypeVar("T")


class UnreadableAnswerError(SanyuanError):
    """An answer of license-exchange does not open, or is not what its contract says."""


class SharedLicense(BaseModel):
    """What was given of one licence: plain, and as an SD-JWT VC that anybody can check."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    license: str
    type: str
    version: int
    state: str
    fields: dict[str, Any] = Field(repr=False)
    sd_jwt: str = Field(repr=False)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    licenses: tuple[SharedLicense, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LicensesShared:
    """The holder's licences of the type; none is an answer too.

    ``others`` had no room: ask for each by its name.
    """

    licenses: tuple[SharedLicense, ...]
    others: tuple[str, ...]
    record: Decision = field(repr=False)


@dataclass(frozen=True, slots=True)
class Presentation:
    """A one-time code for whoever is to see the licence, good until ``expires_at``."""

    expires_at: datetime
    record: Decision = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing was given, for a machine-readable reason."""

    reason: str
    detail: str | None
    record: Decision = field(repr=False)


_SHARED: Final = TypeAdapter(SharedLicense)
_ANSWER: Final = TypeAdapter(_Answer)
_CODE: Final = TypeAdapter(dict[str, str])


class SharingFace(LicenseAsking):
    """Takes over and shows licences.

    Everything that asks raises MalformedCommandError for what a contract forbids, NoDecisionError
    after ``timeout`` seconds, UnreadableAnswerError, and what `Connector.send` raises.
    """

    async def request_license_fields(
        self,
        license_type: str,
        *,
        fields: Sequence[str],
        purpose: str,
        grant: str,
        assertion: Token,
        license_name: str | None = None,
        **around: Unpack[Around],
    ) -> LicensesShared | Declined:
        """Take fields over from their issuer, under a grant, of the holder in the assertion."""
        data = {
            "type": license_type,
            "fields": tuple(fields),
            "purpose": purpose,
            "grant": grant,
            "license": license_name,
        }
        sealed = {"assertion": token_bytes(assertion)}
        record = await self.ask_exchange(RequestLicenseFields, data, sealed, **around)
        if not isinstance(record.message, LicenseFieldsShared):
            return _declined(record)
        answer = _read(_ANSWER, record, "answer")
        return LicensesShared(answer.licenses, answer.others, record)

    async def present(
        self,
        license_type: str,
        *,
        fields: Sequence[str],
        assertion: Token,
        license_name: str | None = None,
        **around: Unpack[Around],
    ) -> Presentation | Declined:
        """Open a one-time code for the holder in the assertion (亮证).

        The assertion is for the purpose ``license-presentation``.
        """
        data = {"type": license_type, "fields": tuple(fields), "license": license_name}
        sealed = {"assertion": token_bytes(assertion)}
        record = await self.ask_exchange(OpenPresentation, data, sealed, **around)
        if not isinstance(record.message, PresentationOpened):
            return _declined(record)
        code = _read(_CODE, record, "code").get("code", "")
        return Presentation(record.message.expires_at, record, code)

    async def verify_presentation(
        self, code: str, *, purpose: str, **around: Unpack[Around]
    ) -> SharedLicense | Declined:
        """Redeem a holder's one-time code."""
        record = await self.ask_exchange(
            VerifyPresentation, {"purpose": purpose}, {"code": {"code": code}}, **around
        )
        if not isinstance(record.message, PresentationVerified):
            return _declined(record)
        return _read(_SHARED, record, "answer")

    async def check_license(self, sd_jwt: str, *, at: float | None = None) -> CheckedLicense:
        """Check a credential as any verifier does, and its status now (or at ``at``).

        Issuers' keys are those on ``license-exchange-events``. Raises SdJwtError, CatchUpError,
        StatusUnavailableError.
        """
        raws = await facts.read_facts(self._system, EVENTS)
        keys = fold_issuers(raws, await self._connector.refresh())
        async with LicenseChecker.open(keys) as checker:
            return await checker.check(sd_jwt, at=at)


def _declined(record: Decision) -> Declined:
    detail = getattr(record.message, "detail", None)
    return Declined(record.reason or record.type, detail, record)


def _read(adapter: TypeAdapter[T], record: Decision, name: str) -> T:
    plaintext = record.opened.get(name)
    try:
        return adapter.validate_python(orjson.loads(plaintext or b""))
    except (orjson.JSONDecodeError, ValidationError):
        raise UnreadableAnswerError(
            f"the attachment {name} does not open or is not what the contract says",
            where=f"{record.topic}, offset {record.offset}",
        ) from None
