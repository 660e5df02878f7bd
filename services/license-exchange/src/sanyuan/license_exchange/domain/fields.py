"""The values of a licence's fields, by the data types of the catalogue guideline.

Character ``C``, memo ``M`` and general ``G`` are texts; numeric ``N`` and currency ``Y`` are
numbers or decimal texts, which lose nothing; double ``B`` and float ``F`` numbers, ``I`` integers,
``D`` dates, ``T`` instants, ``L`` true or false.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Final

from sanyuan.common.contracts.catalog.resources import DataType, Item
from sanyuan.common.errors import SanyuanError
from sanyuan.license_exchange.domain.texts import is_printable, normal

Json = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
MAX_INTEGER: Final = 2**53
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,15})?")


class ContentError(SanyuanError):
    """What a licence says is not what its type promises; ``where`` names the field.

    Never leaves the service's pure part: it becomes a refusal.
    """


def read_fields(items: Mapping[str, Item], given: Mapping[str, object]) -> dict[str, Json]:
    """The fields of a licence, in the order of its type; raises ContentError."""
    if not given.keys() <= items.keys():
        raise ContentError("has a member that the type does not have", where="fields")
    found: dict[str, Json] = {}
    for name, item in items.items():
        value = given.get(name)
        if value is not None:
            found[name] = read_value(item, value)
        elif item.required:
            raise ContentError("is missing", where=f"fields.{name}")
    return found


def read_value(item: Item, value: object) -> Json:
    """One value, normalised; raises ContentError."""
    try:
        return _READERS[item.type](item, value)
    except ValueError as error:
        raise ContentError(str(error), where=f"fields.{item.name}") from None


def read_text(value: object, length: int | None = None) -> str:
    """A text; raises ValueError that does not quote it."""
    if not isinstance(value, str):
        raise ValueError("is no text")  # noqa: TRY004  one kind of error for its caller
    text = normal(value)
    if not text or not is_printable(text):
        raise ValueError("is empty, or holds a control character")
    if length is not None and len(text) > length:
        raise ValueError(f"has more than {length} characters")
    return text


def read_date(value: object) -> str:
    """An ISO 8601 date of our time; raises ValueError that does not quote it."""
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value or not 1900 <= day.year <= 2200:  # noqa: PLR2004
        raise ValueError("is no date like 2026-11-23")
    return day.isoformat()


def _text(item: Item, value: object) -> Json:
    return read_text(value, item.length)


def _decimal(item: Item, value: object) -> Json:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value
    return _number(item, value)


def _number(_item: Item, value: object) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_INTEGER:
        raise ValueError("is no number")
    return value


def _integer(_item: Item, value: object) -> Json:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_INTEGER:
        raise ValueError("is no integer")
    return value


def _date(_item: Item, value: object) -> Json:
    return read_date(value)


def _instant(_item: Item, value: object) -> Json:
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        with suppress(ValueError):
            datetime.fromisoformat(value)
            return value
    raise ValueError("is no instant by RFC 3339")


def _truth(_item: Item, value: object) -> Json:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")  # noqa: TRY004  as above
    return value


_READERS: Final[Mapping[DataType, Callable[[Item, object], Json]]] = {
    "C": _text,
    "M": _text,
    "G": _text,
    "N": _decimal,
    "Y": _decimal,
    "B": _number,
    "F": _number,
    "I": _integer,
    "D": _date,
    "T": _instant,
    "L": _truth,
}
