"""One-time codes by which holders show a licence (亮证; design §6).

The holder's assertion, for the purpose of presenting and nothing else, is what lets the fields
leave; the code carries that once, for minutes, to whoever redeems it (ADR 0024). Only an index of a
code is kept.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

DAY: Final = 24 * 3600 * 1_000_000


class Presentation(NamedTuple):
    """What a code opens; ``expires_at`` in µs since 1970 UTC."""

    license: str
    fields: frozenset[str]
    expires_at: int
    is_used: bool = False


class CodeState(StrEnum):
    """What a code is in."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


def code_state(presentation: Presentation | None, at: int) -> CodeState:
    """The state at ``at``. A day after its end a code is as unknown as any other."""
    if presentation is None or at >= forget_at(presentation):
        return CodeState.UNKNOWN
    if presentation.is_used:
        return CodeState.USED
    return CodeState.OPEN if at < presentation.expires_at else CodeState.EXPIRED


def forget_at(presentation: Presentation) -> int:
    """From when on the row means nothing."""
    return presentation.expires_at + DAY


REASONS: Final[Mapping[CodeState, tuple[str, str]]] = {
    CodeState.USED: ("code-used", "the code was shown before: let the holder open another"),
    CodeState.EXPIRED: ("code-expired", "the code has run out: let the holder open another"),
    CodeState.UNKNOWN: ("unknown-code", "nobody has opened this code"),
}
