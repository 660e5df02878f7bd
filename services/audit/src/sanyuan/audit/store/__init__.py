"""The database: an index beside the tiles, and the leaves that are not in durable tiles yet.

Commit point: when a transaction with `write_batch` has returned, its leaves are in the log for
ever, with the positions that they were read from; everything after it can be done again from here.

`tables` has the models, `reading` and `writing` what is done with them.
"""

from sanyuan.audit.store.reading import load_parts, load_pending, load_published, load_state
from sanyuan.audit.store.tables import MODELS, YEAR, Part, open_database
from sanyuan.audit.store.writing import (
    blank_pending,
    drop_published,
    forget_year,
    parts_of,
    write_batch,
    write_closing,
    write_new_year,
    write_rolled_forward,
    write_sealed,
    write_sealing,
)

__all__ = [
    "MODELS",
    "YEAR",
    "Part",
    "blank_pending",
    "drop_published",
    "forget_year",
    "load_parts",
    "load_pending",
    "load_published",
    "load_state",
    "open_database",
    "parts_of",
    "write_batch",
    "write_closing",
    "write_new_year",
    "write_rolled_forward",
    "write_sealed",
    "write_sealing",
]
