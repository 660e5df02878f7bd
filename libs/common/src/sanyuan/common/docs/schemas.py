"""One JSON Schema (draft 2020-12) of the whole value of each message: envelope and data."""

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from sanyuan.common.contracts.message import Message
from sanyuan.common.envelope import ENVELOPE
from sanyuan.common.sources import DOMAIN, NAME

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INBOX: Final = "inbox"
"""What a contract calls every inbox topic."""

Schema = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Without titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  as its base
        return False


def envelope_schema() -> Schema:
    """The schema that every value fits."""
    return ENVELOPE.json_schema(schema_generator=_Plain)


def schema_of(contract: type[Message]) -> Schema:
    """The schema of a record's value: what a client in any language validates with."""
    data = contract.model_json_schema(schema_generator=_Plain)
    definitions = data.pop("$defs", {})
    envelope = envelope_schema()
    fields = envelope["properties"]
    required = [*envelope["required"]]
    fields["type"] = {"const": contract.TYPE}
    fields["topic"] = {"type": "string", "pattern": _topic_pattern(contract)}
    fields["data"] = {"$ref": f"#/$defs/{contract.__name__}"}
    if contract.TOPICS != ("participants",):
        fields["correlationid"] = _present(fields["correlationid"])
        required.append("correlationid")
    return {
        "$schema": DIALECT,
        "$id": f"{contract.TYPE}.json",
        "title": contract.TYPE,
        "description": data.get("description", ""),
        "type": "object",
        "properties": fields,
        "required": required,
        "$defs": {contract.__name__: data, **definitions},
    }


def _present(optional: Schema) -> Schema:
    """The schema of a field that may be absent elsewhere and must be there here."""
    described: Schema = next(kind for kind in optional["anyOf"] if kind != {"type": "null"})
    return described


def _topic_pattern(contract: type[Message]) -> str:
    names = "|".join(rf"inbox-{NAME}" if topic == INBOX else topic for topic in contract.TOPICS)
    return f"^{DOMAIN}/(?:{names})$"
