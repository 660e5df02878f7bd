"""The supervisor orders, the bytes go everywhere, the hash stays, and `sanyuan verify` agrees."""

from __future__ import annotations

import shutil
from asyncio import to_thread
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from tests.audit.conftest import AGENCY, AUDIT, FOOD, SUPERVISOR, CrashError
from tests.audit.test_streaming import served

from sanyuan.audit import withholding
from sanyuan.audit.folder import LogFolder
from sanyuan.client.verify import Grade, verify_log
from sanyuan.client.verify.source import HttpSource
from sanyuan.common.envelope import ZERO_HASH
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.sources import key_name
from sanyuan.common.tlog.merkle import leaf_hash

if TYPE_CHECKING:
    from httpx import AsyncClient
    from tests.audit.conftest import Lab, Running

pytestmark = pytest.mark.asyncio
SECRET = b"11010519491231002X"


@pytest_asyncio.fixture
async def running(lab: Lab) -> Running:
    """A log in which a department wrote a citizen number into a value, at place 3 of its stream."""
    lab.supervise()
    made = await lab.start()
    for at in range(5):
        data = {"n": at, "note": SECRET.decode() if at == 2 else ""}
        lab.send(FOOD, "identity-commands", "identity.verify-person.v1", data)
    await lab.drain(made)
    return made


def at_fault(lab: Lab) -> int:
    return next(at for at, entry in enumerate(lab.entries()) if SECRET in entry)


def order(lab: Lab, index: int, /, source: str = SUPERVISOR, **other: Any) -> None:  # noqa: ANN401
    entry = lab.entries()[index]
    leaf = parse_leaf(entry)
    data = {
        "log": lab.log_key.name,
        "index": index,
        "entry": leaf_hash(entry).hex(),
        "record": {
            "source": leaf.envelope.source,
            "topic": leaf.envelope.topic,
            "sequence": leaf.envelope.sequence,
            "hash": leaf.hash,
        },
        "ground": "a citizen number stands in it",
    } | other
    lab.send(source, "audit-commands", "audit.withhold-entry.v1", data)


def files_with_secret(lab: Lab) -> list[str]:
    """Every file of the log that still has the bytes."""
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    return [str(path.relative_to(lab.folder)) for path in files if SECRET in path.read_bytes()]


def hash_tiles(lab: Lab) -> dict[str, bytes]:
    tiles = (path for path in lab.folder.glob("tile/[0-9]*/*") if path.is_file())
    return {str(path): path.read_bytes() for path in tiles}


async def settle(lab: Lab, running: Running) -> None:
    """The order under a checkpoint, then what answers it under the next."""
    await lab.drain(running)
    await running.log.seal()


@pytest.mark.parametrize("more", [0, 40, 600])
async def test_the_bytes_are_gone_from_the_files_and_the_database_and_the_log_is_sound(
    lab: Lab, running: Running, more: int
) -> None:
    index = at_fault(lab)
    for _ in range(more):
        lab.command()
    await lab.drain(running)
    tiles = hash_tiles(lab)
    order(lab, index)
    await settle(lab, running)
    assert files_with_secret(lab) == []
    assert hash_tiles(lab).items() >= tiles.items()
    assert lab.entries()[index] == b""
    assert [each["index"] for each in lab.said("log.withheld.v1")] == [index]
    for _ in range(600):
        lab.command()
    await lab.drain(running)
    assert files_with_secret(lab) == []
    assert SECRET not in b"".join(await running.database.transaction(pending))
    report = lab.verify()
    assert (report.exit_code, report.withheld, report.having(Grade.FORGED)) == (0, 1, ())


def pending(connection: Any) -> list[bytes]:  # noqa: ANN401  a SQLAlchemy connection
    rows = connection.exec_driver_sql("SELECT bundle FROM pending_leaves")
    return [bytes(row[0]) for row in rows]


async def test_nothing_goes_before_a_checkpoint_covers_the_order(
    lab: Lab, running: Running
) -> None:
    index = at_fault(lab)
    order(lab, index)
    await running.log.append(await lab.read(running))
    assert files_with_secret(lab) != []
    await running.log.seal()  # publishes the order
    assert files_with_secret(lab) != []
    await running.log.seal()  # carries it out
    assert files_with_secret(lab) == []
    assert lab.verify().exit_code == 0


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"source": FOOD}, "not-the-supervisor"),
        ({"source": AUDIT}, "not-the-supervisor"),
        ({"log": "cn/log/2027"}, "another-log"),
        ({"log": "se/log/2025"}, "another-log"),
        ({"log": "cn/log/2025"}, "not-at-hand"),
        ({"entry": ZERO_HASH}, "entry-differs"),
        ({"record": {"sequence": f"{2:020d}"}}, "entry-differs"),
        ({"record": {"hash": ZERO_HASH}}, "entry-differs"),
        ({"record": {"topic": "cn/participants"}}, "never-withheld"),
        ({"ground": ""}, "malformed"),
        ({"index": 99_999}, "no-such-entry"),
    ],
)
async def test_another_order_is_answered_and_changes_nothing(
    lab: Lab, running: Running, other: dict[str, Any], reason: str
) -> None:
    index = at_fault(lab)
    if "record" in other:
        leaf = parse_leaf(lab.entries()[index])
        other["record"] = {
            "source": FOOD,
            "topic": "cn/identity-commands",
            "sequence": leaf.envelope.sequence,
            "hash": leaf.hash,
        } | other["record"]
    order(lab, index, **other)
    await settle(lab, running)
    assert files_with_secret(lab) != []
    assert [each["reason"] for each in lab.said("log.withholding-refused.v1")] == [reason]
    report = lab.verify()
    assert (report.exit_code, report.withheld) == (0, 0)
    await running.log.seal()
    assert len(lab.said("log.withholding-refused.v1")) == 1


