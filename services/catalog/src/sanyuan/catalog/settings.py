"""The catalog's settings: the only reader of the environment (``SANYUAN_*``)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from sanyuan.catalog.domain.rules import Rules
from sanyuan.common.environment import Reader, SettingError
from sanyuan.common.working_days import Calendar

_PREFIX: Final = "SANYUAN_CATALOG_"
MAX_ANSWER_DAYS: Final = 250
MAX_BURST_SECONDS: Final = 3600
MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie below ``var``, where HTTP listens, and the rules."""

    var: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8203
    url: str = "http://127.0.0.1:8203"
    """The address under which the catalogue is known: the IRIs of its export begin with it."""
    otlp_endpoint: str | None = None
    rules: Rules = field(default_factory=Rules)

    @property
    def system_file(self) -> Path:
        """Keys and connection of the service."""
        return self.var / "systems" / "catalog.json"

    @property
    def database(self) -> Path:
        """The service's database."""
        return self.var / "catalog" / "catalog.db"

    @property
    def exports(self) -> Path:
        """Where the catalogue is exported to."""
        return self.var / "catalog" / "exports"

    @property
    def traces(self) -> Path:
        """Where spans are written."""
        return self.var / "traces"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read ``SANYUAN_VAR``, ``SANYUAN_OTLP_ENDPOINT`` and ``SANYUAN_CATALOG_*``.

        ``…_ANSWER_DAYS`` (working days that a provider has), ``…_HOLIDAYS`` and ``…_WORKDAYS``
        (dates with commas between: days off besides weekends, and weekend days that are worked),
        ``…_BURST_SECONDS``, ``…_HTTP_HOST``, ``…_HTTP_PORT``, ``…_URL``. Raises SettingError.
        """
        reader = Reader(environment, _PREFIX)
        if reader.text("DATABASE") is not None:
            raise SettingError(
                "the catalogue is searched by SQLite's full-text index and has no other store",
                where=_PREFIX + "DATABASE",
                do="leave it out",
            )
        rules = Rules()
        host = environment.get(_PREFIX + "HTTP_HOST", "127.0.0.1")
        port = reader.number("HTTP_PORT", 8203, MAX_PORT)
        return cls(
            var=Path(environment.get("SANYUAN_VAR", "var")),
            http_host=host,
            http_port=port,
            url=environment.get(_PREFIX + "URL", f"http://{host}:{port}").rstrip("/"),
            otlp_endpoint=environment.get("SANYUAN_OTLP_ENDPOINT"),
            rules=Rules(
                answer_days=reader.number("ANSWER_DAYS", rules.answer_days, MAX_ANSWER_DAYS),
                calendar=Calendar(
                    holidays=reader.dates("HOLIDAYS"), workdays=reader.dates("WORKDAYS")
                ),
                burst_seconds=reader.number(
                    "BURST_SECONDS", rules.burst_seconds, MAX_BURST_SECONDS
                ),
            ),
        )
