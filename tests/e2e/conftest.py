"""One whole installation for all tests that need one: founded as `make up` founds it, running."""

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sanyuan.common.topics import SERVICES
from sanyuan.sandbox import ports, settings
from sanyuan.sandbox.language import Language
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor


def settings_of(var: Path) -> Settings:
    """An installation beside others: ports that another run is not likely to choose."""
    first = ports.free(30_000 + 10 * (os.getpid() % 1000))
    http_ports, after = dict[str, int](), first + 2  # the broker's controller is between
    for name in SERVICES:
        http_ports[name] = after = ports.free(after)
        after += 1
    return replace(
        settings.load(),
        var=var,
        kafka_port=first,
        http_ports=http_ports,
        language=Language.ENGLISH,
    )


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All systems of the demo, the broker, identity and audit; nobody asks anything yet."""
    var = tmp_path_factory.mktemp("installation") / "var"
    with Supervisor(var) as supervisor:
        yield bring_up(settings_of(var), OwnRunner(supervisor), Console(file=io.StringIO()))
