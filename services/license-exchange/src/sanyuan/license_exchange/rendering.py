"""A licence as an SD-JWT VC, and as the plain fields of an answer (design §6, ADR 0022).

A credential is a function of what is kept: the same licence is the same bytes each time, because
its salts come from the seed of its version and Ed25519 needs no randomness.
"""

from dataclasses import dataclass
from typing import Any

from sanyuan.common.sdjwt.issuing import Issued, issue
from sanyuan.common.sdjwt.keys import SigningJwk
from sanyuan.license_exchange.domain.answers import Pick


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where verifiers find what a credential names; ``base`` is the service's public URL."""

    base: str

    def issuer(self, department: str) -> str:
        """``iss`` of a department's licences."""
        return f"{self.base}/issuers/{department}"

    def vct(self, kind: str) -> str:
        """``vct`` of a licence type."""
        return f"{self.base}/license-types/{kind}"

    def status_list(self, number: int) -> str:
        """``uri`` of a status list."""
        return f"{self.base}/status-lists/{number}"


def render(pick: Pick, key: SigningJwk, addresses: Addresses) -> Issued:
    """The credential of a licence's version.

    In the clear is only what decides about validity (RFC 9901 §9.7); all metadata and fields are
    disclosed one by one.
    """
    content = pick.content
    status = {"idx": pick.place.slot, "uri": addresses.status_list(pick.place.list)}
    claims: dict[str, Any] = {
        "iss": addresses.issuer(pick.issuer),
        "vct": addresses.vct(pick.type),
        "nbf": content.begins,
        "status": {"status_list": status},
    }
    if content.ends is not None:
        claims["exp"] = content.ends
    return issue(claims, content.claims, seed=content.seed, key=key, absent=content.absent)


def answer(pick: Pick, key: SigningJwk, addresses: Addresses) -> dict[str, Any]:
    """What an asker gets of one licence: exactly the picked fields, plain and as a credential."""
    return {
        "license": pick.license,
        "type": pick.type,
        "version": pick.version,
        "state": str(pick.state),
        "fields": pick.content.select(pick.names),
        "sd_jwt": render(pick, key, addresses).present(pick.names),
    }
