"""Where things lie on this machine: the only reader of the environment in this part."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sanyuan.common.errors import SanyuanError
from sanyuan.common.topics import SERVICES
from sanyuan.sandbox.language import Language, language_of


class SettingError(SanyuanError):
    """A setting in the environment cannot be meant like that."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Two folders: `var` holds an installation, `cache` what all installations can share.

    A port that is not given means the one that was chosen at the first start.
    """

    var: Path
    cache: Path
    kafka_port: int | None = None
    http_ports: Mapping[str, int] = field(default_factory=dict)
    """Service → the port that the environment wants for it."""
    language: Language = Language.ENGLISH


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """From `SANYUAN_VAR`, `SANYUAN_LANG` (or the locale) and `XDG_CACHE_HOME`.

    Ports: `SANYUAN_KAFKA_PORT` and, for each service, `SANYUAN_IDENTITY_HTTP_PORT` and so on.
    Raises SettingError.
    """
    caches = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Settings(
        var=Path(environment.get("SANYUAN_VAR") or "var").absolute(),
        cache=Path(caches).absolute() / "sanyuan",
        kafka_port=_port(environment, "SANYUAN_KAFKA_PORT"),
        http_ports={
            name: port
            for name in SERVICES
            if (port := _port(environment, port_setting(name))) is not None
        },
        language=language_of(environment),
    )


def port_setting(service: str) -> str:
    """The variable that says where a service listens: the service itself reads the same one."""
    return f"SANYUAN_{service.upper().replace('-', '_')}_HTTP_PORT"


def _port(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:  # noqa: PLR2004  what ports are
        raise SettingError(
            f"{text[:20]!r} is no port", where=name, do="use a number from 1024 to 65535"
        )
    return int(text)
