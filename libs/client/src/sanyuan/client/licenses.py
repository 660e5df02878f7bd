"""Checking a licence as any verifier does: credential, trusted keys, status (design §6).

The credential says who issued it; which keys are that department's is public on
``license-exchange-events``; the status list is fetched and its signature checked, so that whoever
serves it can only withhold it. Nothing is asked of license-exchange, and it does not know who asks.
"""

import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

import httpx

from sanyuan.client import facts
from sanyuan.common.contracts.license_exchange import IssuerDelegated
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.record import RawRecord
from sanyuan.common.sdjwt.credential import Credential, verify_credential
from sanyuan.common.sdjwt.errors import StatusError
from sanyuan.common.sdjwt.keys import IssuerKeys, key_set
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


def fold_issuers(raws: Sequence[RawRecord], directory: Directory, base: str) -> IssuerKeys:
    """Every key that was ever delegated, by ``iss``; ``base`` is where license-exchange is found.

    Raises DirectoryError while it is not registered.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for fact in facts.facts_of(SERVICE, EVENTS, raws, directory):
        if isinstance(fact, IssuerDelegated):
            keys[f"{base}/issuers/{fact.department}"].append(fact.key.x)
    return {issuer: key_set(*public) for issuer, public in keys.items()}


class LicenseChecker:
    """Checks licences of some issuers; open with `open`."""

    def __init__(self, keys: IssuerKeys, base: str, client: httpx.AsyncClient) -> None:
        self._keys = keys
        self._base = base
        self._client = client

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, keys: IssuerKeys, base: str) -> AsyncIterator[Self]:
        """With an HTTP client of its own."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            yield cls(keys, base, client)

    async def check(self, sd_jwt: str, *, at: float | None = None) -> CheckedLicense:
        """Verify a presentation and fetch its status; raises SdJwtError, StatusUnavailableError."""
        now = time.time() if at is None else at
        credential = verify_credential(sd_jwt, self._keys, at=now)
        status = credential.status
        # Else a credential could send its verifier anywhere (RFC 9901 says nothing about it).
        if status is None or not status.uri.startswith(f"{self._base}/"):
            raise StatusError("the status list lies somewhere else than license-exchange")
        token = await self._fetch(status.uri)
        return CheckedLicense(credential, check_status(credential, token, self._keys, at=now))

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
