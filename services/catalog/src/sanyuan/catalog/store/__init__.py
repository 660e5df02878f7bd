"""The catalog's database: `tables` has the models, `batches` reads and writes them."""

from sanyuan.catalog.store.batches import commit, forget_expired, load, next_deadline
from sanyuan.catalog.store.tables import MODELS

__all__ = ["MODELS", "commit", "forget_expired", "load", "next_deadline"]
