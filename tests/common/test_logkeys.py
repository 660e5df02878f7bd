"""The log's key is made once, private, and never overwritten."""

import stat
from pathlib import Path

import pytest

from sanyuan.common.logkeys import LogKeyError, create_log_key, load_log_key, open_log_key


def test_a_key_is_made_once_and_read_ever_after(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "log-key.json"
    made = open_log_key(path, "cn")
    assert open_log_key(path, "cn") == load_log_key(path) == made
    assert made.name.startswith("cn/log/")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(LogKeyError, match="already"):
        create_log_key(path, "cn/log/2026")


@pytest.mark.parametrize("content", ["", "{}", '{"origin":"cn/log/2026","seed":"AAAA"}'])
def test_a_broken_file_is_told_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log-key.json"
    path.write_text(content)
    with pytest.raises(LogKeyError, match="broken"):
        open_log_key(path, "cn")
    assert path.read_text() == content


def test_without_a_file_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(LogKeyError, match="no key"):
        load_log_key(tmp_path / "none")
