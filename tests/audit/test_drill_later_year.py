"""`sanyuan verify --drill` on the log of a later year, which begins with what was carried over."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.audit.conftest import AGENCY, FOOD
from tests.audit.test_years import send, turn

from sanyuan.client.drill import TAMPERINGS, copy_log, tamper
from sanyuan.client.verify.source import FolderSource

if TYPE_CHECKING:
    from tests.audit.conftest import Lab

OTHER = "//cn/departments/11110000000012345X/other"


@pytest.mark.asyncio
async def test_every_tampering_with_a_later_years_log_is_found(lab: Lab) -> None:
    lab.register(OTHER)
    running = await lab.start()
    for source in (FOOD, OTHER, FOOD):
        lab.command(source)
    await send(lab, running, 20)
    running = await turn(lab, running)
    for _ in range(8):
        for source in (FOOD, OTHER, OTHER):
            lab.command(source)
        await send(lab, running, 1)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    ledger = copy_log(FolderSource(lab.folder), *keys)
    assert ledger.origin == "cn/log/2027"
    assert len(ledger.entries) == len(lab.entries())
    throws = Random("later")  # noqa: S311  places to try, no secrets
    outcomes = tamper(ledger, throws, TAMPERINGS * 3)
    assert [each.tampering.name for each in outcomes if not each.found or each.blind is False] == []
