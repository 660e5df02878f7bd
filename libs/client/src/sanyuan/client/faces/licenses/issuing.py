"""What a department does as the issuer of licences, and the agency with their holders."""

from collections.abc import Mapping
from typing import Any, Unpack

from sanyuan.client.faces.licenses.asking import Around, LicenseAsking, Token, token_bytes
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.license_exchange import (
    AmendLicense,
    DelegateIssuer,
    EraseHolder,
    IssueLicense,
    IssuerKey,
    IssuerOpened,
    LicenseType,
    OpenIssuer,
    RegisterLicenseType,
    ResumeLicense,
    RevokeLicense,
    SuspendLicense,
)

Content = Mapping[str, Any]
"""What a licence says: the JSON object of docs/licenses.md."""


class IssuingFace(LicenseAsking):
    """Types, the issuer's key, and the life of licences.

    Everything here raises MalformedCommandError for what a contract forbids, NoDecisionError after
    ``timeout`` seconds, and what `Connector.send` raises.
    """

    async def register_license_type(
        self, license_type: LicenseType | Mapping[str, Any], **around: Unpack[Around]
    ) -> Decision:
        """Register a licence type of this participant's, or a compatible revision of it."""
        return await self.ask_exchange(
            RegisterLicenseType, {"license_type": license_type}, **around
        )

    async def open_issuer(self, **around: Unpack[Around]) -> Decision:
        """Let license-exchange make the key that will sign this department's licences."""
        return await self.ask_exchange(OpenIssuer, {}, **around)

    async def delegate_issuer(self, key: IssuerKey, **around: Unpack[Around]) -> Decision:
        """Say, in a record for ever, that license-exchange signs for this department under it."""
        return await self.ask_exchange(DelegateIssuer, {"key": key}, **around)

    async def become_issuer(self, **around: Unpack[Around]) -> Decision:
        """`open_issuer` and `delegate_issuer`; the decision of the first if that is refused."""
        opened = await self.open_issuer(**around)
        if not isinstance(opened.message, IssuerOpened):
            return opened
        return await self.delegate_issuer(opened.message.key, **around)

    async def issue_license(
        self,
        license_type: str,
        content: Content,
        *,
        assertion: Token | None = None,
        revision: int | None = None,
        **around: Unpack[Around],
    ) -> Decision:
        """Register a licence; ``assertion`` is about the holder, needed when that is a person.

        ``revision`` of the type by which ``content`` was written, if another one shall be refused.
        """
        data = {"type": license_type, "revision": revision}
        sealed = {"content": dict(content), "assertion": token_bytes(assertion)}
        return await self.ask_exchange(IssueLicense, data, sealed, **around)

    async def amend_license(
        self,
        license_name: str,
        content: Content,
        *,
        grounds: str,
        revision: int | None = None,
        **around: Unpack[Around],
    ) -> Decision:
        """Issue a new version with all of its content; the old one is invalid from here on."""
        data = {"license": license_name, "grounds": grounds, "revision": revision}
        return await self.ask_exchange(AmendLicense, data, {"content": dict(content)}, **around)

    async def suspend_license(
        self, license_name: str, *, grounds: str, **around: Unpack[Around]
    ) -> Decision:
        """Let nobody rely on a licence until it is resumed."""
        data = {"license": license_name, "grounds": grounds}
        return await self.ask_exchange(SuspendLicense, data, **around)

    async def resume_license(
        self, license_name: str, *, grounds: str, **around: Unpack[Around]
    ) -> Decision:
        """Let a suspended licence hold again."""
        data = {"license": license_name, "grounds": grounds}
        return await self.ask_exchange(ResumeLicense, data, **around)

    async def revoke_license(
        self, license_name: str, *, grounds: str, **around: Unpack[Around]
    ) -> Decision:
        """Let nobody rely on a licence any more."""
        data = {"license": license_name, "grounds": grounds}
        return await self.ask_exchange(RevokeLicense, data, **around)

    async def erase_holder(
        self,
        *,
        legal_basis: str,
        assertion: Token | None = None,
        license_name: str | None = None,
        **around: Unpack[Around],
    ) -> Decision:
        """Forget a holder and the content of their licences (agency only).

        Named by an assertion or, when identity knows the person no longer, by one of the licences.
        """
        data = {"legal_basis": legal_basis, "license": license_name}
        sealed = {"assertion": token_bytes(assertion)}
        return await self.ask_exchange(EraseHolder, data, sealed, **around)
