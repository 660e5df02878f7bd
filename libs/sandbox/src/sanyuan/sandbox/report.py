"""``var/report.json``: what a run of the demo measured, as design §10 has it."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sanyuan.client.verify import Report as Verification
from sanyuan.common import ed25519
from sanyuan.sandbox import run_folder

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of operation; latencies in ms from the scheduled time."""

    offered: int
    completed: int
    refused: int
    p50_ms: int | None
    p99_ms: int | None

    def as_json(self) -> dict[str, int | None]:
        """As the report has it."""
        return {
            "offered": self.offered,
            "completed": self.completed,
            "refused": self.refused,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that the demo measured; sizes of the domain are counted, not assumed."""

    departments: int
    resources: int
    people: int
    seconds: float
    operations_per_second: float
    kinds: Mapping[str, Kind]
    expected_refusals: int
    lag_p50_ms: int | None
    lag_p99_ms: int | None
    verified: Verification
    memory_mib: float
    first_line_s: float

    def as_json(self) -> dict[str, Any]:
        """Design §10."""
        return {
            "departments": self.departments,
            "resources": self.resources,
            "people": self.people,
            "load": {
                "seconds": round(self.seconds, 3),
                "operations_per_second": round(self.operations_per_second, 1),
                "kinds": {name: kind.as_json() for name, kind in self.kinds.items()},
                "expected_refusals": self.expected_refusals,
            },
            "checkpoint_lag_ms": {"p50": self.lag_p50_ms, "p99": self.lag_p99_ms},
            "log": {"size": self.verified.size, "root": self.verified.root},
            "verify": {
                "integrity": self.verified.integrity.value,
                "completeness": self.verified.completeness.value,
                "exit": self.verified.exit_code,
            },
            "memory_mib": round(self.memory_mib),
            "first_line_s": round(self.first_line_s, 1),
            "machine": machine(),
        }


def write(path: Path, measured: Measured) -> None:
    """Write the report in one step."""
    text = json.dumps(measured.as_json(), indent=2, ensure_ascii=False) + "\n"
    run_folder.write(path, text.encode())


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / GIB, 1),
        "python": platform.python_version(),
        "ed25519_lanes": ed25519.lanes(),
    }
