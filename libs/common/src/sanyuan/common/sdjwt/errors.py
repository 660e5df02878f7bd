"""Why a credential or a status list is refused; nothing here quotes what it was given."""

from sanyuan.common.errors import SanyuanError


class SdJwtError(SanyuanError):
    """A presentation, or the status list that it names, is not what it should be."""


class MalformedTokenError(SdJwtError):
    """Not a compact JWS, not its JSON, or not in the form of an SD-JWT (RFC 9901 §4)."""


class UntrustedTokenError(SdJwtError):
    """No key of the issuer has signed it, or under an algorithm that is not accepted."""


class DisclosureError(SdJwtError):
    """Disclosures and digests do not fit each other (RFC 9901 §7.1 steps 3 to 5)."""


class ClaimError(SdJwtError):
    """A claim that has to be there is missing, or forbids the use (RFC 9901 §7.1 step 6)."""


class StatusError(SdJwtError):
    """Nothing can be said about the status (Token Status List §8.3)."""
