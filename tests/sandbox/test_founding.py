import re
import stat
from pathlib import Path

import pytest

from sanyuan.common.notes import SigningKey
from sanyuan.sandbox.founding import FoundingError, _log_key, agency_key, fingerprint, make_keys
from sanyuan.sandbox.members import AGENCY_SOURCE, members


def test_keys_are_made_once_and_requests_say_the_same_again(tmp_path: Path) -> None:
    first = make_keys(tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "systems").iterdir()}

    assert make_keys(tmp_path) == first
    assert {path: path.read_bytes() for path in (tmp_path / "systems").iterdir()} == before
    assert [request.source for request in first] == [str(member.source) for member in members()]


def test_private_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    make_keys(tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "systems").iterdir()}
    assert modes == {0o600}


def test_requests_hold_no_private_key(tmp_path: Path) -> None:
    requests = make_keys(tmp_path)
    agency = next(each for each in requests if each.source == str(AGENCY_SOURCE))
    assert str(agency_key(requests)) == agency.signing_key
    secrets = [
        re.findall(r'"s(?:ign|eal)ing_key": "([^"]+)"', path.read_text())
        for path in (tmp_path / "systems").iterdir()
    ]
    said = "".join(path.read_text() for path in (tmp_path / "requests").iterdir())
    assert not any(secret in said for pair in secrets for secret in pair)


def test_progress_ends_at_all(tmp_path: Path) -> None:
    seen = list[tuple[str, int, int]]()
    make_keys(tmp_path, lambda what, done, total: seen.append((what, done, total)))
    assert seen[-1] == ("Keys", len(members()), len(members()))


def test_only_audit_makes_the_logs_key(tmp_path: Path) -> None:
    requests = make_keys(tmp_path)
    makers = [each.source for each in requests if each.log_key]
    assert makers == ["//cn/services/audit"]
    with pytest.raises(FoundingError):
        _log_key([each for each in requests if not each.log_key])


def test_a_fingerprint_tells_keys_apart_and_not_their_names() -> None:
    key = SigningKey.generate("cn/a")
    same = SigningKey.from_seed("cn/b", key.seed)
    assert fingerprint(key.verifier) == fingerprint(same.verifier)
    assert fingerprint(key.verifier) != fingerprint(SigningKey.generate("cn/a").verifier)
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", fingerprint(key.verifier))
