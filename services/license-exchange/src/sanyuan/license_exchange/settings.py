"""The settings of license-exchange: the only reader of the environment (``SANYUAN_*``)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from sanyuan.common.database import read_address
from sanyuan.common.environment import Reader, SettingError
from sanyuan.common.working_days import Calendar
from sanyuan.license_exchange.domain.rules import Rules, StatusTimes

_PREFIX: Final = "SANYUAN_LICENSE_EXCHANGE_"
_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~-]+)*")
MAX_ANSWER_DAYS: Final = 250
MAX_BURST_SECONDS: Final = 3600
MAX_CODE_SECONDS: Final = 3600
MAX_LIST_SIZE: Final = 2**24
MAX_STATUS_SECONDS: Final = 30 * 24 * 3600
MAX_PORT: Final = 65_535
_PER_BYTE: Final = 4


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie below ``var``, where HTTP listens and is found, and the rules."""

    var: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8202
    public_url: str = "http://127.0.0.1:8202"
    otlp_endpoint: str | None = None
    database_address: str | None = field(default=None, repr=False)
    """A URL that may hold a password; None: SQLite's own file."""
    rules: Rules = field(default_factory=Rules)
    status_times: StatusTimes = field(default_factory=StatusTimes)

    @property
    def system_file(self) -> Path:
        """Keys and connection of the service."""
        return self.var / "systems" / "license-exchange.json"

    @property
    def secrets_file(self) -> Path:
        """The service's own secrets."""
        return self.var / "license-exchange" / "secrets.json"

    @property
    def database(self) -> str:
        """The address of the service's database: SQLite's file below ``var``, or what was set."""
        return self.database_address or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The service's database, when it is SQLite's."""
        return self.var / "license-exchange" / "license-exchange.db"

    @property
    def traces(self) -> Path:
        """Where spans are written."""
        return self.var / "traces"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read ``SANYUAN_VAR``, ``SANYUAN_OTLP_ENDPOINT`` and ``SANYUAN_LICENSE_EXCHANGE_*``.

        ``…_PUBLIC_URL`` (what licences name: https in production, by default the port of HTTP on
        this machine), ``…_ANSWER_DAYS`` (working days that an issuer has for a dispute),
        ``…_HOLIDAYS`` and ``…_WORKDAYS`` (dates with commas between), ``…_BURST_SECONDS``,
        ``…_CODE_SECONDS``, ``…_LIST_SIZE``, ``…_STATUS_LIFETIME`` and ``…_STATUS_TTL`` (seconds),
        ``…_DATABASE``, ``…_HTTP_HOST``, ``…_HTTP_PORT``. Raises SettingError.
        """
        reader = _Reader(environment, _PREFIX)
        rules, times = Rules(), StatusTimes()
        port = reader.number("HTTP_PORT", 8202, MAX_PORT)
        return cls(
            var=Path(environment.get("SANYUAN_VAR", "var")),
            http_host=environment.get(_PREFIX + "HTTP_HOST", "127.0.0.1"),
            http_port=port,
            public_url=reader.url("PUBLIC_URL", f"http://127.0.0.1:{port}"),
            otlp_endpoint=environment.get("SANYUAN_OTLP_ENDPOINT"),
            database_address=read_address(environment, _PREFIX + "DATABASE"),
            rules=Rules(
                answer_days=reader.number("ANSWER_DAYS", rules.answer_days, MAX_ANSWER_DAYS),
                calendar=Calendar(reader.dates("HOLIDAYS"), reader.dates("WORKDAYS")),
                burst_seconds=reader.number(
                    "BURST_SECONDS", rules.burst_seconds, MAX_BURST_SECONDS
                ),
                code_seconds=reader.number("CODE_SECONDS", rules.code_seconds, MAX_CODE_SECONDS),
                list_size=reader.list_size("LIST_SIZE", rules.list_size),
            ),
            status_times=StatusTimes(
                lifetime=reader.number("STATUS_LIFETIME", times.lifetime, MAX_STATUS_SECONDS),
                ttl=reader.number("STATUS_TTL", times.ttl, MAX_STATUS_SECONDS),
            ),
        )


@dataclass(frozen=True, slots=True)
class _Reader(Reader):
    """With what only licences need."""

    def list_size(self, name: str, default: int) -> int:
        size = self.number(name, default, MAX_LIST_SIZE)
        if size % _PER_BYTE:
            raise SettingError("not a multiple of 4, the places in a byte", where=_PREFIX + name)
        return size

    def url(self, name: str, default: str) -> str:
        text = self.environment.get(_PREFIX + name, default).rstrip("/")
        if _URL.fullmatch(text) is None:
            raise SettingError(
                "not a URL without query and fragment",
                where=_PREFIX + name,
                do="write it like https://licences.example.gov.cn",
            )
        return text
