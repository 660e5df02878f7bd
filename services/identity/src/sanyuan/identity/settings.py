"""Identity's settings: the only reader of the environment (``SANYUAN_*``)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter, ValidationError

from sanyuan.common.database import read_address
from sanyuan.common.environment import Reader, SettingError
from sanyuan.common.rates import Rate
from sanyuan.identity.domain.locks import LockRules
from sanyuan.identity.domain.rules import TERMS, Rules, Terms

_SECOND: Final = 1_000_000
_PREFIX: Final = "SANYUAN_IDENTITY_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie below ``var``, where HTTP listens, and the rules."""

    var: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8201
    otlp_endpoint: str | None = None
    database_address: str | None = field(default=None, repr=False)
    """A URL that may hold a password; None: SQLite's own file."""
    rules: Rules = field(default_factory=Rules)

    @property
    def system_file(self) -> Path:
        """Keys and connection of the service."""
        return self.var / "systems" / "identity.json"

    @property
    def secrets_file(self) -> Path:
        """The service's own secrets."""
        return self.var / "identity" / "secrets.json"

    @property
    def database(self) -> str:
        """The address of the service's database: SQLite's file below ``var``, or what was set."""
        return self.database_address or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The service's database, when it is SQLite's."""
        return self.var / "identity" / "identity.db"

    @property
    def population_register(self) -> Path:
        """The synthetic population register."""
        return self.var / "registers" / "population.db"

    @property
    def legal_entity_register(self) -> Path:
        """The synthetic legal-entity register."""
        return self.var / "registers" / "legal-entity.db"

    @property
    def traces(self) -> Path:
        """Where spans are written."""
        return self.var / "traces"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read ``SANYUAN_VAR``, ``SANYUAN_OTLP_ENDPOINT`` and ``SANYUAN_IDENTITY_*``.

        ``…_LOCK_FAILURES``, ``…_LOCK_WINDOW`` and ``…_LOCK_DURATION`` (seconds), ``…_RATE`` (a
        second), ``…_BURST``, ``…_DATABASE``, ``…_HTTP_HOST``, ``…_HTTP_PORT``, and ``…_TERMS`` as
        JSON: purpose → ``{"lifetime": seconds, "uses": n}``. Raises SettingError.
        """
        reader = _Reader(environment, _PREFIX)
        locks, rate = LockRules(), Rate()
        return cls(
            var=Path(environment.get("SANYUAN_VAR", "var")),
            http_host=environment.get(_PREFIX + "HTTP_HOST", "127.0.0.1"),
            http_port=reader.number("HTTP_PORT", 8201),
            otlp_endpoint=environment.get("SANYUAN_OTLP_ENDPOINT"),
            database_address=read_address(environment, _PREFIX + "DATABASE"),
            rules=Rules(
                locks=LockRules(
                    max_failures=reader.number("LOCK_FAILURES", locks.max_failures),
                    window=reader.number("LOCK_WINDOW", locks.window // _SECOND) * _SECOND,
                    duration=reader.number("LOCK_DURATION", locks.duration // _SECOND) * _SECOND,
                ),
                rate=Rate(
                    per_second=reader.number("RATE", rate.per_second),
                    burst=reader.number("BURST", rate.burst),
                ),
                terms=reader.terms("TERMS"),
            ),
        )


@dataclass(frozen=True, slots=True)
class _Reader(Reader):
    """With what only verifications need."""

    def terms(self, name: str) -> Mapping[str, Terms]:
        text = self.environment.get(_PREFIX + name)
        if text is None:
            return TERMS
        try:
            return TypeAdapter(dict[str, Terms]).validate_json(text)
        except ValidationError as error:
            raise SettingError(
                f"not the terms of purposes: {error.errors()[0]['msg']}",
                where=_PREFIX + name,
                do='write JSON like {"food-business-licence": {"lifetime": 432000, "uses": 20}}',
            ) from None
