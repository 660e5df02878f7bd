"""The composition root of the catalog: what runs as ``python -m sanyuan.catalog``."""

from functools import partial

from faststream.asgi import AsgiFastStream

from sanyuan.catalog import search, store
from sanyuan.catalog.api import Reads
from sanyuan.catalog.dcat import Frame
from sanyuan.catalog.handlers import SERVICE, CatalogHandler
from sanyuan.catalog.settings import Settings
from sanyuan.common.assertions import store as assertions
from sanyuan.common.contracts.catalog import (
    CALLS,
    COMMANDS,
    EVENTS,
    CatalogCommandRefused,
    CatalogTick,
)
from sanyuan.common.service.app import Plan, build
from sanyuan.common.service.deciding import Domain
from sanyuan.common.systems import SystemFile


def make_app(settings: Settings) -> AsgiFastStream:
    """The service; raises FrameError."""
    reads = Reads(settings.database, settings.exports, Frame(settings.url))
    return build(
        Plan(
            name=SERVICE,
            system_file=settings.system_file,
            database=f"sqlite:///{settings.database}",
            make_domain=partial(make_domain, settings),
            models=(*store.MODELS, *search.MODELS),
            routes=reads.routes,
            traces=settings.traces,
            otlp_endpoint=settings.otlp_endpoint,
        )
    )


def make_domain(settings: Settings, system: SystemFile) -> Domain:
    """The catalog's part of the runtime."""
    return Domain(
        name=SERVICE,
        commands=(*COMMANDS, *CALLS),
        events=EVENTS[0],
        refused=CatalogCommandRefused,
        handler=CatalogHandler(settings.rules, system.domain),
        follows=assertions.FOLLOWS,
        observe=assertions.observe,
        clock=store.next_deadline,
        tick=CatalogTick,
    )
