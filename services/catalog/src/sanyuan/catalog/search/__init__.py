"""Search over published resources in Chinese and English (design §7).

`index` writes, in the transaction that publishes, revises or withdraws; `reading` reads, over a
connection that can only read and never holds up the writer; `words` is what both agree on.
"""

from sanyuan.catalog.search.index import MODELS, Publication, index, unindex
from sanyuan.catalog.search.reading import (
    Catalogue,
    CatalogueUnavailableError,
    Entry,
    Found,
    Search,
)

__all__ = [
    "MODELS",
    "Catalogue",
    "CatalogueUnavailableError",
    "Entry",
    "Found",
    "Publication",
    "Search",
    "index",
    "unindex",
]
