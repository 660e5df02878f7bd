"""The nation in small is enough for the national mix."""

from collections import Counter
from math import gcd
from pathlib import Path

import pytest

from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.sandbox import settings
from sanyuan.sandbox.demo.load.grants import wanted_grants, wanted_license_grants
from sanyuan.sandbox.demo.load.schedule import EVERYBODY
from sanyuan.sandbox.faults.campaign import STEPS
from sanyuan.sandbox.faults.small import ORGANISATIONS, PEOPLE, make_small
from sanyuan.sandbox.members import DOMAIN
from sanyuan.sandbox.synthetic.catalogue.keeping import NAME, load_served
from sanyuan.sandbox.synthetic.providers.known import KNOWN
from sanyuan.sandbox.synthetic.registers import Registers


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    make_small(folder, settings.load().cache, DOMAIN)
    return folder


def test_every_department_calls_is_called_and_may_ask_for_licences(small: Path) -> None:
    resources = load_served(small / NAME)
    wanted = wanted_grants(resources)
    assert {each.provider for each in wanted} == {each.caller for each in wanted} == set(EVERYBODY)
    assert set(Counter((each.caller, each.resource) for each in wanted).values()) == {1}
    assert len(wanted_license_grants(resources)) == len(EVERYBODY)


def test_there_are_as_many_people_and_organisations_as_resources_tell_apart(small: Path) -> None:
    registers = Registers(small)
    assert (registers.count_people(), registers.count_organisations()) == (PEOPLE, ORGANISATIONS)
    for count in (PEOPLE, ORGANISATIONS):
        assert count >= KNOWN
        assert gcd(count, 61_803) == 1  # else ranks would not meet everybody once


def test_somebody_dies_at_every_step() -> None:
    assert {step for steps in STEPS.values() for step in steps} == set(FAILPOINTS)
