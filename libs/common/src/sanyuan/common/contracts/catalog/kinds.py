"""What the catalog's messages are sent on and what several of them speak of."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from sanyuan.common.contracts.message import Message

COMMANDS = ("catalog-commands",)
CALLS = ("calls",)
EVENTS = ("catalog-events",)

_YEARS = range(2000, 2200)


def _as_text(value: object) -> object:
    """A number is no instant here, though pydantic would take it for one."""
    if not isinstance(value, str | datetime):
        raise ValueError("an instant is a text by RFC 3339")  # noqa: TRY004  else pydantic passes it
    return value


def _in_utc(moment: datetime) -> datetime:
    """Also bounded, so that no reckoning with it can overflow."""
    if moment.year not in _YEARS:
        raise ValueError(f"an instant lies between {_YEARS.start} and {_YEARS.stop}")
    return moment.astimezone(UTC)


Instant = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_utc)]
"""RFC 3339 with an offset; kept in UTC."""

ResourceCode = Annotated[str, Field(pattern=r"^[1-9][0-9]{5,13}/[0-9]{6}$")]
"""类 1 + 项 2 + 目 3 + 细目 (up to 8) digits, ``/``, sequence number of six digits."""
GrantId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""A request and the grant that comes of it have one id."""
ItemName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""The name by which programs know an item."""
LongText = Annotated[str, Field(min_length=1, max_length=2000)]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Hex of the first 8 bytes of SHA-256 of a sealing key, as in ``info``."""


class Command(Message):
    """Decided by the catalog, once."""

    TOPICS = COMMANDS


class Fact(Message):
    """Public, on ``catalog-events``."""

    TOPICS = EVENTS


class Notice(Message):
    """Told to somebody's inbox because of what somebody else did; decides nothing."""

    TOPICS = ("inbox",)
