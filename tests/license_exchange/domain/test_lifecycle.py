from __future__ import annotations

from itertools import product

import pytest

from sanyuan.license_exchange.domain.lifecycle import (
    ALIVE,
    STATUS,
    TRANSITIONS,
    WHY_NOT,
    Action,
    LicenseState,
    follow,
    state_at,
)

ACTIVE, SUSPENDED = LicenseState.ACTIVE, LicenseState.SUSPENDED
REVOKED, EXPIRED, ERASED = LicenseState.REVOKED, LicenseState.EXPIRED, LicenseState.ERASED
LEGAL = {
    ACTIVE: {Action.AMEND, Action.SUSPEND, Action.REVOKE, Action.EXPIRE, Action.ERASE},
    SUSPENDED: {Action.RESUME, Action.REVOKE, Action.EXPIRE, Action.ERASE},
    REVOKED: {Action.ERASE},
    EXPIRED: {Action.ERASE},
    ERASED: set(),
}


@pytest.mark.parametrize(("state", "action"), list(product(LicenseState, Action)))
def test_exactly_what_is_legal_can_happen(state: LicenseState, action: Action) -> None:
    assert (follow(state, action) is not None) == (action in LEGAL[state])


def test_nothing_comes_back_to_life() -> None:
    for (state, _), following in TRANSITIONS.items():
        if state not in ALIVE:
            assert following not in ALIVE


def test_every_state_that_an_action_writes_has_a_status_and_every_state_a_reason() -> None:
    written = {
        following for (_, action), following in TRANSITIONS.items() if action is not Action.EXPIRE
    }
    assert written == STATUS.keys()
    assert set(LicenseState) == WHY_NOT.keys()


@pytest.mark.parametrize("state", LicenseState)
def test_time_ends_what_is_alive_whether_or_not_a_tick_has_said_so(state: LicenseState) -> None:
    expected = EXPIRED if state in ALIVE else state
    assert state_at(state, 10, 10) is expected
    assert state_at(state, 10, 11) is expected
    assert state_at(state, 10, 9) is state
    assert state_at(state, None, 10**18) is state