async def test_a_revoked_key_orders_nothing(lab: Lab, running: Running) -> None:
    data = {"source": SUPERVISOR, "signing_key": str(lab.key(SUPERVISOR).verifier)}
    lab.send(AGENCY, "participants", "participant.key-revoked.v1", data)
    await lab.drain(running)
    order(lab, at_fault(lab))
    await settle(lab, running)
    assert [each["reason"] for each in lab.said("log.withholding-refused.v1")] == ["key-revoked"]
    assert lab.verify().exit_code == 0


async def test_a_second_order_is_told_that_it_is_done(lab: Lab, running: Running) -> None:
    index = at_fault(lab)
    order(lab, index)
    order(lab, index)
    await settle(lab, running)
    await running.log.seal()
    assert len(lab.said("log.withheld.v1")) == 1
    refused = [each["reason"] for each in lab.said("log.withholding-refused.v1")]
    assert refused == ["already-withheld"]
    assert lab.verify().exit_code == 0


@pytest.mark.parametrize("step", ["database", "files", "answer"])
async def test_a_death_in_the_middle_is_finished_by_the_next_start(
    lab: Lab, running: Running, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = at_fault(lab)
    order(lab, index)
    await lab.drain(running)
    where = {
        "database": (LogFolder, "blank"),
        "files": (withholding, "Withheld"),
        "answer": (running.sequencer, "seal"),
    }[step]
    await die_at(where, running, monkeypatch)
    again = await lab.start()
    await settle(lab, again)
    assert files_with_secret(lab) == []
    assert [each["index"] for each in lab.said("log.withheld.v1")] == [index]
    assert lab.verify().exit_code == 0


async def die_at(
    where: tuple[object, str], running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seal, and die where this is called."""

    def die(*_: object, **__: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(*where, die)
        with pytest.raises(CrashError):
            await running.log.seal()
    running.close()


@pytest.mark.parametrize("old", ["before the order", "none"])
async def test_an_old_database_is_rolled_forward_over_blanks(
    lab: Lab, running: Running, old: str
) -> None:
    index = at_fault(lab)
    running.close()
    lab.home.keep()
    running = await lab.start()
    order(lab, index)
    await settle(lab, running)
    lab.command()
    await lab.drain(running)
    running.close()
    if old == "none":
        lab.home.lose()
    else:
        lab.home.restore()
    again = await lab.start()
    lab.command()
    order(lab, at_fault_of(lab, 4))
    await settle(lab, again)
    assert len(lab.said("log.withheld.v1")) == 2
    report = lab.verify()
    assert (report.exit_code, report.withheld) == (0, 2)


def at_fault_of(lab: Lab, place: int) -> int:
    text = f'"sequence":"{place:020d}"'.encode()
    return next(
        at for at, entry in enumerate(lab.entries()) if text in entry and b"verify-person" in entry
    )


async def test_a_copy_of_the_log_with_the_bytes_is_sound_too(lab: Lab, running: Running) -> None:
    copy = lab.var / "copy"
    index = at_fault(lab)
    order(lab, index)
    await lab.drain(running)
    shutil.copytree(lab.folder, copy)
    await running.log.seal()
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    report = verify_log(str(copy), *keys, state_dir=lab.var / "state", jobs=1)
    assert (report.exit_code, report.withheld) == (0, 0)


async def follow(client: AsyncClient, headers: dict[str, str]) -> list[str]:
    """The lines of the audit stream up to the checkpoint."""
    lines = []
    async with client.stream("GET", "/follow", headers=headers) as answer:
        async for line in answer.aiter_lines():
            lines.append(line)
            if line == "event: checkpoint":
                break
    return lines


async def test_over_http_the_supervisor_verifies_and_a_participant_sees_its_own(
    lab: Lab, running: Running
) -> None:
    index = at_fault(lab)
    order(lab, index)
    await settle(lab, running)
    keys = lab.key(AGENCY).verifier, lab.log_key.verifier
    async with served(lab, running) as client:
        url = f"{client.base_url}/log"

        def verify(reader: str | None) -> tuple[int, int, list[str]]:
            made = lab.reader(reader) if reader else None
            with HttpSource(url, reader=made) as source:
                report = verify_log(
                    source, *keys, state_dir=lab.var / key_name(str(reader)), jobs=1
                )
            return report.exit_code, report.withheld, [each.what for each in report.findings]

        code, withheld, findings = await to_thread(verify, SUPERVISOR)
        assert (code, withheld) == (0, 1), findings
        code, withheld, findings = await to_thread(verify, FOOD)
        assert (code, withheld) == (30, 1), findings
        assert "entries are not shown to this reader" in findings[-1]
        code, _, findings = await to_thread(verify, None)
        assert code == 30
        assert "does not show its entries to this reader" in findings[0]
        lines = await follow(client, lab.token(SUPERVISOR))
        assert lines.count("event: withheld") == 1
        at = lines.index("event: withheld")
        assert lines[at + 1] == f"id: {index}"
