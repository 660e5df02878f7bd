"""Base64url as JOSE writes it (RFC 7515 §2): no padding, one spelling for each value."""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Final

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_STANDARD_ONLY: Final = b"+/="


def encode_base64url(raw: bytes) -> bytes:
    """Encode without padding."""
    return b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=")


def decode_base64url(encoded: bytes) -> bytes:
    """Decode strictly; raises binascii.Error for padding, other characters, idle bits."""
    if encoded.translate(None, _STANDARD_ONLY) != encoded:
        raise Base64Error("not base64url without padding")
    padded = encoded.translate(_TO_STANDARD) + b"=" * (-len(encoded) % 4)
    raw = a2b_base64(padded, strict_mode=True)
    if encode_base64url(raw) != encoded:
        raise Base64Error("the last character holds idle bits")
    return raw
