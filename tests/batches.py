"""A batch as the cycle gives it to a decider, without the cycle and its broker."""

from collections.abc import Sequence

from tests.common.conftest import envelope_of

from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.database import Database
from sanyuan.common.directory import Directory
from sanyuan.common.outbox import Row
from sanyuan.common.record import RawRecord, read_all
from sanyuan.common.service.checking import check
from sanyuan.common.service.deciding import Batch, Decider
from sanyuan.common.telemetry import BatchTrace
from sanyuan.common.topics import partitions_of


def decide(
    decider: Decider,
    database: Database,
    directory: Directory,
    raws: Sequence[RawRecord],
    facts: Sequence[RawRecord] = (),
) -> list[Row]:
    """Check and decide one batch, and commit it; every record that it makes keeps its contract."""
    checked, told = (
        check(
            read_all(some, domain="cn", partitions=partitions_of),
            directory,
        )
        for some in (raws, facts)
    )
    offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in (*raws, *facts)}
    trace = BatchTrace.start("test", checked.records)
    batch = Batch(raws, checked, told, directory, offsets, 0.0)
    rows = database.run(lambda connection: decider.decide(connection, batch, trace)).rows
    for row in rows:
        CONTRACTS[envelope_of(row).type].model_validate(envelope_of(row).data)
    return rows
