"""Audit's settings come from the environment, and from nowhere else."""

from pathlib import Path

import pytest

from sanyuan.audit.settings import Settings, load_policy
from sanyuan.common.environment import SettingError


def test_without_anything_the_installation_is_in_var() -> None:
    settings = Settings.from_environment({})
    assert settings.log_folder == Path("var/audit/log")
    assert settings.log_key_file == Path("var/audit/log-key.json")
    assert (settings.checkpoint_seconds, settings.gap_seconds) == (0.5, 60.0)


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "SANYUAN_VAR": "/data",
            "SANYUAN_AUDIT_HTTP_HOST": "0.0.0.0",  # noqa: S104  containers listen so
            "SANYUAN_AUDIT_HTTP_PORT": "9000",
            "SANYUAN_AUDIT_CHECKPOINT_SECONDS": "0.1",
            "SANYUAN_AUDIT_GAP_SECONDS": "5",
            "SANYUAN_AUDIT_WITNESS_POLICY": "/etc/policy",
            "SANYUAN_AUDIT_WITNESS_SECONDS": "2",
            "SANYUAN_AUDIT_ROOM_MIB": "16",
        }
    )
    assert (settings.witness_policy, settings.witness_seconds) == (Path("/etc/policy"), 2)
    assert settings.room_bytes == 16 * 1024 * 1024
    assert settings.system_file == Path("/data/systems/audit.json")
    assert (settings.http_port, settings.checkpoint_seconds, settings.gap_seconds) == (9000, 0.1, 5)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf", "nan"])
def test_a_time_that_is_none_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(SettingError, match="SANYUAN_AUDIT_GAP_SECONDS"):
        Settings.from_environment({"SANYUAN_AUDIT_GAP_SECONDS": text})


def test_a_policy_that_cannot_be_read_ends_the_start_and_names_its_line(tmp_path: Path) -> None:
    assert load_policy(None) is None
    path = tmp_path / "policy"
    with pytest.raises(SettingError, match="policy"):
        load_policy(path)
    path.write_text("\nquorum w\n")
    with pytest.raises(SettingError, match="line 2"):
        load_policy(path)
    path.write_text("quorum none\n")
    assert load_policy(path) is not None


def test_the_database_may_be_a_servers_and_its_password_is_shown_nowhere() -> None:
    url = "postgresql://audit:hunter2@db.example:5432/sanyuan"
    settings = Settings.from_environment({"SANYUAN_AUDIT_DATABASE": url})
    assert settings.database == url
    assert "hunter2" not in repr(settings)
    assert Settings.from_environment({}).database == "sqlite:///var/audit/audit.db"
