from datetime import date
from pathlib import Path

import pytest

from sanyuan.catalog.domain.rules import Rules
from sanyuan.catalog.settings import Settings
from sanyuan.common.environment import SettingError


def test_everything_has_a_default_below_var() -> None:
    settings = Settings.from_environment({})
    assert settings.rules == Rules()
    assert settings.http_port == 8203
    assert settings.system_file == Path("var/systems/catalog.json")
    assert settings.database == Path("var/catalog/catalog.db")
    assert settings.exports == Path("var/catalog/exports")
    assert settings.url == "http://127.0.0.1:8203"


def test_rules_are_settings() -> None:
    settings = Settings.from_environment(
        {
            "SANYUAN_VAR": "/srv/sanyuan",
            "SANYUAN_CATALOG_ANSWER_DAYS": "3",
            "SANYUAN_CATALOG_HOLIDAYS": "2026-10-01, 2026-10-02",
            "SANYUAN_CATALOG_WORKDAYS": "2026-10-10,",
            "SANYUAN_CATALOG_BURST_SECONDS": "60",
            "SANYUAN_CATALOG_HTTP_PORT": "9000",
        }
    )
    assert settings.database == Path("/srv/sanyuan/catalog/catalog.db")
    assert (settings.rules.answer_days, settings.rules.burst_seconds) == (3, 60)
    assert settings.url == "http://127.0.0.1:9000"
    calendar = settings.rules.calendar
    assert calendar.holidays == {date(2026, 10, 1), date(2026, 10, 2)}
    assert calendar.workdays == {date(2026, 10, 10)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"SANYUAN_CATALOG_ANSWER_DAYS": "0"},
        {"SANYUAN_CATALOG_ANSWER_DAYS": "251"},
        {"SANYUAN_CATALOG_BURST_SECONDS": "soon"},
        {"SANYUAN_CATALOG_HTTP_PORT": "65536"},
        {"SANYUAN_CATALOG_HOLIDAYS": "2026-02-30"},
        {"SANYUAN_CATALOG_WORKDAYS": "Saturday"},
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingError) as raised:
        Settings.from_environment(wrong)
    assert raised.value.where == next(iter(wrong))


def test_the_catalogue_says_that_it_has_no_other_store() -> None:
    with pytest.raises(SettingError, match="full-text index") as caught:
        Settings.from_environment({"SANYUAN_CATALOG_DATABASE": "postgresql://c:hunter2@db/c"})
    assert "hunter2" not in str(caught.value)
