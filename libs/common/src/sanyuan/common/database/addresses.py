"""Which database: its address as a URL, ``sqlite:///path`` or ``postgresql://user@host/name``."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from sanyuan.common.environment import SettingError

_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_DRIVER: Final = "postgresql+psycopg"


def read_address(environment: Mapping[str, str], name: str) -> str | None:
    """The address in a variable; None without it. Raises SettingError, never quoting the value."""
    text = environment.get(name)
    if text is not None:
        parse_address(text, where=name)
    return text


def parse_address(text: str, *, where: str) -> URL:
    """Take an address apart; raises SettingError that never quotes it: there may be a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refused("not the address of a database", where) from None
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:":
            raise _refused("no file is named", where)
        return url
    if url.drivername not in _SCHEMES:
        raise _refused("neither SQLite nor PostgreSQL", where)
    if "@" in (url.host or ""):
        raise _refused("more than one @: one in a password is written %40", where)
    if not url.database:
        raise _refused("no database is named", where)
    return url.set(drivername=_DRIVER)


def _refused(what: str, where: str) -> SettingError:
    return SettingError(
        what,
        where=where,
        do="write sqlite:////folder/name.db or postgresql://user@host:5432/database",
    )
