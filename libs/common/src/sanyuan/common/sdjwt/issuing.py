"""Issuing and presenting: claims in the clear, and those that are disclosed one by one.

Salts come from one random seed of the credential (RFC 9901 §9.3): HMAC under 256 secret bits, so
that no salt says anything about another, and the same credential is made again byte for byte.
"""

import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sanyuan.common.base64url import encode_base64url
from sanyuan.common.sdjwt import jws
from sanyuan.common.sdjwt.disclosures import SD, SD_ALG, SHA_256, digest_of, make_disclosure
from sanyuan.common.sdjwt.keys import SigningJwk

TYPE: Final = "dc+sd-jwt"
SALT_BYTES: Final = 16
"""128 bits, what RFC 9901 §9.3 recommends at least."""


@dataclass(frozen=True, slots=True)
class Issued:
    """An issuer-signed JWT, and the disclosure of each selectable claim."""

    jwt: str = field(repr=False)
    disclosures: Mapping[str, str] = field(repr=False)

    def present(self, names: Collection[str]) -> str:
        """The SD-JWT that discloses these claims and no other (RFC 9901 §7.2)."""
        chosen = [text for name, text in self.disclosures.items() if name in names]
        return "~".join([self.jwt, *chosen, ""])


def issue(
    claims: Mapping[str, Any],
    selectable: Mapping[str, Any],
    *,
    seed: bytes,
    key: SigningJwk,
    absent: Iterable[str] = (),
) -> Issued:
    """Sign ``claims`` in the clear and digests of ``selectable``.

    A decoy stands for each name in ``absent`` (RFC 9901 §4.2.5), so that the number of digests says
    nothing about which claims there are. Digests are sorted, which hides their order.
    """
    disclosures = {
        name: make_disclosure(_derive(seed, "salt", name, SALT_BYTES), name, value)
        for name, value in selectable.items()
    }
    digests = [digest_of(text) for text in disclosures.values()]
    digests += [_derive(seed, "decoy", name, 32) for name in absent]
    payload = {**claims, SD: sorted(digests), SD_ALG: SHA_256}
    return Issued(jws.sign(payload, typ=TYPE, key=key), disclosures)


def _derive(seed: bytes, use: str, name: str, length: int) -> str:
    raw = hmac.digest(seed, f"sanyuan-{use}-v1\n{name}".encode(), "sha256")[:length]
    return encode_base64url(raw).decode()
