"""What the commands for licences make of what is typed, and what they show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sanyuan.client.cli.issuing import LicenseFileError, load_json
from sanyuan.client.cli.licenses import show_license
from sanyuan.client.cli.main import app
from sanyuan.client.cli.options import TextFileError, read_text
from sanyuan.client.faces.licenses import SharedLicense

COMMANDS = [
    ["register-license-type"],
    ["issue-license"],
    ["request-license-fields"],
    ["present"],
    ["verify-presentation"],
    ["check-license"],
    ["raise-dispute"],
    ["answer-dispute"],
    ["license", "become-issuer"],
    ["license", "amend"],
    ["license", "suspend"],
    ["license", "resume"],
    ["license", "revoke"],
    ["license", "erase-holder"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(each) for each in COMMANDS])
def test_every_command_says_what_it_does_in_both_languages(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert any("\u4e00" <= character <= "\u9fff" for character in shown.output)


def test_a_file_that_is_no_content_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "content.json"
    for text in ('{"secret": ', '["secret"]'):
        file.write_text(text)
        with pytest.raises(LicenseFileError) as raised:
            load_json(file)
        assert raised.value.where == str(file)
        assert "secret" not in str(raised.value)
    with pytest.raises(LicenseFileError):
        load_json(tmp_path / "nothing")
    file.write_text('{"serial": "1"}')
    assert load_json(file) == {"serial": "1"}


def test_an_assertion_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "assertion"
    file.write_text("a.b.c\n")
    assert read_text(file) == "a.b.c"
    file.write_bytes(b"\xff")
    with pytest.raises(TextFileError):
        read_text(file)


def test_a_missing_file_is_one_message_and_exit_code_2(tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing")
    arguments = ["issue-license", "11220000013544541J032", missing, "--as", missing]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2
    assert "Traceback" not in ended.output


def test_a_licence_is_shown_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    shown = SharedLicense.model_validate(
        {
            "license": "a" * 32,
            "type": "t",
            "version": 2,
            "state": "suspended",
            "fields": {"premises": "某街1号"},
            "sd_jwt": "a.b.c~",
        }
    )
    show_license(shown)
    written = capsys.readouterr().out
    for part in ("v2", "暂停 suspended", "某街1号", "a.b.c~"):
        assert part in written
    assert json.dumps(shown.fields)
