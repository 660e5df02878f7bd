from datetime import date
from pathlib import Path

import pytest

from sanyuan.common.environment import SettingError
from sanyuan.license_exchange.domain.rules import Rules, StatusTimes
from sanyuan.license_exchange.settings import Settings

PREFIX = "SANYUAN_LICENSE_EXCHANGE_"


def test_without_an_environment_everything_has_a_default() -> None:
    settings = Settings.from_environment({})
    assert settings.system_file == Path("var/systems/license-exchange.json")
    assert settings.secrets_file == Path("var/license-exchange/secrets.json")
    assert settings.database_file == Path("var/license-exchange/license-exchange.db")
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8202)
    assert settings.public_url == "http://127.0.0.1:8202"
    assert settings.rules == Rules()
    assert settings.status_times == StatusTimes()


def test_the_environment_sets_every_rule() -> None:
    settings = Settings.from_environment(
        {
            "SANYUAN_VAR": "/srv/sanyuan",
            PREFIX + "PUBLIC_URL": "https://licences.example.gov.cn/exchange/",
            PREFIX + "ANSWER_DAYS": "3",
            PREFIX + "HOLIDAYS": "2026-10-01, 2026-10-02",
            PREFIX + "WORKDAYS": "2026-10-10",
            PREFIX + "BURST_SECONDS": "5",
            PREFIX + "CODE_SECONDS": "60",
            PREFIX + "LIST_SIZE": "1024",
            PREFIX + "STATUS_LIFETIME": "120",
            PREFIX + "STATUS_TTL": "10",
        }
    )
    assert settings.database_file == Path("/srv/sanyuan/license-exchange/license-exchange.db")
    assert settings.public_url == "https://licences.example.gov.cn/exchange"
    assert settings.rules.answer_days == 3
    assert settings.rules.calendar.holidays == {date(2026, 10, 1), date(2026, 10, 2)}
    assert settings.rules.calendar.workdays == {date(2026, 10, 10)}
    assert (settings.rules.burst_seconds, settings.rules.code_seconds) == (5, 60)
    assert settings.rules.list_size == 1024
    assert settings.status_times == StatusTimes(120, 10)


def test_licences_name_the_port_that_is_listened_on() -> None:
    settings = Settings.from_environment({PREFIX + "HTTP_PORT": "9000"})
    assert settings.public_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "70000"),
        ("PUBLIC_URL", "licences.example"),
        ("PUBLIC_URL", "https://licences.example?x=1"),
        ("PUBLIC_URL", "ftp://licences.example"),
        ("ANSWER_DAYS", "ten"),
        ("HOLIDAYS", "tomorrow"),
        ("LIST_SIZE", "1023"),
        ("LIST_SIZE", "99999999999"),
        ("STATUS_TTL", "-1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_environment({PREFIX + name: value})
    assert raised.value.where == PREFIX + name


def test_the_database_may_be_a_servers_and_its_password_is_shown_nowhere() -> None:
    url = "postgresql://exchange:hunter2@db.example:5432/sanyuan"
    settings = Settings.from_environment({"SANYUAN_LICENSE_EXCHANGE_DATABASE": url})
    assert settings.database == url
    assert "hunter2" not in repr(settings)
