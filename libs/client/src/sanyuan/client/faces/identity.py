"""What a system asks identity."""

from collections.abc import Mapping
from typing import Literal

from sanyuan.client.faces.asking import TIMEOUT_SECONDS, Asking
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.identity import (
    ErasePerson,
    RevokeAssertion,
    VerifyOrganisation,
    VerifyPerson,
)

Audience = Literal["license-exchange", "catalog"]


class IdentityFace(Asking):
    """Verifications, and what becomes of their assertions."""

    async def verify_person(  # noqa: PLR0913  every field of the message is one
        self,
        *,
        name: str,
        number: str,
        purpose: str | None,
        legal_basis: str,
        mobile: str | None = None,
        audience: Audience = "license-exchange",
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  a caller states it in seconds
        sampled: bool | None = None,
    ) -> Decision:
        """Ask identity whether name and number (and mobile) belong to one person.

        Raises NoDecisionError after ``timeout`` seconds and what `Connector.send` raises.
        """
        subject = {"name": name, "number": number} | ({"mobile": mobile} if mobile else {})
        data = {"purpose": purpose, "legal_basis": legal_basis, "audience": audience}
        return await self.ask(
            VerifyPerson,
            data,
            {"subject": subject},
            case=case,
            actor=actor,
            timeout=timeout,
            sampled=sampled,
        )

    async def verify_organisation(  # noqa: PLR0913  as above
        self,
        *,
        name: str,
        code: str,
        purpose: str | None,
        legal_basis: str,
        representative: Mapping[str, str] | None = None,
        audience: Audience = "license-exchange",
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
        sampled: bool | None = None,
    ) -> Decision:
        """Ask identity whether name and credit code (and legal representative) belong together.

        ``representative`` is ``{"name", "number"}``. Raises as `verify_person`.
        """
        subject: dict[str, object] = {"name": name, "code": code}
        if representative is not None:
            subject["representative"] = dict(representative)
        data = {"purpose": purpose, "legal_basis": legal_basis, "audience": audience}
        return await self.ask(
            VerifyOrganisation,
            data,
            {"subject": subject},
            case=case,
            actor=actor,
            timeout=timeout,
            sampled=sampled,
        )

    async def revoke_assertion(
        self,
        jti: str,
        *,
        case: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Ask identity to revoke an assertion that this participant obtained."""
        return await self.ask(RevokeAssertion, {"jti": jti}, {}, case=case, timeout=timeout)

    async def erase_person(
        self,
        number: str,
        *,
        legal_basis: str,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Ask identity to forget the secret behind a person's pseudonyms (agency only)."""
        subject = {"number": number}
        return await self.ask(
            ErasePerson, {"legal_basis": legal_basis}, {"subject": subject}, timeout=timeout
        )
