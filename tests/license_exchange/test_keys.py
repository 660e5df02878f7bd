from pathlib import Path

import pytest

from sanyuan.common.secretsfile import KeysError
from sanyuan.license_exchange.keys import load_keys, make_keys, open_keys


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "license-exchange" / "secrets.json"
    keys = open_keys(path, is_new=True)
    assert open_keys(path, is_new=True) == open_keys(path, is_new=False) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.master != keys.blind_index


def test_secrets_are_never_replaced(tmp_path: Path) -> None:
    make_keys(tmp_path / "secrets.json")
    with pytest.raises(KeysError, match="exist already"):
        make_keys(tmp_path / "secrets.json")


def test_lost_secrets_are_an_error_where_licences_are_kept(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="are lost"):
        open_keys(tmp_path / "secrets.json", is_new=False)


def test_broken_secrets_are_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text('{"master": "hush", "blind_index": "hush"}')
    with pytest.raises(KeysError, match="broken") as raised:
        load_keys(path)
    assert "hush" not in str(raised.value)
