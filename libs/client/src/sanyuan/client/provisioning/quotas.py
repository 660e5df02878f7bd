"""Byte rates of broker users (KIP-546), which neither of our two clients can set by itself.

The messages are written out here by Kafka's `AlterClientQuotasRequest.json`, version 0, and sent
over aiokafka's connection.
"""

from collections.abc import Mapping
from typing import Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from sanyuan.client.broker import Broker

_ENTITY: Final = Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))
_KINDS: Final = ("producer_byte_rate", "consumer_byte_rate")


class _Altered(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", _ENTITY),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _Altered
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", _ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _Alter(Request[_AlterStruct]):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 49

    def __init__(self, rates: Mapping[str, int]) -> None:
        self._rates = rates

    def build(self, request_struct_class: type[_AlterStruct]) -> _AlterStruct:
        entries = [
            ([("user", user)], [(kind, float(rate), False) for kind in _KINDS])
            for user, rate in self._rates.items()
        ]
        validate_only = False
        return request_struct_class(entries, validate_only)


async def set_byte_rates(broker: Broker, rates: Mapping[str, int]) -> None:
    """Sets bytes a second, in and out each, of the given users; raises KafkaError."""
    client = AIOKafkaClient(**broker.aiokafka())
    try:
        await client.bootstrap()
        node = client.get_random_node()
        answer = await client.send(node, _Alter(rates))
        for code, message, _ in answer.entries:
            error: type[KafkaError] = for_code(code)
            if code:
                raise error(message)
    finally:
        await client.close()
