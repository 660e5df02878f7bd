"""JSON as it has one meaning: no member twice, no NaN, no lone surrogate, not too deep."""

import json
from binascii import Error as Base64Error
from typing import Any, Final, NoReturn

import orjson

from sanyuan.common.base64url import decode_base64url
from sanyuan.common.sdjwt.errors import MalformedTokenError

MAX_DEPTH: Final = 32


def parse_json(raw: bytes) -> Any:  # noqa: ANN401  any JSON
    """Parse strictly; raises MalformedTokenError.

    RFC 7515 §4 and RFC 7519 §4 let a reader take the last of two members of one name: two readers
    could then see two documents under one signature, so we refuse.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_members, parse_constant=_refuse)
        orjson.dumps(value)  # refuses lone surrogates, and integers beyond 64 bits
    except (ValueError, TypeError, RecursionError):
        raise MalformedTokenError("the JSON of a token is malformed or ambiguous") from None
    return value


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object; raises MalformedTokenError."""
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise MalformedTokenError("a token holds a JSON object")
    return value


def decode_part(encoded: bytes) -> bytes:
    """A part of a token; raises MalformedTokenError."""
    try:
        return decode_base64url(encoded)
    except Base64Error:
        raise MalformedTokenError("a part of a token is not base64url without padding") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
