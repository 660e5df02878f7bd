"""Synthetic data that many tests look at and none changes: made once."""

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.synthetic.catalogue.making import make_catalogue
from sanyuan.sandbox.synthetic.registers import Registers, make_registers


@pytest.fixture(scope="session")
def nation() -> tuple[Resource, ...]:
    """The national catalogue."""
    return make_catalogue("cn")


@pytest.fixture(scope="session")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Registers:
    """Both registers."""
    folder = tmp_path_factory.mktemp("everybody")
    return make_registers(folder / "var", folder / "cache")
