"""One whole installation for all tests that need one: founded as `make up` founds it, running."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console
from tests.workers import block_of_ports

from sanyuan.common.topics import SERVICES
from sanyuan.sandbox import settings
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.demo.case.props import Props, find_props
from sanyuan.sandbox.demo.cast import Cast, choose
from sanyuan.sandbox.language import Language
from sanyuan.sandbox.runner import OwnRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import Installation, bring_up
from sanyuan.sandbox.supervisor import Supervisor


def settings_of(var: Path) -> Settings:
    """An installation beside others."""
    first = block_of_ports()
    return replace(
        settings.load(),
        var=var,
        kafka_port=first,  # its controller has the next one
        http_ports={name: first + 2 + at for at, name in enumerate(SERVICES)},
        language=Language.ENGLISH,
    )


@pytest.fixture(scope="session")
def whole_nation(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The folder of the run's one national installation: a minute's work to fill it.

    Commands at a shell found and fill it (test_up_down.py); `installation` goes on with what they
    left, or founds it when they did not run.
    """
    return settings_of(tmp_path_factory.mktemp("nation") / "var")


@pytest.fixture(scope="session")
def installation(whole_nation: Settings) -> Iterator[Installation]:
    """All systems of the demo, the broker and all services; nobody asks anything yet."""
    with Supervisor(whole_nation.var) as supervisor:
        yield bring_up(whole_nation, OwnRunner(supervisor), Console(file=io.StringIO()))


class Theatre(NamedTuple):
    """An installation whose load processes publish what this cast's case needs first."""

    installation: Installation
    cast: Cast
    props: Props


@pytest.fixture(scope="session")
def theatre(installation: Installation) -> Iterator[Theatre]:
    """The load processes run: catalogue, grants and licences are on their way."""
    props = find_props(installation)
    cast = choose(installation.registers, props.taxpayers)
    loading.start(installation, props.codes, (cast.organisation.code,))
    yield Theatre(installation, cast, props)
    loading.stop(installation.runner)
