"""Shared calls without a broker: two sides with their databases, and a catalog by hand.

The topics are lists that outlive every side; whatever a side has not taken it reads again, whatever
it has not posted it posts again, as readers and relay do at the real broker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from tests.common.conftest import FOOD, TAX, World, readable, system_file

from sanyuan.client.connector import Connector, ConnectorClosedError
from sanyuan.client.connector.desk import MODELS, Desk
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import Bounds, GrantTerms
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.envelope import format_sequence
from sanyuan.common.outbox import Outbox, Row, load_from, unconfirmed
from sanyuan.common.record import RawRecord, Record

if TYPE_CHECKING:
    from pathlib import Path

    from sanyuan.client.inbox import Decision
    from sanyuan.common.systems import SystemFile

CATALOG = "//cn/services/catalog"
CODE = "306002/000001"
GRANT = "0" * 31 + "1"
FIELDS = ("status", "registered_on")
TERMS = GrantTerms(
    grant=GRANT,
    resource=CODE,
    grantee="11110000000012345X",
    purpose="food-business-licence",
    bounds=Bounds(fields=FIELDS, until=datetime(2099, 1, 1, tzinfo=UTC)),
    serving_system=TAX,
    answer_within=10,
)
Admit = Callable[["Exchange", Record], None]


@dataclass
class Post:
    """Where a side's rows go; nothing leaves while it is ``cut``."""

    exchange: Exchange
    outbox: Outbox = field(default_factory=Outbox)
    stopped: dict[tuple[str, str], str] = field(default_factory=dict)
    full: Exception | None = None
    cut: bool = False

    @property
    def relay(self) -> Post:
        return self

    def check_room(self) -> None:
        if self.full is not None:
            raise self.full

    def submit(self, rows: Sequence[Row]) -> None:
        if not self.cut:
            for row in rows:
                self.exchange.post(row)


class Exchange:
    """The broker's topics, and the catalog."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.topics: dict[str, list[RawRecord]] = defaultdict(list)
        self.changed = asyncio.Condition()
        self.catalog: Admit = admit
        self._calls: list[Record] = []

    def post(self, row: Row) -> None:
        headers: list[tuple[str, Any]] = list(row.headers)
        self._append(self.world.deliver(row.topic, row.source.encode(), row.value, headers))

    def send(
        self,
        source: str,
        topic: str,
        kind: str,
        data: Mapping[str, Any],
        **more: Any,  # noqa: ANN401  as `World.send`
    ) -> None:
        """A record by hand, of whoever it is."""
        self._append(self.world.send(source, topic, kind, data, **more))

    def repeat(self, topic: str, index: int = -1) -> None:
        """A record once more, as after a restart of its producer."""
        self._append(self.world.again(self.topics[topic][index]))

    def calls(self) -> list[Record]:
        """Every call that was posted, once."""
        return self._calls

    def records(self, topic: str) -> list[Record]:
        return [readable(raw) for raw in self.topics[topic]]

    def _append(self, raw: RawRecord) -> None:
        self.topics[raw.topic].append(raw)
        if raw.topic == "calls":
            call = readable(raw)
            if call.hash not in {each.hash for each in self._calls}:
                self._calls.append(call)
                self.catalog(self, call)
        asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def admit(exchange: Exchange, call: Record) -> None:
    """The catalog says yes."""
    forward(exchange, call, admission(exchange, call))


def forward(
    exchange: Exchange, call: Record, data: Mapping[str, Any], source: str = CATALOG
) -> None:
    """An admission with the call's own attachment."""
    sealed = {"parameters": call.sealed["parameters"]}
    exchange.send(source, "inbox-tax", "call.admitted.v1", data, sealed=sealed, **caused(call))


def caused(by: Record) -> dict[str, Any]:
    """The fields of an envelope that name its cause."""
    return {"correlationid": by.envelope.correlationid, "causationid": by.envelope.id}


