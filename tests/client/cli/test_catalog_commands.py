"""What the commands of the exchange make of what is typed: one clear error for every bad input."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.client.exchange import CODE, FIELDS, GRANT, TERMS
from tests.client.test_sql_answers import resource
from typer.testing import CliRunner

from sanyuan.client.catalogue import Catalogue, Published
from sanyuan.client.cli.calling import (
    GrantError,
    ParameterError,
    choose,
    parse_parameters,
)
from sanyuan.client.cli.grants import narrow
from sanyuan.client.cli.main import app
from sanyuan.client.cli.resources import ResourceFileError, load_resource, reviews
from sanyuan.client.faces.commands import MalformedCommandError
from sanyuan.common.contracts.catalog import Bounds, GrantRequested, GrantTerms

OTHER = "0" * 31 + "2"
HOLDER = TERMS.grantee


def terms(grant: str = GRANT, purpose: str = TERMS.purpose, year: int = 2099) -> GrantTerms:
    bounds = Bounds(fields=FIELDS, until=datetime(year, 1, 1, tzinfo=UTC))
    return TERMS.model_copy(update={"grant": grant, "purpose": purpose, "bounds": bounds})


def catalogue(*held: GrantTerms) -> Catalogue:
    return Catalogue({CODE: Published(resource(), 1)}, {each.grant: each for each in held})


def test_parameters_are_names_and_values() -> None:
    assert parse_parameters(["code=91", "note=a=b", "empty="]) == {
        "code": "91",
        "note": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("texts", [["code"], ["=91"], ["code=1", "code=2"]])
def test_a_parameter_that_is_none_is_never_quoted(texts: list[str]) -> None:
    with pytest.raises(ParameterError) as refused:
        parse_parameters(texts)
    assert "91" not in str(refused.value)


def test_a_grant_is_meant_by_its_id_or_its_resource() -> None:
    held = catalogue(terms(), terms(OTHER, year=2098))
    assert choose(held, HOLDER, OTHER, None).grant == OTHER
    assert choose(held, HOLDER, CODE, None).grant == GRANT


def test_of_several_purposes_one_has_to_be_named() -> None:
    held = catalogue(terms(), terms(OTHER, "another-purpose"))
    with pytest.raises(GrantError, match="another-purpose, food-business-licence"):
        choose(held, HOLDER, CODE, None)
    assert choose(held, HOLDER, CODE, "another-purpose").grant == OTHER


@pytest.mark.parametrize(
    ("holder", "what", "year"),
    [("91110000600037341L", CODE, 2099), (HOLDER, OTHER, 2099), (HOLDER, CODE, 2020)],
)
def test_a_grant_of_others_an_unknown_or_expired_one_is_none(
    holder: str, what: str, year: int
) -> None:
    with pytest.raises(GrantError, match="no such grant"):
        choose(catalogue(terms(year=year)), holder, what, None)


def test_a_request_is_allowed_as_asked_or_within_narrower_bounds() -> None:
    asked = GrantRequested(
        request=GRANT,
        resource=CODE,
        grantee=HOLDER,
        purpose=TERMS.purpose,
        legal_basis="law",
        bounds=TERMS.bounds,
        decide_by=TERMS.bounds.until,
    )
    nothing = {"fields": None, "until": None, "quota": None, "rate": None}
    assert narrow([asked], nothing) is None
    narrower = narrow([asked], nothing | {"fields": ["status"], "quota": 5})
    assert narrower is not None
    assert (narrower.fields, narrower.quota, narrower.until) == (("status",), 5, TERMS.bounds.until)
    with pytest.raises(MalformedCommandError, match="not in this system's inbox"):
        narrow([], nothing | {"quota": 5})
    with pytest.raises(MalformedCommandError, match="twice"):
        narrow([asked], nothing | {"fields": ["status", "status"]})


def test_a_review_publishes_or_rejects_for_a_reason() -> None:
    assert [each.publish for each in reviews([CODE, CODE], 1, None)] == [True, True]
    assert reviews([CODE], 2, "条件不明确")[0].reason == "条件不明确"
    for codes, reason in ((["no code"], None), ([CODE], "")):
        with pytest.raises(MalformedCommandError):
            reviews(codes, 1, reason)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read"), (b"{", "no JSON"), (b"[1]", "no JSON object")]
)
def test_a_file_that_is_no_resource_says_why(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "resource.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ResourceFileError, match=why):
        load_resource(file)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["publish-resource", "{tmp}/none.json"], "the file cannot be read"),
        (["call", CODE, "--param", "x"], "given once, as NAME=VALUE"),
        (["call", CODE, "--assertion", "{tmp}/none"], "cannot be read"),
        (
            ["serve", "--resource", CODE, "--sql", "{tmp}/q.sql", "--database", "{tmp}/none.db"],
            "cannot be read",
        ),
        (["grants", "list"], "no such system file"),
        (["grants", "refuse", GRANT, "--reason", "x"], "no such system file"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    named = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    ran = CliRunner().invoke(app, [*named, "--as", str(tmp_path / "none.json")])
    assert ran.exit_code == 2
    assert why in ran.stderr


@pytest.mark.parametrize(
    "command",
    ["publish-resource", "withdraw-resource", "review", "request-grant", "call", "serve"],
)
def test_every_command_explains_itself_in_both_languages(command: str) -> None:
    ran = CliRunner().invoke(app, [command, "--help"])
    assert ran.exit_code == 0
    assert any("\u4e00" <= character <= "\u9fff" for character in ran.stdout)
