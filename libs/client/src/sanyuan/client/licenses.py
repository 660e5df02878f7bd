"""Checking a licence as any verifier does: credential, trusted keys, status (design §6).

The credential says who issued it; which keys are that department's is public on
``license-exchange-events``; the status list is fetched and its signature checked, so that whoever
serves it can only withhold it. Nothing is asked of license-exchange, and it does not know who asks.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import httpx

from sanyuan.client import facts
from sanyuan.common.contracts.license_exchange import IssuerDelegated
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.identifiers import IdentifierError
from sanyuan.common.license_identifiers import parse_identifier
from sanyuan.common.record import RawRecord
from sanyuan.common.sdjwt import jws
from sanyuan.common.sdjwt.credential import Credential, verify_credential
from sanyuan.common.sdjwt.errors import ClaimError, StatusError
from sanyuan.common.sdjwt.keys import KeySet, key_set
from sanyuan.common.sdjwt.statuslist import MEDIA_TYPE, Status, check_status

SERVICE: Final = "license-exchange"
EVENTS: Final = "license-exchange-events"
TIMEOUT_SECONDS: Final = 10.0


class StatusUnavailableError(SanyuanError):
    """A status list cannot be fetched: nothing can be said about the status."""


@dataclass(frozen=True, slots=True)
class CheckedLicense:
    """A credential that its issuer has signed, and what its status is now."""

    credential: Credential
    status: Status


def fold_issuers(raws: Sequence[RawRecord], directory: Directory) -> Mapping[str, KeySet]:
    """Every key that was ever delegated, by the credit code of its department.

    Raises DirectoryError while license-exchange is not registered.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for fact in facts.facts_of(SERVICE, EVENTS, raws, directory):
        if isinstance(fact, IssuerDelegated):
            keys[fact.department].append(fact.key.x)
    return {department: key_set(*public) for department, public in keys.items()}


class LicenseChecker:
    """Checks licences of departments whose keys are known; open with `open`.

    A department is known by its keys, wherever it says that it is found.
    """

    def __init__(self, keys: Mapping[str, KeySet], client: httpx.AsyncClient) -> None:
        self._keys = keys
        self._client = client

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, keys: Mapping[str, KeySet]) -> AsyncIterator[Self]:
        """With an HTTP client of its own."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            yield cls(keys, client)

    async def check(self, sd_jwt: str, *, at: float | None = None) -> CheckedLicense:
        """Verify a presentation and fetch its status; raises SdJwtError, StatusUnavailableError."""
        now = time.time() if at is None else at
        issuer = _issuer_of(sd_jwt)
        base, _, department = issuer.rpartition("/issuers/")
        keys = {issuer: self._keys.get(department, {})}
        credential = verify_credential(sd_jwt, keys, at=now)
        _check_identifier(credential, department)
        status = credential.status
        # Where the issuer is found, and nowhere else.
        if status is None or not status.uri.startswith(f"{base}/"):
            raise StatusError("the status list lies somewhere else than its issuer")
        token = await self._fetch(status.uri)
        return CheckedLicense(credential, check_status(credential, token, keys, at=now))

    async def _fetch(self, uri: str) -> str:
        try:
            found = await self._client.get(uri, headers={"Accept": MEDIA_TYPE})
            found.raise_for_status()
        except httpx.HTTPError as error:
            raise StatusUnavailableError(
                f"the status list cannot be fetched: {type(error).__name__}",
                where=uri,
                do="try again, or decide without a status",
            ) from None
        return found.text


def _check_identifier(credential: Credential, department: str) -> None:
    """A disclosed identifier (GB/T 36904) is of this issuer and type; raises ClaimError."""
    written = credential.claims.get("license_identifier")
    if written is None:
        return
    try:
        identifier = parse_identifier(str(written))
    except IdentifierError as error:
        raise ClaimError(error.what, where="license_identifier") from None
    kind = credential.type.rpartition("/")[2]
    if (identifier.issuer, identifier.type) != (department, kind):
        raise ClaimError("it is of another issuer or type", where="license_identifier")


def _issuer_of(sd_jwt: str) -> str:
    """Who a presentation says has issued it; raises MalformedTokenError."""
    return str(jws.read(sd_jwt.split("~", 1)[0]).payload.get("iss"))
