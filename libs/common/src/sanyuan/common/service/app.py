"""A domain service as a process: FastStream's ASGI lifecycle around the cycle (design §4).

HTTP answers from the first moment; the work starts as soon as the service is connected, registered,
the writer of its database and not behind its own log. ``/ready`` says what it waits for.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from faststream.asgi import AsgiFastStream, AsgiResponse, get
from faststream.asgi.types import ASGIApp
from prometheus_client import make_asgi_app
from sqlmodel import SQLModel

from sanyuan.common import logs, memory, outbox, positions, telemetry
from sanyuan.common.database import Database
from sanyuan.common.follower import CatchUpError, Follower, Participants
from sanyuan.common.positions import Partition
from sanyuan.common.producing import Producer
from sanyuan.common.service.cycle import Cycle
from sanyuan.common.service.deciding import Domain
from sanyuan.common.service.following import Feed
from sanyuan.common.service.subscriber import make_broker
from sanyuan.common.service.waiting import wait_connected, wait_for_lock, wait_registered
from sanyuan.common.systems import SystemFile
from sanyuan.common.topics import WEEK

GATHER_SECONDS: Final = 0.1
WATCH_SECONDS: Final = 0.5
ASK_SECONDS: Final = 2.0
TICK_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 3600.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """What distinguishes one service's process from another's."""

    name: str
    system_file: Path
    database: str
    """Its address as a URL; may hold a password."""
    make_domain: Callable[[SystemFile], Domain]
    models: Sequence[type[SQLModel]]
    routes: Sequence[tuple[str, ASGIApp]] = ()
    """HTTP reads of its own."""
    traces: Path | None = None
    otlp_endpoint: str | None = None
    gather_seconds: float = GATHER_SECONDS
    """How long commands gather between two batches."""


@dataclass(slots=True)
class _State:
    """What ``/ready`` and ``/health`` tell."""

    waiting: str | None = "starting"
    unreachable: str | None = None
    """Why nothing can come, while no batch finds out."""
    cycle: Cycle | None = None
    producer: Producer | None = None

    def say(self, text: str) -> None:
        """Tell once what is waited for."""
        if text != self.waiting:
            self.waiting = text
            log.info("waiting", what=text)

    def trouble(self) -> str | None:
        """Why the service does not work now; None when it does."""
        if self.waiting:
            return self.waiting
        if self.cycle is not None and self.cycle.trouble:
            return self.cycle.trouble
        if self.unreachable:
            return self.unreachable
        if self.producer is not None and self.producer.relay.stopped:
            (source, topic), reason = next(iter(self.producer.relay.stopped.items()))
            return f"stream {source} in {topic} is stopped: {reason}"
        return None


class Service(AsgiFastStream):
    """FastStream's application, whose broker comes when the service has a connection."""

    async def _start_broker(self) -> None:
        """`_work` adds and starts it; `AsgiFastStream` stops it before the lifespan ends."""


def build(plan: Plan) -> Service:
    """The ASGI application: ``/health``, ``/ready``, ``/metrics``; work in its lifespan."""
    state = _State()

    @get
    async def health(_scope: object) -> AsgiResponse:
        return AsgiResponse(b"ok\n", 200)

    @get
    async def ready(_scope: object) -> AsgiResponse:
        trouble = state.trouble()
        return AsgiResponse((trouble or "ready").encode() + b"\n", 503 if trouble else 200)

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        logs.set_up(plan.name)
        telemetry.set_up(plan.name, folder=plan.traces, endpoint=plan.otlp_endpoint)
        work = asyncio.create_task(_work(plan, state, service), name=plan.name)
        work.add_done_callback(_end_process)
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            telemetry.flush()

    service = Service(
        lifespan=lifespan,
        asgi_routes=[
            ("/health", health),
            ("/ready", ready),
            ("/metrics", make_asgi_app()),
            *plan.routes,
        ],
        logger=None,
    )
    return service


def _end_process(work: "asyncio.Task[None]") -> None:
    """The work only ends by an error that a restart may mend: leave it to the supervisor."""
    if not work.cancelled() and (error := work.exception()) is not None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        log.error("the service ends", error=f"{type(error).__name__}: {error}")
        raise SystemExit(1)


async def _work(plan: Plan, state: _State, service: Service) -> None:
    system = await wait_connected(plan.system_file, state.say)
    async with contextlib.AsyncExitStack() as stack:
        database = await wait_for_lock(
            lambda: Database.open(plan.database, _models(plan)), state.say
        )
        stack.callback(database.close)
        participants, feed = Participants(system), Feed()
        domain = plan.make_domain(system)
        state.say("waiting for the broker")
        follower = await Follower.start(
            system,
            {"participants": participants.apply, **dict.fromkeys(domain.follows, feed.apply)},
            _followed(domain, await database.transaction(positions.load_offsets)),
        )
        stack.push_async_callback(follower.stop)
        await wait_registered(system, follower, participants, state.say)
        producer = state.producer = Producer(database, [system], lambda: participants.directory)
        state.say("reading the seals of the log")
        await producer.start()
        stack.push_async_callback(producer.stop)
        cycle = state.cycle = Cycle(
            domain, system, database, producer, participants, follower, feed
        )
        stack.push_async_callback(cycle.settled)
        broker = make_broker(system, domain.commands, cycle, plan.gather_seconds)
        service.add_broker(broker)
        await broker.start()
        state.waiting = None
        memory.settle()
        log.info("ready", source=system.source)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(database, cycle, producer), name="watch")
            tasks.create_task(_ask_broker(follower, cycle, state), name="ask")
            tasks.create_task(_tick(cycle), name="tick")


def _models(plan: Plan) -> list[type[SQLModel]]:
    return [*outbox.MODELS, *positions.MODELS, *plan.models]


def _followed(domain: Domain, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
    """Where to go on in the followed topics: what lies before is in the database."""
    return {(topic, 0): offsets.get((topic, 0), 0) for topic in domain.follows}


async def _tick(cycle: Cycle) -> None:
    """Let passed deadlines be told, at most one record a second: for ever."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        await cycle.tick()


async def _ask_broker(follower: Follower, cycle: Cycle, state: _State) -> None:
    """Keep `state` honest also when nobody asks anything: for ever."""
    while True:
        try:
            await follower.catch_up()
            state.unreachable = None
            await cycle.idle()
        except CatchUpError as error:
            state.unreachable = str(error)
        await asyncio.sleep(ASK_SECONDS)


async def _watch(database: Database, cycle: Cycle, producer: Producer) -> None:
    """Publish the outbox's age and size, forget old hashes; raises what ended a task."""
    forgotten = 0.0
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if (failure := cycle.failure or producer.failure()) is not None:
            raise failure
        oldest = producer.relay.oldest_pending()
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest)
        cycle.measures.outbox(age, producer.outbox_bytes)
        if time.monotonic() > forgotten + FORGET_SECONDS:
            forgotten = time.monotonic()
            before = time.time() - WEEK.total_seconds()
            await database.transaction(partial(positions.forget_taken, before=before))
