"""The composition root of identity: what runs as ``python -m sanyuan.identity``."""

from functools import partial
from typing import Final

from faststream.asgi import AsgiFastStream

from sanyuan.common.contracts.identity import COMMANDS, EVENTS, IdentityCommandRefused
from sanyuan.common.database import exists
from sanyuan.common.service.app import Plan, build
from sanyuan.common.service.deciding import Domain
from sanyuan.common.systems import SystemFile
from sanyuan.identity.assertions import Issuer
from sanyuan.identity.domain.pseudonyms import Keys
from sanyuan.identity.handlers import SERVICE, IdentityHandler
from sanyuan.identity.keys import open_keys
from sanyuan.identity.registers import (
    SqlLegalEntityRegister,
    SqlPopulationRegister,
    open_register,
)
from sanyuan.identity.settings import Settings
from sanyuan.identity.store import MODELS

GATHER_SECONDS: Final = 0.06
"""Somebody waits for a verification, and nearly all of its cost is its own, whatever the batch:
40 ms less at the 99th percentile for 7 % of identity's CPU."""


def make_app(settings: Settings) -> AsgiFastStream:
    """The service; raises KeysError when its secrets are lost, DatabaseError."""
    # Before the database is there: a crash in between leaves keys that nobody has used.
    keys = open_keys(settings.secrets_file, is_new=not exists(settings.database))
    return build(
        Plan(
            name=SERVICE,
            system_file=settings.system_file,
            database=settings.database,
            make_domain=partial(make_domain, settings, keys),
            models=MODELS,
            traces=settings.traces,
            otlp_endpoint=settings.otlp_endpoint,
            gather_seconds=GATHER_SECONDS,
        )
    )


def make_domain(settings: Settings, keys: Keys, system: SystemFile) -> Domain:
    """Identity's part of the runtime; raises RegisterUnavailableError."""
    return Domain(
        name=SERVICE,
        commands=COMMANDS,
        events=EVENTS[0],
        refused=IdentityCommandRefused,
        handler=IdentityHandler(
            people=SqlPopulationRegister(open_register(settings.population_register)),
            organisations=SqlLegalEntityRegister(open_register(settings.legal_entity_register)),
            rules=settings.rules,
            keys=keys,
            issuer=Issuer.of(system.signing),
        ),
    )
