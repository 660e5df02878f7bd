from itertools import product

import pytest
from tests.catalog.asking import NO_CONDITIONS, SINCE, TAX, resource

from sanyuan.catalog.domain.resources import (
    IN_FORCE,
    TRANSITIONS,
    UNDER_REVIEW,
    Entry,
    Phase,
    Step,
    elements_of,
    serving_of,
)
from sanyuan.common.sources import first_life


def test_nothing_happens_to_a_withdrawn_resource() -> None:
    assert not [step for phase, step in TRANSITIONS if phase is Phase.WITHDRAWN]


def test_only_what_waits_is_reviewed() -> None:
    for step in (Step.PUBLISH, Step.REJECT):
        assert {phase for phase, done in TRANSITIONS if done is step} == UNDER_REVIEW


def test_a_rejected_revision_leaves_in_force_what_was() -> None:
    for phase in UNDER_REVIEW:
        assert (TRANSITIONS[phase, Step.REJECT] in IN_FORCE) == (phase in IN_FORCE)


def test_only_what_is_in_force_is_revised() -> None:
    assert {phase for phase, step in TRANSITIONS if step is Step.REVISE} == IN_FORCE


def test_the_table_has_ten_rows_and_every_other_step_is_illegal() -> None:
    missing = set(product(Phase, Step)) - TRANSITIONS.keys()
    assert (len(TRANSITIONS), len(missing)) == (10, 15)


@pytest.mark.parametrize("phase", Phase)
def test_only_a_phase_under_review_has_a_waiting_revision(phase: Phase) -> None:
    entry = Entry("p", "s", phase, revision=3, in_force=2, serving=serving_of(resource()))
    assert entry.waiting == (3 if phase in UNDER_REVIEW else 0)
    assert (entry.serving_now is not None) == (phase in IN_FORCE)


def test_a_system_keeps_what_is_granted_through_its_lives() -> None:
    assert first_life(TAX.system + "~2") == TAX.system
    assert serving_of(resource(serving_system=TAX.system + "~3")).system == TAX.system


def test_a_resource_is_callable_when_somebody_answers_or_it_is_a_licence() -> None:
    assert serving_of(resource()).is_callable
    assert not serving_of(resource(serving_system=None)).is_callable
    assert serving_of(resource(serving_system=None, license_type="food")).is_callable


def test_an_item_without_an_element_is_no_source() -> None:
    assert elements_of(resource()) == {"DE00017"}
    assert elements_of(resource(items=(SINCE,), sharing=NO_CONDITIONS)) == frozenset()
    assert elements_of(None) == frozenset()
