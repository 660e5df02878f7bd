from datetime import UTC, datetime
from pathlib import Path

from sanyuan.common.contracts.catalog import Bounds, GrantTerms
from sanyuan.sandbox.demo.load.assertions import Assertions
from sanyuan.sandbox.demo.load.ledger import (
    LEDGER,
    Delegated,
    Follower,
    Granted,
    Ledger,
    Licensed,
    Submitted,
)
from sanyuan.sandbox.demo.load.published import Published

CODE = "31700101/000001"
TERMS = GrantTerms(
    grant="0" * 32,
    resource=CODE,
    grantee="11110000000012345X",
    purpose="food-business-licence",
    bounds=Bounds(fields=("status",), until=datetime(2099, 1, 1, tzinfo=UTC)),
)
FACTS = (
    Submitted(CODE, 1),
    Granted(3, TERMS),
    Delegated("k" * 43),
    Licensed("11110000000012345X"),
)


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    for fact in FACTS:
        ledger.write(fact)
    again = Ledger(tmp_path / LEDGER)  # nobody has closed the other one
    assert again.submitted == {CODE: 1}
    assert again.grants == {(3, CODE): TERMS}
    assert again.delegated == "k" * 43
    assert again.licensed == {"11110000000012345X"}
    assert again.entries == 3
    again.close()
    ledger.close()


def test_a_line_that_was_cut_off_never_was(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    first = Ledger(path)
    first.write(FACTS[0])
    first.close()
    with path.open("ab") as file:
        file.write(b'{"resource":"3170')
    again = Ledger(path)
    again.write(FACTS[3])
    again.close()
    last = Ledger(path)
    assert (last.submitted, last.licensed) == ({CODE: 1}, {"11110000000012345X"})
    last.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_reads_along_sees_each_whole_line_once(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    follower = Follower(path)
    assert follower.new() == []
    ledger = Ledger(path)
    ledger.write(FACTS[0])
    assert follower.new() == [FACTS[0]]
    with path.open("ab") as file:
        file.write(b'{"half')
    assert follower.new() == []
    ledger.close()


def test_codes_in_force_are_read_as_they_are_written(tmp_path: Path) -> None:
    writer, reader = Published(tmp_path / "in" / "x.txt"), Published(tmp_path / "in" / "x.txt")
    writer.write([CODE, "31700101/000002"])
    assert reader.codes == set()
    reader.look()
    assert reader.codes == writer.codes == {CODE, "31700101/000002"}
    assert Published(tmp_path / "in" / "x.txt").codes == reader.codes


def test_an_assertion_is_kept_until_its_exchange_has_it(tmp_path: Path) -> None:
    held = Assertions.open(tmp_path, "plan")
    held.put(3, 0, "first")
    held.put(3, 1, "")
    assert held.take(3, 0) == "first"
    assert held.take(3, 0) is None
    again = Assertions.open(tmp_path, "plan")  # after a kill before the exchange was durable
    assert (again.take(3, 0), again.take(3, 1), again.take(4, 0)) == ("first", "", None)
    for each in (held, again):
        each.close()
    assert (tmp_path / "assertions-plan.jsonl").stat().st_mode & 0o777 == 0o600
    Assertions.open(tmp_path, "next").close()
    assert [path.name for path in tmp_path.iterdir()] == ["assertions-next.jsonl"]
