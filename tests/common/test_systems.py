"""System files: private keys in files of their owner, written whole."""

import stat
from pathlib import Path

import pytest

from sanyuan.common.sources import SourceError
from sanyuan.common.systems import JoinRequest, SystemFile, SystemFileError

FOOD = "//cn/departments/11110000000012345X/food-permits"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_system_has_fresh_keys_and_no_connection() -> None:
    system = SystemFile.create(FOOD)
    assert (system.inbox, system.group) == ("inbox-food-permits", "food-permits.")
    assert not system.connected
    assert system.signing_key != SystemFile.create(FOOD).signing_key
    assert SystemFile.create("//cn/services/identity").inbox is None
    with pytest.raises(SourceError):
        SystemFile.create("food-permits")


def test_a_file_is_what_was_saved_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "systems" / "food-permits.json"
    system = SystemFile.create(FOOD)
    system.save(path)
    assert SystemFile.load(path) == system
    assert mode(path) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_a_crash_left_beside_it_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "food-permits.json"
    left = path.with_suffix(".new")
    left.write_text("half", "utf-8")
    left.chmod(0o644)
    SystemFile.create(FOOD).save(path)
    assert mode(path) == 0o600
    assert not left.exists()


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "food-permits.json"
    old, new = SystemFile.create(FOOD), SystemFile.create(FOOD)
    old.save(path)
    with path.open("rb") as reader:
        new.save(path)
        assert SystemFile.model_validate_json(reader.read()) == old
    assert SystemFile.load(path) == new


def test_keys_are_never_printed() -> None:
    system = SystemFile.create(FOOD)
    assert system.signing_key not in repr(system)
    assert system.sealing_key not in repr(system)


def test_a_file_that_is_missing_or_broken_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemFileError, match="sanyuan join"):
        SystemFile.load(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text('{"source": 7}', "utf-8")
    with pytest.raises(SystemFileError, match="source"):
        SystemFile.load(broken)


def test_a_broken_key_is_found_when_it_is_used() -> None:
    system = SystemFile.create(FOOD).model_copy(update={"signing_key": "AAAA"})
    with pytest.raises(SystemFileError):
        _ = system.signing


def test_a_request_holds_the_public_half_only() -> None:
    system = SystemFile.create(FOOD)
    request = JoinRequest.of(system, node="node-1").model_dump_json()
    assert str(system.signing.verifier) in request
    assert system.signing_key not in request
    assert system.sealing_key not in request
