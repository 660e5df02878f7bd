"""One whole installation for all tests that need one: founded as `make up` founds it, running."""

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from sanyuan.common.topics import SERVICES
from sanyuan.sandbox import ports, settings
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.demo.case.props import Props, find_props
from sanyuan.sandbox.demo.cast import Cast, choose
from sanyuan.sandbox.language import Language
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor


def settings_of(var: Path) -> Settings:
    """An installation beside others: ports that another run is not likely to choose.

    They stay below 32,768, where outgoing connections begin: one of those took a broker's port
    between a stop and the next start.
    """
    first = ports.free(30_000 + 10 * (os.getpid() % 250))
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
    """All systems of the demo, the broker and all services; nobody asks anything yet."""
    var = tmp_path_factory.mktemp("installation") / "var"
    with Supervisor(var) as supervisor:
        yield bring_up(settings_of(var), OwnRunner(supervisor), Console(file=io.StringIO()))


class Theatre(NamedTuple):
    """An installation whose load processes publish what this cast's case needs first."""

    installation: Installation
    cast: Cast
    props: Props


@pytest.fixture(scope="session")
def theatre(installation: Installation) -> Iterator[Theatre]:
    """The load processes run: catalogue, grants and licences are on their way."""
    cast, props = choose(installation.registers), find_props(installation)
    loading.start(installation, props.codes, (cast.organisation.code,))
    yield Theatre(installation, cast, props)
    loading.stop(installation.runner)
