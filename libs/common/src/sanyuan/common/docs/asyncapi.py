"""One AsyncAPI 3.0 document of a domain: every topic of the table, who sends and receives what.

Schemas inside it are AsyncAPI schema objects, a superset of JSON Schema draft 07; the files beside
it say the same in draft 2020-12.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sanyuan.common.contracts.message import Message
from sanyuan.common.contracts.registry import CONTRACTS
from sanyuan.common.docs.schemas import INBOX, Schema, envelope_schema, schema_of
from sanyuan.common.sealing import MAX_ATTACHMENT_BYTES
from sanyuan.common.sources import NAME, SOURCE
from sanyuan.common.topics import INBOX as INBOX_ROW
from sanyuan.common.topics import SERVICES, TOPICS, Topic

SEALS: Final = "audit-seals"
CHECKPOINTS: Final = "audit-checkpoints"
CHECKPOINT: Final = "checkpoint"
BINDING: Final = "0.5.0"
PARTIES: Final = {
    "agency": "the agency that owns the rules",
    "operator": "operators of the platform",
    "supervisor": "the third-party supervisor",
    "system": "every connected system of a participant",
    "service": "every service",
    "everyone": "every connected system and every service",
    "owner": "the system whose inbox it is",
    **{service: f"the service {service}" for service in SERVICES},
}

Document = dict[str, Any]


def document() -> Document:
    """The whole document, in a stable order."""
    rows = [*TOPICS.values(), INBOX_ROW]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sanyuan",
            "version": "1.0.0",
            "description": (
                "Every record on the event backbone of a domain. A value is one compact CloudEvent"
                " 1.0 of at most 60 KiB; its signature, its trace and its sealed attachments are"
                " Kafka headers. Topics that a later release fills have no messages yet."
            ),
            "license": {
                "name": "Apache 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
            "tags": [{"name": name, "description": text} for name, text in PARTIES.items()],
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {"domain": _server()},
        "channels": {_channel_id(row): _channel(row) for row in rows},
        "operations": dict(pair for row in rows for pair in _operations(row)),
        "components": {
            "securitySchemes": {"scram": {"type": "scramSha512"}},
            "messages": {
                **{kind: _message(contract) for kind, contract in CONTRACTS.items()},
                CHECKPOINT: _checkpoint(),
            },
            "schemas": _schemas(),
        },
    }


def _server() -> Document:
    return {
        "host": "{bootstrap_servers}",
        "protocol": "kafka-secure",
        "description": "The broker of the domain; a system file names it and holds the password.",
        "variables": {"bootstrap_servers": {"description": "from var/systems/<name>.json"}},
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    }


def _channel_id(row: Topic) -> str:
    return INBOX if row is INBOX_ROW else row.name


def types_on(row: Topic) -> list[str]:
    """The messages of a topic, in the order of the contracts."""
    if row.name == SEALS:
        return ["log.sealed.v1"]
    if row.name == CHECKPOINTS:
        return [CHECKPOINT]
    name = _channel_id(row)
    return [kind for kind, contract in CONTRACTS.items() if name in contract.TOPICS]


def _channel(row: Topic) -> Document:
    kept = -1 if row.retention is None else int(row.retention.total_seconds() * 1000)
    channel: Document = {
        "address": "inbox-{system}" if row is INBOX_ROW else row.name,
        "summary": "Strict streams, signed and logged" if row.is_stream else "Published notes",
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in types_on(row)},
        "bindings": {
            "kafka": {
                "partitions": row.partitions,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": kept},
                "bindingVersion": BINDING,
            }
        },
    }
    if row is INBOX_ROW:
        channel["parameters"] = {"system": {"description": f"a system's name, {NAME}"}}
    return channel


def _operations(row: Topic) -> Iterator[tuple[str, Document]]:
    name = _channel_id(row)
    for action, parties in (("send", row.written_by), ("receive", row.read_by)):
        for party in sorted(parties):
            operation: Document = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"{PARTIES[party]}: {action} on {row.name}",
                "tags": [{"name": party}],
                "messages": [{"$ref": f"#/channels/{name}/messages/{t}"} for t in types_on(row)],
            }
            if action == "receive" and (answers := _answers(row, party)):
                operation["reply"] = {
                    "channel": {"$ref": f"#/channels/{INBOX}"},
                    "messages": [{"$ref": f"#/channels/{INBOX}/messages/{t}"} for t in answers],
                }
            yield f"{party}-{action}-{name}", operation


def _answers(row: Topic, party: str) -> list[str]:
    """The decisions of the service whose commands topic this is."""
    if row.name != f"{party}-commands":
        return []
    return [kind for kind in types_on(INBOX_ROW) if kind.startswith(f"{party}.")]


def _message(contract: type[Message]) -> Document:
    return {
        "name": contract.TYPE,
        "title": contract.__name__,
        "summary": (contract.__doc__ or "").strip().partition("\n")[0],
        "contentType": "application/cloudevents+json",
        "headers": _headers(contract.SEALED),
        "payload": {"$ref": f"#/components/schemas/{contract.TYPE}"},
        "correlationId": {
            "description": "the case",
            "location": "$message.payload#/correlationid",
        },
        "bindings": {"kafka": {"key": _key(), "bindingVersion": BINDING}},
    }


def _key() -> Schema:
    return {"type": "string", "description": "the source", "pattern": f"^{SOURCE}$"}


def _headers(sealed: Iterable[str]) -> Schema:
    attachments = [f"sealed-{name}" for name in sealed]
    limit = f"all attachments together at most {MAX_ATTACHMENT_BYTES} bytes"
    return {
        "type": "object",
        "properties": {
            "signature": {
                "type": "string",
                "description": "a C2SP signed-note line over the value and one newline, without its"
                " newline: — <source without //> <base64(key id ‖ Ed25519 signature)>",
                "pattern": "^— [^ +]+ [A-Za-z0-9+/]+={0,2}$",
            },
            "traceparent": {
                "type": "string",
                "description": "W3C trace context; a bad one is ignored",
            },
            **{
                name: {
                    "type": "string",
                    "description": f"raw bytes enc ‖ ciphertext, HPKE (RFC 9180); {limit}",
                }
                for name in attachments
            },
        },
        "required": ["signature", *attachments],
    }


def _checkpoint() -> Document:
    return {
        "name": CHECKPOINT,
        "title": "Checkpoint",
        "summary": "A signed tree head of the log, by C2SP tlog-checkpoint.",
        "contentType": "text/plain; charset=utf-8",
        "payload": {
            "type": "string",
            "description": "origin, size and base64 root on three lines, a blank line, signatures",
        },
    }


def _schemas() -> dict[str, Schema]:
    """Values by type, each an envelope and more, and every model of their data by its name."""
    envelope = envelope_schema()
    values: dict[str, Schema] = {}
    models: dict[str, Schema] = {"Envelope": _in_draft_07(envelope)}
    for kind, contract in CONTRACTS.items():
        schema = _in_draft_07(schema_of(contract))
        models |= schema["$defs"]
        fields = schema["properties"].items()
        more = {
            "properties": {k: v for k, v in fields if v != envelope["properties"][k]},
            "required": [k for k in schema["required"] if k not in envelope["required"]],
        }
        values[kind] = {
            "description": schema["description"],
            "allOf": [{"$ref": "#/components/schemas/Envelope"}, more],
        }
    return values | dict(sorted(models.items()))


def _in_draft_07(schema: Any) -> Any:  # noqa: ANN401  any JSON
    """The same in draft 07, with references into this document."""
    match schema:
        case {"prefixItems": items, **others}:
            return _in_draft_07({**others, "items": items, "additionalItems": False})
        case {"$ref": str(reference)}:
            return {"$ref": reference.replace("#/$defs/", "#/components/schemas/")}
        case dict():
            return {name: _in_draft_07(value) for name, value in schema.items()}
        case list():
            return [_in_draft_07(item) for item in schema]
        case _:
            return schema
