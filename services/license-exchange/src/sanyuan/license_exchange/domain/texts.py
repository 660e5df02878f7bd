"""Texts of licences: kept as their issuer wrote them, compared whatever their normal form.

A text is kept in NFC, which changes nothing that anybody can see. Names and numbers are kept as
identity keeps them (half width, one middle dot). Two texts are equal when they are equal in NFKC
without invisible characters and idle spaces, so that every normal form and width of a text is that
text.
"""

import unicodedata
from typing import Final

from sanyuan.common.identifiers import normalise_name

_KEPT_CONTROLS: Final = frozenset("\n\t")
_CONTROL: Final = "Cc"
_SURROGATE: Final = "Cs"


def normal(text: str) -> str:
    """NFC without spaces around it."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", text).strip()


def is_printable(text: str) -> bool:
    """Whether a text holds no control character but line ends and tabs."""
    if text.isprintable():
        return True
    return not any(
        unicodedata.category(character) in (_CONTROL, _SURROGATE)
        for character in text
        if character not in _KEPT_CONTROLS
    )


def folded(value: object) -> object:
    """What a JSON value is compared by."""
    if isinstance(value, str):
        return normalise_name(value)
    if isinstance(value, dict):
        return {name: folded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [folded(each) for each in value]
    return value
