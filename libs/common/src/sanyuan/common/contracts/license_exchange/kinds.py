"""What the messages of license-exchange are sent on and what several of them speak of."""

from typing import Annotated

from pydantic import Field

from sanyuan.common.contracts.message import Message

COMMANDS = ("license-exchange-commands",)
EVENTS = ("license-exchange-events",)

PRESENTATION_PURPOSE = "license-presentation"
"""For what identity has verified a holder who presents a licence; nothing else opens one."""

TypeCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{18}[0-9]{3}$")]
"""GB/T 36904: the credit code of the body that defines the type, and three digits."""
LicenseHandle = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""How records name a licence: the same for all its versions, and says nothing about it.

The identifier by GB/T 36904 is content, and travels sealed.
"""
DisputeId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
KeyThumbprint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""RFC 7638 with SHA-256: the ``kid`` of an issuer key."""
Grounds = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9-]*$")]
"""Why a licence is changed, as a word and not a text: values are kept for ever."""


class Command(Message):
    """Decided by license-exchange, once."""

    TOPICS = COMMANDS


class Fact(Message):
    """Public, on ``license-exchange-events``: no person and nobody's licence."""

    TOPICS = EVENTS


class Notice(Message):
    """Told to somebody's inbox because of what somebody else did; decides nothing."""

    TOPICS = ("inbox",)
