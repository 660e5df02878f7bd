"""What a supervisor runs: the description of one long-lived program."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """A command with its folder and environment (added to ours); it writes to stdout and stderr.

    `stop_seconds` is how long it may take to end after SIGTERM before it is killed.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 10.0
