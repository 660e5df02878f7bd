"""One fault of aiokafka on uvloop, mended: a closed transport is a lost connection (aiokafka#1038).

When the broker dies, uvloop raises RuntimeError from a write to the transport that it has closed
already; asyncio's own loop does not. aiokafka expects OSError only: the error ends its task that
renews the metadata, and the client stays without a broker for ever, while the process seems well.
Found by killing the broker under load. To be dropped when aiokafka takes RuntimeError for a loss.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

Send = Callable[..., Any]
_MENDED: Final = "_sanyuan_mended"


def mend() -> None:
    """Make every connection of this process tell a closed transport as KafkaConnectionError."""
    for name in ("send", "_send_sasl_token"):
        send = getattr(AIOKafkaConnection, name)
        if not hasattr(send, _MENDED):
            setattr(AIOKafkaConnection, name, _mended(send))


def _mended(send: Send) -> Send:
    @wraps(send)
    def sending(connection: AIOKafkaConnection, *args: Any, **named: Any) -> Any:  # noqa: ANN401  aiokafka has no types
        try:
            return send(connection, *args, **named)
        except KafkaError:  # a RuntimeError itself
            raise
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection is closed: {error}") from error

    setattr(sending, _MENDED, True)
    return sending
