"""Where things lie on this machine: the only reader of the environment in this part."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Two folders: `var` holds an installation, `cache` what all installations can share."""

    var: Path
    cache: Path


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """`SANYUAN_VAR` (default `var`) and `XDG_CACHE_HOME` (default `~/.cache`), made absolute."""
    caches = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Settings(
        var=Path(environment.get("SANYUAN_VAR", "var")).absolute(),
        cache=Path(caches).absolute() / "sanyuan",
    )
