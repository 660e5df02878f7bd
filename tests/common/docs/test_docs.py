"""What is published is what the code does: documents are made, never written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError

from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.docs.asyncapi import document
from sanyuan.common.docs.files import files, write
from sanyuan.common.docs.schemas import schema_of
from sanyuan.common.topics import TOPICS

ROOT: Final = Path(__file__).parents[3]
GOLDEN: Final = ROOT / "tests" / "golden"
ASYNCAPI: Final = document()
EVERY_TYPE: Final = pytest.mark.parametrize("kind", sorted(CONTRACTS))


def golden(kind: str) -> dict[str, Any]:
    content = json.loads((GOLDEN / f"{kind}.json").read_text("utf-8"))
    loaded: dict[str, Any] = json.loads(content["value"])
    return loaded


def references(document: object) -> Iterator[str]:
    match document:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for value in document.values():
                yield from references(value)
        case list():
            for item in document:
                yield from references(item)
        case _:
            pass


def resolve(reference: str) -> Any:  # noqa: ANN401  any JSON
    found: Any = ASYNCAPI
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        found = found[part]
    return found


def test_the_committed_documents_are_what_the_generator_makes() -> None:
    docs = ROOT / "docs"
    committed = {f"schemas/{p.name}": p.read_text("utf-8") for p in docs.glob("schemas/*.json")}
    committed["asyncapi.json"] = (docs / "asyncapi.json").read_text("utf-8")
    assert committed == files(), "run: make docs"


def test_a_document_of_a_type_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "gone.v1.json").touch()
    write(tmp_path)
    assert {p.stem for p in tmp_path.glob("schemas/*")} == CONTRACTS.keys()


@EVERY_TYPE
def test_a_golden_value_fits_its_schema(kind: str) -> None:
    schema = schema_of(CONTRACTS[kind])
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(golden(kind))


@EVERY_TYPE
def test_a_golden_value_fits_the_payload_of_the_asyncapi_document(kind: str) -> None:
    payload = ASYNCAPI["components"]["messages"][kind]["payload"]
    schema = {**payload, "components": ASYNCAPI["components"]}
    Draft7Validator.check_schema(ASYNCAPI["components"]["schemas"][kind])
    Draft7Validator(schema).validate(golden(kind))


@EVERY_TYPE
@pytest.mark.parametrize("field", ["specversion", "sequence", "previous", "topic", "data"])
def test_a_value_without_a_required_field_does_not_fit(kind: str, field: str) -> None:
    value = golden(kind)
    del value[field]
    with pytest.raises(ValidationError):
        Draft202012Validator(schema_of(CONTRACTS[kind])).validate(value)


@EVERY_TYPE
def test_only_records_of_participants_may_be_without_a_case(kind: str) -> None:
    value = golden(kind)
    del value["correlationid"]
    fits = Draft202012Validator(schema_of(CONTRACTS[kind])).is_valid(value)
    assert fits == (CONTRACTS[kind].TOPICS == ("participants",))


def test_every_reference_of_the_document_resolves() -> None:
    found = set(references(ASYNCAPI))
    assert found
    for reference in found:
        assert resolve(reference)


def test_every_topic_is_a_channel_with_its_partitions_and_retention() -> None:
    assert ASYNCAPI["channels"].keys() == {*TOPICS, "inbox"}
    for name, row in TOPICS.items():
        binding = ASYNCAPI["channels"][name]["bindings"]["kafka"]
        kept = row.retention.total_seconds() * 1000 if row.retention else -1
        assert binding["partitions"] == row.partitions
        assert binding["topicConfiguration"]["retention.ms"] == kept


def test_every_party_of_a_topic_has_its_operation_and_no_other_has() -> None:
    expected = {
        f"{party}-{action}-{name}"
        for name, row in TOPICS.items()
        for action, parties in (("send", row.written_by), ("receive", row.read_by))
        for party in parties
    }
    inbox = {
        "service-send-inbox",
        "system-send-inbox",
        "owner-receive-inbox",
        "audit-receive-inbox",
    }
    assert ASYNCAPI["operations"].keys() == expected | inbox


def test_an_operation_names_messages_of_its_own_channel_only() -> None:
    for operation in ASYNCAPI["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_a_service_replies_to_commands_with_its_decisions() -> None:
    reply = ASYNCAPI["operations"]["identity-receive-identity-commands"]["reply"]
    answers = {message["$ref"].rsplit("/", 1)[1] for message in reply["messages"]}
    assert "identity.person-verified.v1" in answers
    assert "identity.command-refused.v1" in answers


@EVERY_TYPE
def test_every_message_has_a_channel_and_its_attachments_as_headers(kind: str) -> None:
    headers = ASYNCAPI["components"]["messages"][kind]["headers"]
    sealed = {f"sealed-{name}" for name in CONTRACTS[kind].SEALED}
    assert set(headers["required"]) == {"signature"} | sealed
    carried = [name for name, c in ASYNCAPI["channels"].items() if kind in c["messages"]]
    # Leaves of audit's own never travel, but for seals (design §8).
    offline = kind.startswith("log.") and kind != "log.sealed.v1"
    assert bool(carried) != offline
