"""The services as programs of this machine, their HTTP ports, and what they answer."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import ports as loopback
from sanyuan.sandbox import run_folder
from sanyuan.sandbox.programs import Program
from sanyuan.sandbox.settings import Settings, port_setting

NAMES: Final = ("audit", "identity", "catalog", "license-exchange")
_FIRST: Final = {"identity": 8201, "license-exchange": 8202, "catalog": 8203, "audit": 8204}
_KEPT: Final = TypeAdapter(dict[str, int])
_POLL_SECONDS: Final = 0.05


class ServiceNotReadyError(SanyuanError):
    """A service does not begin to work."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says on HTTP; `status` is None when it does not answer at all."""

    status: int | None
    text: str = ""

    @property
    def ready(self) -> bool:
        """Whether `/ready` says that it works."""
        return self.status == http.client.OK


def choose_ports(settings: Settings) -> dict[str, int]:
    """The services' ports: those of the environment, else those chosen at the first start."""
    file = settings.var / "ports.json"
    try:
        kept = _KEPT.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        kept = {}
    chosen = dict[str, int]()
    for name, first in _FIRST.items():
        port = settings.http_ports.get(name) or kept.get(name)
        chosen[name] = port or _free(first, frozenset({*_FIRST.values(), *chosen.values()}))
    file.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write(file, _KEPT.dump_json(chosen))
    return chosen


def check_ports(ports: Mapping[str, int]) -> None:
    """Raises PortTakenError when somebody else listens where a service should."""
    for name in NAMES:
        loopback.check(ports[name], port_setting(name))


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Where the services' HTTP reads are."""
    return {name: f"http://{loopback.HOST}:{port}" for name, port in ports.items()}


def program(name: str, var: Path, port: int) -> Program:
    """What runs a service."""
    environment = {"SANYUAN_VAR": str(var), port_setting(name): str(port)}
    module = f"sanyuan.{name.replace('-', '_')}"
    return Program(name, (sys.executable, "-m", module), var, environment)


def ask(port: int, path: str, limit: float = 2.0) -> Answer:
    """GET a path of a service of this machine."""
    connection = http.client.HTTPConnection(loopback.HOST, port, timeout=limit)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException):
        return Answer(None)
    finally:
        connection.close()


def figures(port: int) -> dict[str, Any]:
    """Audit's `/status`; empty when it does not answer."""
    answer = ask(port, "/status")
    return json.loads(answer.text) if answer.ready else {}


def metrics(port: int) -> dict[str, float]:
    """A service's gauges and counters without labels, or by name and labels as written."""
    found = dict[str, float]()
    for line in ask(port, "/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            found[name] = float(value)
    return found


def wait_until_ready(
    name: str, port: int, var: Path, given_up: Callable[[], bool], limit: float = 60.0
) -> None:
    """Return once `/ready` says so; raises ServiceNotReadyError with what it says instead."""
    end = time.monotonic() + limit
    answer = ask(port, "/ready")
    while not answer.ready:
        if given_up() or time.monotonic() > end:
            raise ServiceNotReadyError(
                f"{name} is not ready: {answer.text.strip() or 'it does not answer'}",
                where=f"http://{loopback.HOST}:{port}/ready",
                do=f"read {var / 'logs' / name}.log",
            )
        time.sleep(_POLL_SECONDS)
        answer = ask(port, "/ready")


def _free(first: int, reserved: frozenset[int]) -> int:
    if loopback.is_free(first):
        return first
    port = loopback.free(first + 100)
    while port in reserved:
        port = loopback.free(port + 1)
    return port
