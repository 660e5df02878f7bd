"""The connection of whoever administers the broker: what provisioning needs, and nobody else has.

Kept in a file of mode 0600 (`var/kafka/admin.json` of the embedded broker; in production written by
hand), with the same field names as `var/systems/<name>.json`.
"""

import os
import ssl
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.errors import SanyuanError


class BrokerFileError(SanyuanError):
    """The administrator's file is missing or broken."""


class Broker(BaseModel):
    """Where the broker is and how its administrator logs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str
    security_protocol: str
    sasl_mechanism: str
    username: str
    password: str = Field(repr=False)
    ca_file: str | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; raises BrokerFileError."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise BrokerFileError(
                "there is no file of the broker's administrator",
                where=str(path),
                do="start the broker once (make up), or write the file for yours",
            ) from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "JSON"
            raise BrokerFileError(
                f"the file of the broker's administrator is broken: {field}: {first['msg']}",
                where=str(path),
            ) from None

    def save(self, path: Path) -> None:
        """Write atomically, readable by its owner only; durable once this returns."""
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        with draft.open("w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def librdkafka(self) -> dict[str, str | int | float | bool]:
        """The settings of a confluent-kafka client."""
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200,
            # librdkafka prints to stderr by itself; whoever calls says what went wrong.
            "log_level": 0,
        }
        return settings | ({"ssl.ca.location": self.ca_file} if self.ca_file else {})

    def aiokafka(self) -> dict[str, Any]:
        """The settings of an aiokafka client."""
        settings: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        if "SSL" in self.security_protocol.split("_"):
            settings["ssl_context"] = ssl.create_default_context(cafile=self.ca_file)
        return settings

    def public(self) -> dict[str, str | None]:
        """What every system's connection has in common."""
        return self.model_dump(exclude={"username", "password"})
