"""Disclosures of object members (RFC 9901 §4.2): salt, name and value, named by their digest."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from sanyuan.common.base64url import encode_base64url
from sanyuan.common.sdjwt.errors import DisclosureError, MalformedTokenError
from sanyuan.common.sdjwt.json import decode_part, parse_json

SD: Final = "_sd"
ELLIPSIS: Final = "..."
SD_ALG: Final = "_sd_alg"
SHA_256: Final = "sha-256"
OF_MEMBER: Final = 3
OF_ELEMENT: Final = 2


def make_disclosure(salt: str, name: str, value: object) -> str:
    """The disclosure of an object's member (RFC 9901 §4.2.1)."""
    return encode_base64url(orjson.dumps([salt, name, value])).decode()


def digest_of(disclosure: str) -> str:
    """Over the text of the disclosure, not over what it encodes (RFC 9901 §4.2.3)."""
    return encode_base64url(sha256(disclosure.encode("ascii")).digest()).decode()


def read_disclosure(disclosure: str) -> Sequence[Any]:
    """Its two or three elements; raises DisclosureError or MalformedTokenError."""
    try:
        encoded = disclosure.encode("ascii")
    except UnicodeEncodeError:
        raise MalformedTokenError("a disclosure is base64url") from None
    elements = parse_json(decode_part(encoded))
    if not isinstance(elements, list) or len(elements) not in (OF_ELEMENT, OF_MEMBER):
        raise DisclosureError("a disclosure is an array of two or three elements")
    if not isinstance(elements[0], str):
        raise DisclosureError("the salt of a disclosure is a text")
    return elements
