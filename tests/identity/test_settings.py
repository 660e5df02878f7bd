from pathlib import Path

import pytest

from sanyuan.common.environment import SettingError
from sanyuan.identity.domain.rules import Rules, Terms
from sanyuan.identity.settings import Settings


def test_everything_has_a_default_below_var() -> None:
    settings = Settings.from_environment({})
    assert settings.rules == Rules()
    assert settings.system_file == Path("var/systems/identity.json")
    assert settings.secrets_file == Path("var/identity/secrets.json")
    assert settings.population_register == Path("var/registers/population.db")


def test_rules_are_settings() -> None:
    settings = Settings.from_environment(
        {
            "SANYUAN_VAR": "/srv/sanyuan",
            "SANYUAN_IDENTITY_LOCK_FAILURES": "3",
            "SANYUAN_IDENTITY_LOCK_DURATION": "60",
            "SANYUAN_IDENTITY_RATE": "7",
            "SANYUAN_IDENTITY_TERMS": '{"visit": {"lifetime": 60, "uses": 2}}',
        }
    )
    assert settings.database == "sqlite:////srv/sanyuan/identity/identity.db"
    assert settings.rules.locks.max_failures == 3
    assert settings.rules.locks.duration == 60_000_000
    assert settings.rules.rate.per_second == 7
    assert settings.rules.terms_of("visit") == Terms(60, 2)
    assert settings.rules.terms_of("other") == Terms(600, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SANYUAN_IDENTITY_RATE": "0"},
        {"SANYUAN_IDENTITY_BURST": "-1"},
        {"SANYUAN_IDENTITY_LOCK_WINDOW": "1h"},
        {"SANYUAN_IDENTITY_TERMS": "[]"},
        {"SANYUAN_IDENTITY_TERMS": '{"visit": {"uses": "often"}}'},
        {"SANYUAN_IDENTITY_TERMS": '{"visit": {"uses": 0}}'},
        {"SANYUAN_IDENTITY_TERMS": '{"visit": {"lifetime": 7776001}}'},
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_environment(wrong)
    assert raised.value.where == next(iter(wrong))


def test_the_database_may_be_a_servers_and_its_password_is_shown_nowhere() -> None:
    url = "postgresql://identity:hunter2@db.example:5432/sanyuan"
    settings = Settings.from_environment({"SANYUAN_IDENTITY_DATABASE": url})
    assert settings.database == url
    assert "hunter2" not in repr(settings)
