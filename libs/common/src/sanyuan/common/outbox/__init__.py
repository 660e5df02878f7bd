"""The outbox: records of one's own, durable before anyone else sees them (design §3).

Invariants: a record gets its sequence, hash and signature in the transaction of the change that it
tells of; a stream's rows are contiguous; a row stays until a seal of the log covers it.

`writing` makes rows of drafts, `rows` keeps them.
"""

from typing import Final

from sanyuan.common.errors import SanyuanError
from sanyuan.common.outbox.rows import (
    HEADS,
    LOGGED,
    MODELS,
    ROWS,
    Row,
    Stream,
    load_from,
    mark_acknowledged,
    pack_headers,
    size_bytes,
    trim,
    unconfirmed,
    unpack_headers,
)
from sanyuan.common.outbox.writing import Draft, Outbox

LIMIT_BYTES: Final = 2 * 1024**3
WARN_SHARE: Final = 0.8


class OutboxFullError(SanyuanError):
    """The outbox has reached its limit: the log does not confirm what was sent."""


__all__ = [
    "HEADS",
    "LIMIT_BYTES",
    "LOGGED",
    "MODELS",
    "ROWS",
    "WARN_SHARE",
    "Draft",
    "Outbox",
    "OutboxFullError",
    "Row",
    "Stream",
    "load_from",
    "mark_acknowledged",
    "pack_headers",
    "size_bytes",
    "trim",
    "unconfirmed",
    "unpack_headers",
]
