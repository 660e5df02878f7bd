"""The log from record to checkpoint, and every way to die on the way: `sanyuan verify` judges."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from sanyuan.audit import seals
from sanyuan.audit.heads import ForkError
from sanyuan.audit.service import TransactionError
from sanyuan.client.verify import Grade
from sanyuan.common.contracts.log import Sealed
from sanyuan.common.envelope import decode, format_sequence, hash_value
from sanyuan.common.errors import SanyuanError
from sanyuan.common.failpoints import FAILPOINTS
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.notes import SigningKey

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from tests.audit.conftest import Lab

    from sanyuan.audit.facts import Checked
    from sanyuan.audit.sequencer import Batch

FOOD = "//cn/departments/11110000000012345X/food-permits"
OTHER = "//cn/departments/11110000000012345X/other"
pytestmark = pytest.mark.asyncio
Crash = Callable[..., None]


def taken(lab: Lab) -> Counter[bytes]:
    return Counter(parse_leaf(entry).value for entry in lab.entries())


def assert_all_once(lab: Lab) -> None:
    """Everything that the honest sources sent is in the log, once, and the log is sound."""
    report = lab.verify()
    assert (report.exit_code, report.findings) == (0, ())
    values = taken(lab)
    for records in lab.topics.values():
        for raw in records:
            assert raw.value is not None
            assert values[raw.value] == 1


def receipts(lab: Lab) -> dict[tuple[str, str], int]:
    """The last place of each stream that `audit-seals` names; contiguous from 1."""
    known: dict[tuple[str, str], int] = {}
    for value in lab.broker.of("audit-seals"):
        for source, topic, first, last, _ in Sealed.model_validate(decode(value).data).rows:
            assert first <= known.get((source, topic), 0) + 1
            known[source, topic] = max(last, known.get((source, topic), 0))
    return known


async def test_what_was_sent_is_in_the_log_once_and_sealed(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(3):
        for _ in range(300):
            lab.command()
        await lab.drain(running, 100)
    running.close()
    assert_all_once(lab)
    assert receipts(lab)[FOOD, "cn/identity-commands"] == 900
    assert lab.broker.of("audit-checkpoints")[-1] == (lab.folder / "checkpoint").read_bytes()
    last = parse_leaf(lab.entries()[-1]).envelope
    assert last.type == "log.sealed.v1"
    assert running.standing.streams[FOOD]["cn/identity-commands"][0] == 900


async def test_nothing_new_is_no_new_checkpoint(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    size = len(lab.entries())
    await running.log.seal()
    running.close()
    assert len(lab.entries()) == size
    assert len(lab.broker.of("audit-checkpoints")) == 1


async def test_a_repeated_record_is_skipped(lab: Lab) -> None:
    running = await lab.start()
    sent = [lab.command() for _ in range(3)]
    await lab.drain(running)
    for raw in sent:
        lab.put(raw.topic, FOOD, raw.value)
    lab.command()
    await lab.drain(running)
    running.close()
    assert lab.verify().exit_code == 0
    assert len(lab.entries()) == len(taken(lab))


@pytest.mark.parametrize("late", [True, False])
async def test_a_fork_is_stated_once_and_never_copied(lab: Lab, *, late: bool) -> None:
    running = await lab.start()
    first = [lab.command() for _ in range(3)]
    if late:
        await lab.drain(running)
    heads = dict(lab.heads)
    lab.heads[FOOD, "identity-commands"] = (1, "0" * 64)
    other = lab.command()
    lab.put(other.topic, FOOD, other.value)
    lab.heads = heads
    lab.command()
    await lab.drain(running)
    running.close()
    report = lab.verify()
    assert report.exit_code == 0
    [fork] = lab.said("log.equivocation.v1")
    assert (fork["source"], fork["sequence"]) == (FOOD, 2)
    assert first[1].value is not None
    assert fork["first"] == hash_value(first[1].value)
    assert other.value not in taken(lab)
    assert [each["reason"] for each in lab.said("log.digest.v1")] == ["forked"]
    assert lab.said("log.digest.v1")[0]["count"] == 2


async def test_an_open_place_is_stated_after_its_time_and_closed_when_filled(lab: Lab) -> None:
    running = await lab.start(gap_seconds=0.0)
    lab.command()
    lost = lab.command()
    topic = ("identity-commands", lost.partition)
    lab.topics[topic].remove(lost)
    late = [lab.command(), lab.command()]
    renumber(lab, topic)
    await lab.drain(running)
    await running.log.seal()
    report = lab.verify()
    assert report.exit_code == 10
    assert report.having(Grade.INCOMPLETE)[0].sequence == 2
    for raw in (lost, *late):
        lab.put(raw.topic, FOOD, raw.value)
    await lab.drain(running)
    running.close()
    assert lab.verify().exit_code == 0
    [gap], [closed] = lab.said("log.gap.v1"), lab.said("log.gap-closed.v1")
    assert (gap["expected"], gap["seen"], closed["expected"]) == (2, 3, 2)


def renumber(lab: Lab, topic: tuple[str, int]) -> None:
    records = lab.topics[topic]
    lab.topics[topic] = [raw._replace(offset=offset) for offset, raw in enumerate(records)]


async def test_a_place_that_no_number_holds_stops_nobody(lab: Lab) -> None:
    """2^53 − 1 is the last: beyond, JSON readers and databases would lose or refuse it."""
    running = await lab.start(gap_seconds=0)
    lab.command()
    for sequence in (2**53 - 1, 2**53, 10**20 - 1):
        heads = dict(lab.heads)
        far = {"sequence": format_sequence(sequence)}
        kind = "identity.verify-person.v1"
        lab.put("identity-commands", FOOD, lab.value(FOOD, "identity-commands", kind, {}, **far))
        lab.heads = heads
    await lab.drain(running)
    running.close()
    [gap] = lab.said("log.gap.v1")
    assert gap["seen"] == 2**53 - 1
    [digest] = lab.said("log.digest.v1")
    assert (digest["reason"], digest["count"]) == ("unreadable", 2)


async def test_what_is_not_authentic_is_counted_never_copied(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    stranger = lab.command(OTHER)
    good = lab.command()
    lab.put("identity-commands", FOOD, b"not json")
    lab.put("identity-commands", FOOD, None)
    lab.put("identity-commands", FOOD, lab.command().value, headers=[("signature", b"x")])
    foreign = SigningKey.generate("cn/services/identity").sign((good.value or b"") + b"\n")
    lab.put("identity-commands", FOOD, good.value, headers=[("signature", foreign.encode())])
    lab.put("identity-commands", FOOD, b"x" * 61_441)
    await lab.drain(running)
    running.close()
    report = lab.verify()
    assert report.exit_code == 0
    assert {each["reason"]: each["count"] for each in lab.said("log.digest.v1")} == {
        "unknown-key": 1,
        "unreadable": 3,
        "wrong-key": 1,
        "too-large": 1,
    }
    assert stranger.value not in taken(lab)


async def test_a_key_is_good_from_its_registration_on(lab: Lab) -> None:
    running = await lab.start()
    lab.register(OTHER)
    lab.command(OTHER)
    await lab.drain(running)
    running.close()
    assert_all_once(lab)


async def test_a_seal_of_very_many_streams_takes_parts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "PART_BYTES", 4096)
    running = await lab.start()
    state = running.sequencer.state
    sources = [f"//cn/departments/11110000000012345X/s{at}" for at in range(100)]
    for source in sources:
        lab.register(source)
        lab.command(source)
    await lab.drain(running)
    running.close()
    assert_all_once(lab)
    parts = lab.said("log.sealed.v1")
    assert len(parts) > 3
    assert [each["part"] for each in parts] == list(range(1, len(parts) + 1))
    assert state.previous_seal == len(lab.entries()) - 1


STEPS = [name for name in FAILPOINTS if name.startswith("audit.")]


@pytest.mark.parametrize(
    ("home", "hits"),
    [("sqlite", 1), ("sqlite", 2), ("sqlite", 3), ("postgresql", 2)],
    indirect=["home"],
)
@pytest.mark.parametrize("step", [step for step in STEPS if step != "audit.after-receive"])
async def test_after_a_death_at_any_step_the_log_goes_on(
    lab: Lab, crash: Crash, step: str, hits: int
) -> None:
    crash(step, hits)
    died = False
    running = await lab.start()
    for _ in range(4):
        for _ in range(150):
            lab.command()
        try:
            await lab.drain(running, 100)
        except RuntimeError:  # the crash
            died = True
            running.close()
            crash(None)
            running = await lab.start()
            assert receipts(lab).get((FOOD, "cn/identity-commands"), 0) <= 600
    await lab.drain(running)
    running.close()
    assert died
    assert_all_once(lab)
    assert receipts(lab)[FOOD, "cn/identity-commands"] == 600


async def test_when_a_transaction_fails_none_follows_over_leaves_that_were_never_committed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await lab.start()
    await lab.drain(running)
    lab.command()
    checked = await lab.read(running)
    append = running.log._append

    def fail(connection: Connection, given: Checked) -> Batch:
        append(connection, given)
        raise OSError("no space left")

    monkeypatch.setattr(running.log, "_append", fail)
    appended, sealed = await asyncio.gather(
        running.log.append(checked), running.log.seal(), return_exceptions=True
    )
    assert isinstance(appended, OSError)
    assert isinstance(sealed, TransactionError)  # it waited for its turn, and must not take it
    running.close()
    running = await lab.start()
    await lab.drain(running)
    running.close()
    assert_all_once(lab)


async def test_the_log_goes_on_without_its_database(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(300):
        lab.command()
    await lab.drain(running)
    state = running.sequencer.state
    running.close()
    lab.home.lose()
    running = await lab.start()
    assert vars(running.sequencer.state) == vars(state)
    lab.command()
    await lab.drain(running)
    running.close()
    assert_all_once(lab)


async def test_an_old_database_is_rolled_forward(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()
    lab.home.keep()
    running = await lab.start()
    for _ in range(300):
        lab.command()
    await lab.drain(running)
    running.close()
    lab.home.restore()
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()
    assert_all_once(lab)
    assert receipts(lab)[FOOD, "cn/identity-commands"] == 302


async def test_a_log_behind_its_database_is_refused(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    shutil.copytree(lab.folder, lab.var / "old")
    for _ in range(2):
        lab.command()
        await lab.drain(running)
    running.close()
    shutil.rmtree(lab.folder)
    shutil.copytree(lab.var / "old", lab.folder)
    sent, lab.broker.sent = lab.broker.sent, []
    with pytest.raises(
        ForkError, match=r"10 leaves, root .* \(the database\).*lacks a file.*8 leaves, root"
    ):
        await lab.start()
    lab.broker.sent = sent  # the topic still knows the newest checkpoint, the tiles are lost
    with pytest.raises(SanyuanError, match="lacks a file"):
        await lab.start()


async def test_two_roots_of_one_size_are_refused(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    running.close()
    note = (lab.folder / "checkpoint").read_bytes()
    lines = note.split(b"\n")
    forged = b"\n".join([*lines[:2], b"A" * 43 + b"=", b""])
    line = lab.log_key.sign(forged).encode()
    (lab.folder / "checkpoint").write_bytes(forged + b"\n" + line + b"\n")
    with pytest.raises(ForkError, match="two roots"):
        await lab.start()


async def test_a_damaged_tile_is_refused_at_the_start(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(300):
        lab.command()
    await lab.drain(running)
    running.close()
    for file in (lab.folder / "tile/1").rglob("*"):
        if file.is_file():
            file.write_bytes(bytes(32))
    with pytest.raises(SanyuanError, match="signed root"):
        await lab.start()


async def test_a_second_writer_finds_the_lock_taken(lab: Lab) -> None:
    running = await lab.start()
    with pytest.raises(SanyuanError, match="another process"):
        await lab.start()
    running.close()


async def test_a_checkpoint_by_somebody_else_stops_the_service(lab: Lab) -> None:
    running = await lab.start()
    lab.command()
    await lab.drain(running)
    (lab.folder / "checkpoint").write_bytes(b"somebody else's")
    lab.command()
    with pytest.raises(ForkError, match="somebody else"):
        await lab.drain(running)
    running.close()


async def test_partial_files_disappear_when_the_full_one_is_published(lab: Lab) -> None:
    running = await lab.start()
    for _ in range(6):
        for _ in range(60):
            lab.command()
        await lab.drain(running)
    running.close()
    assert not (lab.folder / "tile/0/000.p").exists()
    assert (lab.folder / "tile/0/000").exists()
    assert not list(lab.folder.rglob(".*"))
