"""Whoever edits audit's database changes nothing that is not found (design §9.6).

The database is an index beside the tiles. After any edit of it the service refuses to start, or
goes on to a log that `verify` calls sound and that has every record, or says itself what is
missing; or a seal passes a record without naming it, so that its producer sends it again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.exc import SQLAlchemyError
from tests.audit.conftest import AGENCY, FOOD, Lab
from tests.stores import File

from sanyuan.client.verify import Grade, Report, verify_log
from sanyuan.common.envelope import hash_value
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import parse_leaf

OTHER = "//cn/departments/11110000000012345X/other"
EDITS = 30
"""Each a life of the service; the same ones in every run."""


@pytest.fixture(scope="module")
def dice() -> Random:
    return Random("database")  # noqa: S311  places to try, no secrets


async def grown(lab: Lab) -> None:
    """A log with seals, an open gap, a refused record, and leaves that are under no seal yet."""
    lab.register(OTHER)
    running = await lab.start(gap_seconds=0)
    for _ in range(15):
        lab.command(FOOD)
        lab.command(OTHER)
    await lab.drain(running)
    lab.put("identity-commands", FOOD, b"nothing")
    skipped = lab.value(OTHER, "calls", "call.requested.v1", {"n": 1})
    lab.send(OTHER, "calls", "call.requested.v1", {"n": 2})
    await lab.drain(running)
    lab.put("calls", OTHER, skipped)
    for _ in range(4):
        lab.command(FOOD)
    await running.log.append(await lab.read(running))
    running.close()


def edit(database: Path, random: Random) -> str:
    """Change one field, or remove or double a row of one table; return what was done."""
    with closing(sqlite3.connect(database)) as opened, opened:
        names = [
            name
            for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  our own
        ]
        table = random.choice(sorted(names))
        rows = opened.execute(f"SELECT rowid, * FROM {table}")  # noqa: S608  our own
        columns = [column[0] for column in rows.description][1:]
        row, *values = random.choice(rows.fetchall())
        if random.random() < 0.25:
            opened.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))  # noqa: S608  our own
            return f"{table}: a row removed"
        at = random.randrange(len(columns))
        changed = otherwise(values[at], random)
        opened.execute(  # ours, too
            f"UPDATE OR REPLACE {table} SET {columns[at]} = ? WHERE rowid = ?",  # noqa: S608
            (changed, row),
        )
        return f"{table}.{columns[at]}: {values[at]!r:.60} became {changed!r:.60}"


def otherwise(value: object, random: Random) -> object:
    match value:
        case bytes() if value:
            at = random.randrange(len(value))
            return value[:at] + bytes([value[at] ^ random.randrange(1, 256)]) + value[at + 1 :]
        case str() if value:
            at = random.randrange(len(value))
            return value[:at] + random.choice("0f/z") + value[at + 1 :]
        case int() | float():
            return max(0, value + random.choice((-3, -1, 1, 2, 40)))
        case _:
            return 1


async def go_on(lab: Lab) -> Report | str:
    """Start, take what comes, and verify as one who has verified before."""
    try:
        running = await lab.start(gap_seconds=0)
    except (SanyuanError, SQLAlchemyError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    try:
        lab.command(FOOD)
        lab.command(OTHER)
        await lab.drain(running)
        await lab.drain(running)
    except (SanyuanError, SQLAlchemyError, ValueError) as error:  # it stops, and signs nothing
        return f"{type(error).__name__}: {error}"
    finally:
        running.close()
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    return verify_log(str(lab.folder), *keys, state_dir=lab.var / "verified", jobs=1)


def missing(lab: Lab) -> list[str]:
    """Records that the log does not hold, and that no seal passes either.

    What a seal passes without naming it, its producer misses in it, and sends again (design §3).
    """
    passed: Counter[tuple[str, int]] = Counter()
    for seal in lab.said("log.sealed.v1"):
        for topic, partitions in seal["positions"].items():
            for partition, offset in partitions.items():
                passed[topic, int(partition)] = max(passed[topic, int(partition)], offset)
    held = {parse_leaf(entry).hash for entry in lab.entries()}
    return [
        f"{topic} {record.offset}"
        for (topic, partition), records in lab.topics.items()
        for record in records[passed[topic, partition] :]
        if record.value != b"nothing" and hash_value(record.value or b"") not in held
    ]


def copied(lab: Lab, var: Path) -> Lab:
    """The same world once more."""
    shutil.copytree(lab.var, var)
    topics = {partition: list(records) for partition, records in lab.topics.items()}
    heads = dict(lab.heads)
    other = Lab(var, File(var), keys=lab.keys, topics=topics, heads=heads, made=lab.made)
    other.broker.sent += lab.broker.sent
    return other


@pytest.mark.asyncio
async def test_an_edited_database_is_refused_found_or_without_effect(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, dice: Random
) -> None:
    lab = Lab(tmp_path, File(tmp_path))
    lab.found()
    await grown(lab)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    verify_log(str(lab.folder), *keys, state_dir=lab.var / "verified", jobs=1)
    sound = copied(lab, tmp_path_factory.mktemp("sound") / "var")
    report = await go_on(sound)
    assert isinstance(report, Report), report
    assert (report.exit_code, missing(sound)) == (0, [])
    outcomes: Counter[str] = Counter()
    for _ in range(EDITS):
        other = copied(lab, tmp_path_factory.mktemp("edited") / "var")
        what = edit(other.var / "service" / "service.db", dice)
        outcome = await go_on(other)
        if isinstance(outcome, str):
            outcomes["refused"] += 1
        elif outcome.exit_code:
            outcomes["found"] += 1
            assert [each for each in outcome.findings if each.grade is not Grade.NOTICE], what
        else:
            outcomes["without effect"] += 1
            assert missing(other) == [], what
    assert outcomes["refused"]
    assert outcomes["found"]
    assert outcomes["without effect"]
