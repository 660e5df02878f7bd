"""Audit's settings: the only reader of the environment (`SANYUAN_*`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from sanyuan.audit.room import MIB
from sanyuan.common.database import read_address
from sanyuan.common.environment import SettingError
from sanyuan.common.logkeys import LOG_KEY_FILE
from sanyuan.common.rules import RuleError
from sanyuan.common.tlog.policy import Policy

_PREFIX: Final = "SANYUAN_AUDIT_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie below `var`, where HTTP listens, and the log's two times, in seconds."""

    var: Path
    http_host: str = "127.0.0.1"
    http_port: int = 8204
    otlp_endpoint: str | None = None
    database_address: str | None = field(default=None, repr=False)
    """A URL that may hold a password; None: SQLite's own file."""
    checkpoint_seconds: float = 0.5
    """Between two checkpoints while something is new."""
    gap_seconds: float = 60.0
    """How long a place may stay open before the log says so."""
    witness_policy: Path | None = None
    """A C2SP tlog-policy with the witnesses to ask and their quorum; None: nobody is asked."""
    witness_seconds: float = 1.0
    """Between two checkpoints that witnesses are asked to cosign."""
    room_bytes: int = 256 * MIB
    """What must be free on the disks of database and log for records to be taken."""

    @property
    def system_file(self) -> Path:
        """Keys and connection of the service."""
        return self.var / "systems" / "audit.json"

    @property
    def log_key_file(self) -> Path:
        """The log's own key."""
        return self.var / LOG_KEY_FILE

    @property
    def database(self) -> str:
        """The address of the service's database: SQLite's file below `var`, or what was set."""
        return self.database_address or f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The service's database, when it is SQLite's."""
        return self.var / "audit" / "audit.db"

    @property
    def log_folder(self) -> Path:
        """The current log as a tlog-tiles folder."""
        return self.var / "audit" / "log"

    @property
    def traces(self) -> Path:
        """Where spans are written."""
        return self.var / "traces"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `SANYUAN_VAR`, `SANYUAN_OTLP_ENDPOINT` and `SANYUAN_AUDIT_*`.

        `…_DATABASE`, `…_HTTP_HOST`, `…_HTTP_PORT`, `…_CHECKPOINT_SECONDS`, `…_GAP_SECONDS`,
        `…_WITNESS_POLICY`, `…_WITNESS_SECONDS`, `…_ROOM_MIB`. Raises SettingError.
        """
        policy = environment.get(_PREFIX + "WITNESS_POLICY")
        return cls(
            var=Path(environment.get("SANYUAN_VAR", "var")),
            http_host=environment.get(_PREFIX + "HTTP_HOST", "127.0.0.1"),
            http_port=int(_positive(environment, "HTTP_PORT", 8204)),
            otlp_endpoint=environment.get("SANYUAN_OTLP_ENDPOINT"),
            database_address=read_address(environment, _PREFIX + "DATABASE"),
            checkpoint_seconds=_positive(environment, "CHECKPOINT_SECONDS", 0.5),
            gap_seconds=_positive(environment, "GAP_SECONDS", 60.0),
            witness_policy=Path(policy) if policy else None,
            witness_seconds=_positive(environment, "WITNESS_SECONDS", 1.0),
            room_bytes=int(_positive(environment, "ROOM_MIB", 256) * MIB),
        )


def load_policy(path: Path | None) -> Policy | None:
    """Read the policy of witnesses; raises SettingError."""
    if path is None:
        return None
    try:
        return Policy.parse(path.read_bytes())
    except OSError as error:
        raise SettingError(error.strerror or str(error), where=str(path)) from None
    except RuleError as error:
        raise SettingError(error.what, where=f"{path} {error.where or ''}".strip()) from None


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(_PREFIX + name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SettingError("not a number above 0", where=_PREFIX + name)
    return value
