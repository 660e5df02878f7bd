"""Contents: what is refused and why, what is made of a draft, and that nothing is ever quoted."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest
from tests.license_exchange.conftest import COMPANY, DEFINER, LICENSE_TYPE, NOW, content, for_person

from sanyuan.common.contracts.license_exchange import METADATA
from sanyuan.license_exchange.domain.contents import Content, Issuing, complete, day_of, dump, load
from sanyuan.license_exchange.domain.drafts import (
    MAX_CONTENT_BYTES,
    ContentFault,
    Draft,
    read_content,
)
from sanyuan.license_exchange.domain.types import TypeRevision

TODAY = date(2026, 11, 23)
AT = int(NOW.timestamp()) * 1_000_000
ABOUT = Issuing(
    type=TypeRevision(LICENSE_TYPE, 1),
    issuer=DEFINER,
    issuer_name="某市市场监督管理局",
    definer_name="国家市场监督管理总局",
    version=1,
    at=AT,
    seed=bytes(32),
)


def draft(said: object) -> Draft | ContentFault:
    return read_content(json.dumps(said, ensure_ascii=False).encode(), on=TODAY)


def made(said: object) -> Content:
    read = draft(said)
    assert isinstance(read, Draft), read
    finished = complete(read, ABOUT)
    assert isinstance(finished, Content), finished
    return finished


def test_a_content_is_completed_by_what_the_standard_asks_for() -> None:
    finished = made(content())
    assert finished.claims == {
        "license_identifier": f"1.2.156.3005.2.{DEFINER}032.{DEFINER}.2430599.001.0",
        "license_name": "食品经营许可证",
        "license_number": "2430599",
        "version": "001",
        "type_code": f"{DEFINER}032",
        "type_name": "食品经营许可证",
        "issuer_code": DEFINER,
        "issuer_name": "某市市场监督管理局",
        "definer_code": DEFINER,
        "definer_name": "国家市场监督管理总局",
        "issue_date": "2026-11-23",
        "valid_from": "2026-11-01",
        "valid_until": "2031-10-31",
        "holder_name": "某某餐饮有限公司",
        "holder_code": COMPANY,
        "holder_code_type": "001",
        "premises": "北京市西城区某街1号",
        "area": 120,
    }
    assert set(finished.absent) == {*METADATA, "premises", "area", "scope"} - set(finished.claims)


def test_a_licence_holds_from_midnight_to_midnight_in_china() -> None:
    finished = made(content())
    assert finished.begins == datetime(2026, 10, 31, 16, tzinfo=UTC).timestamp()
    assert finished.ends == datetime(2031, 10, 31, 16, tzinfo=UTC).timestamp()
    assert made(content(valid_until=None)).ends is None
    assert day_of(int(datetime(2026, 11, 22, 16, tzinfo=UTC).timestamp()) * 10**6) == TODAY


def test_everything_that_the_standard_knows_can_be_said() -> None:
    finished = made(
        for_person(
            name="食品经营许可证（副本）",
            number="JY11101080012345",
            territory="全国",
            jurisdiction="110102",
            matters=[{"name": "食品经营许可", "code": "000131001000"}],
            annotations=[{"made_at": "2026-11-23", "by": "某局", "reason": "首次"}],
            holder={"kind": "person", "name": "阿甲某", "code": "11010519491231002x"},
        )
    )
    assert finished.claims["license_number"] == "JY11101080012345"
    assert finished.claims["holder_code"] == "11010519491231002X"
    assert finished.claims["holder_code_type"] == "111"
    assert finished.claims["matters"] == [{"name": "食品经营许可", "code": "000131001000"}]
    assert finished.claims["annotations"] == [
        {"made_at": "2026-11-23", "by": "某局", "reason": "首次"}
    ]
    assert finished.absent == ("scope",)


def test_what_is_kept_is_what_was_made() -> None:
    finished = made(content())
    assert load(dump(finished)) == finished
    assert "餐饮" not in repr(finished)


def test_only_what_was_asked_for_is_selected() -> None:
    assert made(content()).select(frozenset({"area", "scope"})) == {"area": 120}


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_licence_says_the_same_in_every_normal_form(form: Any) -> None:  # noqa: ANN401
    name = "Café Ａ１（北京）有限公司"
    one = content(
        serial="Ａ１",
        holder={"kind": "organisation", "name": name, "code": COMPANY},
        fields={"premises": name},
    )
    other = json.loads(unicodedata.normalize(form, json.dumps(one, ensure_ascii=False)))
    first, second = made(one), made(other)
    assert first.is_same_as(second)
    for claim in ("license_identifier", "holder_name", "holder_code"):
        assert first.claims[claim] == second.claims[claim]


def test_another_place_is_something_else() -> None:
    assert not made(content()).is_same_as(made(content(fields={"premises": "别处"})))
    assert not made(content()).is_same_as(made(content(valid_until="2032-01-01")))


BROKEN: list[tuple[object, str]] = [
    ([], "content"),
    ("text", "content"),
    (content(serial=7), "content.serial"),
    (content(serial="no. 7"), "content.serial"),
    ({**content(), "serial": None}, "content.serial"),
    (content(holder="某某"), "content.holder"),
    (content(holder={"kind": "animal", "name": "x"}), "content.holder.kind"),
    (content(holder={"kind": "organisation", "name": "x"}), "content.holder.code"),
    (content(holder={"kind": "organisation", "name": "x", "code": "1"}), "content.holder.code"),
    (
        content(holder={"kind": "organisation", "name": "x", "code": COMPANY, "code_type": "111"}),
        "content.holder.code",
    ),
    (
        content(holder={"kind": "organisation", "name": "\u200b", "code": COMPANY}),
        "content.holder.name",
    ),
    (
        for_person(holder={"kind": "person", "name": "x", "code": "110105194912310021"}),
        "content.holder.code",
    ),
    (content(valid_from="2026/11/01"), "content.valid_from"),
    (content(valid_until="2026-10-31"), "content.valid_until"),
    (content(territory="a\x00"), "content.territory"),
    (content(matters="x"), "content.matters"),
    (content(matters=[{"name": "x"}] * 21), "content.matters"),
    (content(annotations=[{"by": "x"}]), "content.annotations.made_at"),
    (content(fields=[]), "content.fields"),
]


@pytest.mark.parametrize(("said", "where"), BROKEN, ids=[str(n) for n in range(len(BROKEN))])
def test_a_content_in_the_wrong_form_names_the_place_and_quotes_nothing(
    said: object, where: str
) -> None:
    fault = draft(said)
    assert isinstance(fault, ContentFault)
    assert fault.where == where
    for secret in ("某某", "西城", COMPANY, "2430599", "1101"):
        assert secret not in str(fault)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (content(fields={}), "content.fields.premises"),
        (content(fields={"premises": 1}), "content.fields.premises"),
        (content(fields={"premises": "x", "秘密": 1}), "content.fields"),
        (content(fields={"premises": "x" * 201}), "content.fields.premises"),
    ],
)
def test_a_content_that_its_type_does_not_know_names_the_field(said: object, where: str) -> None:
    read = draft(said)
    assert isinstance(read, Draft)
    fault = complete(read, ABOUT)
    assert isinstance(fault, ContentFault)
    assert fault.where == where
    assert "秘密" not in str(fault)


def test_a_type_says_whom_it_is_for() -> None:
    kind = LICENSE_TYPE.model_copy(update={"holders": ("organisation",)})
    about = Issuing(**{**_facts(), "type": TypeRevision(kind, 1)})
    read = draft(for_person())
    assert isinstance(read, Draft)
    fault = complete(read, about)
    assert isinstance(fault, ContentFault)
    assert fault.where == "content.holder.kind"


def _facts() -> dict[str, Any]:
    return {name: getattr(ABOUT, name) for name in Issuing.__slots__}


def test_what_cannot_be_read_at_all_is_refused() -> None:
    missing = read_content(None, on=TODAY)
    assert isinstance(missing, ContentFault)
    assert missing.is_missing
    for plaintext in (b"", b"{", b'{"a":NaN}', b"\xff", b" " * (MAX_CONTENT_BYTES + 1)):
        assert isinstance(read_content(plaintext, on=TODAY), ContentFault)
