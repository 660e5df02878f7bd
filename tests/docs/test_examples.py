"""The examples stand on their own: a client in another language is written from the same bytes."""

import ast
import importlib.util
import json
import sqlite3
import sys
from base64 import b64decode
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from nacl.exceptions import BadSignatureError

from sanyuan.client.sql_answers import SqlAnswers
from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.members import members
from sanyuan.sandbox.synthetic.catalogue.making import make_catalogue

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "docs" / "examples"
THIRTY_LINES: Final = EXAMPLES / "thirty_lines.py"
GOLDEN: Final = ROOT / "tests" / "golden"


@dataclass(frozen=True)
class Delivered:
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def golden(kind: str) -> Delivered:
    content = json.loads((GOLDEN / f"{kind}.json").read_text("utf-8"))
    headers = tuple(
        (name, b64decode(text) if name.startswith("sealed-") else text.encode())
        for name, text in content["headers"].items()
    )
    return Delivered(content["value"].encode(), headers)


@pytest.fixture
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("thirty_lines", THIRTY_LINES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def registration() -> dict[str, Any]:
    value = golden("participant.system-registered.v1").value
    data: dict[str, Any] = json.loads(value)["data"]
    return data


def test_it_needs_aiokafka_pynacl_and_cryptography_only() -> None:
    tree = ast.parse(THIRTY_LINES.read_text("utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    packages = {module.partition(".")[0] for module in modules}
    assert packages - set(sys.stdlib_module_names) == {"aiokafka", "cryptography", "nacl"}


def test_it_checks_signatures_as_the_design_says(
    client: ModuleType, registration: dict[str, Any]
) -> None:
    record = golden("identity.verify-person.v1")
    assert client.check(record, registration["signing_key"])["actor"] == "official-07"
    changed = Delivered(record.value.replace(b"official-07", b"official-08"), record.headers)
    with pytest.raises(BadSignatureError):
        client.check(changed, registration["signing_key"])
    with pytest.raises((BadSignatureError, ValueError)):
        client.check(golden("identity.person-verified.v1"), registration["signing_key"])


def test_it_opens_what_is_sealed_to_it(client: ModuleType, registration: dict[str, Any]) -> None:
    keys = json.loads((GOLDEN / "keys.json").read_text("utf-8"))[registration["source"]]
    record = golden("identity.person-verified.v1")
    decision = json.loads(record.value)
    opened = client.unseal(keys, registration, record, decision)
    assert opened == '"header.payload.signature"'


def test_a_decision_without_assertion_opens_nothing(
    client: ModuleType, registration: dict[str, Any]
) -> None:
    keys = json.loads((GOLDEN / "keys.json").read_text("utf-8"))[registration["source"]]
    record = golden("identity.person-not-verified.v1")
    assert client.unseal(keys, registration, record, json.loads(record.value)) is None


@pytest.fixture
def example() -> Resource:
    return Resource.model_validate_json((EXAMPLES / "company-names.json").read_bytes())


def test_the_example_of_a_resource_belongs_to_a_spare_system_and_to_no_other_code(
    example: Resource,
) -> None:
    spares = {str(each.source) for each in members() if each.source.name.startswith("spare-")}
    assert example.serving_system in spares
    assert f"/{example.provider}/" in (example.serving_system or "")
    assert example.code not in {each.code for each in make_catalogue("cn")}


def test_the_query_of_the_example_answers_its_resource(example: Resource, tmp_path: Path) -> None:
    register = tmp_path / "legal-entity.db"
    with closing(sqlite3.connect(register)) as database, database:
        database.execute("CREATE TABLE organisation (code, name)")
    with closing(SqlAnswers.open(register, EXAMPLES / "company-names.sql")) as answers:
        answers.fit(example)
        assert answers.parameters == ("credit_code",)
