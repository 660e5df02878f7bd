"""Every message by its type, and how its data is parsed."""

from collections.abc import Mapping
from types import MappingProxyType, UnionType
from typing import Final, get_args

from pydantic import ValidationError

from sanyuan.common.contracts import (
    catalog,
    dead_letters,
    identity,
    license_exchange,
    log,
    participants,
)
from sanyuan.common.contracts.message import Json, Message
from sanyuan.common.errors import SanyuanError


class ContractError(SanyuanError):
    """A record's data is not what its type promises."""


class UnknownTypeError(ContractError):
    """No contract has this type, or not on this topic."""


class MalformedDataError(ContractError):
    """The data breaks the contract of its type."""


UNIONS: Final[tuple[object, ...]] = (
    participants.ParticipantsMessage,
    identity.IdentityCommand,
    identity.IdentityDecision,
    identity.IdentityEvent,
    catalog.CatalogCommand,
    catalog.CatalogDecision,
    catalog.CatalogNotice,
    catalog.CatalogEvent,
    license_exchange.LicenseExchangeCommand,
    license_exchange.LicenseExchangeDecision,
    license_exchange.LicenseExchangeNotice,
    license_exchange.LicenseExchangeEvent,
    dead_letters.DeadLettersMessage,
    log.LogMessage,
    log.WithholdEntry,
)


def _members(union: object) -> tuple[type[Message], ...]:
    return get_args(union) if isinstance(union, UnionType) else (union,)


CONTRACTS: Final[Mapping[str, type[Message]]] = MappingProxyType(
    {member.TYPE: member for union in UNIONS for member in _members(union)}
)


def parse_data(kind: str, topic: str, data: Json) -> Message:
    """The message of type ``kind`` in a record of Kafka topic ``topic`` (``inbox`` for any inbox).

    Raises UnknownTypeError or MalformedDataError, which name the field and never its content.
    """
    contract = CONTRACTS.get(kind)
    if contract is None or topic not in contract.TOPICS:
        raise UnknownTypeError(f"{kind} is no type of {topic}", where="type")
    try:
        return contract.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part)[:64] for part in first["loc"][:2]) or "data"
        raise MalformedDataError(first["msg"], where=f"data.{where}") from None