def admission(exchange: Exchange, call: Record, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """What an honest catalog writes about a call, with ``changed`` fields."""
    caller = exchange.world.directory.systems[call.source]
    return {
        "command": ref(call),
        "decision": 1,
        "asof": {"participants": exchange.world.directory.sequence},
        "grant": GRANT,
        "resource": CODE,
        "purpose": TERMS.purpose,
        "fields": list(FIELDS),
        "caller": call.source,
        "reply_to": caller.inbox,
        "caller_key": caller.sealing.key_id,
        "answer_by": (datetime.now(UTC) + timedelta(seconds=10)).isoformat(),
        "call_id": call.envelope.id,
        "parameters": {
            **call.envelope.data["parameters"],
            "from": {"source": call.source, "topic": "cn/calls", "attachment": "parameters"},
        },
    } | changed


def refuse(reason: str) -> Admit:
    """A catalog that says no."""

    def no(exchange: Exchange, call: Record) -> None:
        data = {"command": ref(call), "decision": 1, "asof": {}, "reason": reason}
        exchange.send(CATALOG, "inbox-food-permits", "call.refused.v1", data, **caused(call))

    return no


def nobody(_exchange: Exchange, _call: Record) -> None:
    """A catalog that says nothing."""


def ref(call: Record) -> dict[str, Any]:
    return {
        "source": call.source,
        "topic": "cn/calls",
        "sequence": format_sequence(call.envelope.number),
        "hash": call.hash,
    }


class Side:
    """A process of one system; `crash` leaves what a SIGKILL would."""

    def __init__(self, exchange: Exchange, system: SystemFile, path: Path) -> None:
        self.exchange = exchange
        self.system = system
        self.post = Post(exchange)
        self._path = path
        self._tasks: list[asyncio.Task[None]] = []
        self.database: Database
        self.desk: Desk
        self.seen: Directory | None = None
        """The directory as it was, when this side is behind; until it refreshes."""
        self.refreshed = 0
        self.me: ConnectedSystem

    async def start(self) -> None:
        self.post.outbox = Outbox()
        self.database = Database.open(f"sqlite:///{self._path}", MODELS)
        self.desk = SimulatedDesk(self)
        # What a face needs of a connector, a desk has.
        self.me = ConnectedSystem(cast("Connector", self.desk), self.system)
        for stream, first in (await self.database.transaction(unconfirmed)).items():
            load = partial(load_from, stream=stream, first=first, limit=1000)
            self.post.submit(await self.database.transaction(load))
        await self.desk.load()
        work = [*self.desk.work(self._ends), self._read()]
        self._tasks = [asyncio.create_task(each) for each in work]

    async def crash(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.desk.end(ConnectorClosedError("killed"))
        self.database.close()

    async def stop(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error
        await self.desk.forget_handed()
        await self.crash()

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        count = f"SELECT count(*) FROM {table}"  # noqa: S608  a test's own word
        return int(self.database.run(lambda c: c.exec_driver_sql(count).scalar()) or 0)

    async def shows(self, count: int) -> list[Decision]:
        """What waits to be handed out, once it is so much."""
        async with asyncio.timeout(30):
            while len(found := self.desk.waiting(self.system.source)) < count:  # noqa: ASYNC110  it looks into a tray
                await asyncio.sleep(0.01)
        return found

    async def _read(self) -> None:
        topic = self.system.inbox or ""
        records = self.exchange.topics[topic]
        offsets = self.desk.receiver.offsets
        while True:
            async with self.exchange.changed:
                await self.exchange.changed.wait_for(
                    lambda: len(records) > offsets.get((topic, 0), 0)
                )
            await self.desk.receiver.take(records[offsets.get((topic, 0), 0) :])

    async def _ends(self, inboxes: set[str]) -> dict[str, int]:
        return {inbox: len(self.exchange.topics[inbox]) for inbox in inboxes}


class SimulatedDesk(Desk):
    def __init__(self, side: Side) -> None:
        self._side = side
        super().__init__(
            [side.system], side.database, side.post, lambda: self.directory, self.refresh
        )

    @property
    def directory(self) -> Directory:
        return self._side.seen or self._side.exchange.world.directory

    async def refresh(self) -> Directory:
        self._side.refreshed += 1
        self._side.seen = None
        return self.directory


@contextlib.asynccontextmanager
async def running(*sides: Side) -> AsyncIterator[None]:
    for side in sides:
        await side.start()
    try:
        yield
    finally:
        for side in sides:
            await side.stop()


def food(exchange: Exchange, folder: Path) -> Side:
    return Side(exchange, system_file(FOOD), folder / "food.db")


def tax(exchange: Exchange, folder: Path) -> Side:
    return Side(exchange, system_file(TAX), folder / "tax.db")
