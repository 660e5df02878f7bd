"""The composition root of license-exchange: what runs as ``python -m sanyuan.license_exchange``."""

from dataclasses import dataclass
from functools import partial

from faststream.asgi.types import ASGIApp, Receive, Scope, Send

from sanyuan.common.contracts.license_exchange import (
    COMMANDS,
    EVENTS,
    LicenseExchangeCommandRefused,
    LicenseExchangeTick,
)
from sanyuan.common.database import exists, reader
from sanyuan.common.service.app import Plan, build
from sanyuan.common.service.deciding import Domain
from sanyuan.common.systems import SystemFile
from sanyuan.license_exchange import store
from sanyuan.license_exchange.api import PREFIXES, Reads
from sanyuan.license_exchange.handlers import SERVICE, LicenseExchangeHandler
from sanyuan.license_exchange.keys import Keys, open_keys
from sanyuan.license_exchange.rendering import Addresses
from sanyuan.license_exchange.settings import Settings
from sanyuan.license_exchange.vault import Vault


@dataclass(frozen=True, slots=True)
class Front:
    """Verifiers' reads below their prefixes, the service itself for everything else.

    FastStream's routes match whole paths only, and ours hold numbers and codes.
    """

    service: ASGIApp
    reads: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        is_read = scope["type"] == "http" and scope["path"].startswith(PREFIXES)
        await (self.reads if is_read else self.service)(scope, receive, send)


def make_app(settings: Settings) -> Front:
    """The service; raises KeysError when its secrets are lost, DatabaseError."""
    # Before the database is there: a crash in between leaves keys that nobody has used.
    keys = open_keys(settings.secrets_file, is_new=not exists(settings.database))
    addresses = Addresses(settings.public_url)
    service = build(
        Plan(
            name=SERVICE,
            system_file=settings.system_file,
            database=settings.database,
            make_domain=partial(make_domain, settings, keys, addresses),
            models=store.MODELS,
            traces=settings.traces,
            otlp_endpoint=settings.otlp_endpoint,
        )
    )
    reads = Reads(
        reader(settings.database),
        Vault(keys.master),
        addresses,
        settings.rules,
        settings.status_times,
    )
    return Front(service, reads.app())


def make_domain(settings: Settings, keys: Keys, addresses: Addresses, system: SystemFile) -> Domain:
    """License-exchange's part of the runtime."""
    return Domain(
        name=SERVICE,
        commands=COMMANDS,
        events=EVENTS[0],
        refused=LicenseExchangeCommandRefused,
        handler=LicenseExchangeHandler(settings.rules, keys, addresses, system.sealing),
        follows=store.FOLLOWS,
        observe=store.observe,
        clock=store.next_deadline,
        tick=LicenseExchangeTick,
    )
