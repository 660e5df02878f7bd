import pytest
from tests.client.exchange import CATALOG, Exchange
from tests.common.conftest import AGENCY, AUDIT, FOOD, IDENTITY, TAX, World


@pytest.fixture
def world() -> World:
    """A domain with every service that a system has to do with, and two departments."""
    made = World()
    made.found()
    for source in (AGENCY, IDENTITY, CATALOG, AUDIT, FOOD, TAX):
        made.admit(source)
    return made


@pytest.fixture
def exchange(world: World) -> Exchange:
    return Exchange(world)
