"""What license-exchange keeps: tables, what a batch loads and writes, facts of others, deadlines.

Every function runs in the caller's transaction; what it writes is durable once the caller commits.
"""

from sanyuan.license_exchange.store.deadlines import forget_expired, next_deadline
from sanyuan.license_exchange.store.facts import FOLLOWS, observe
from sanyuan.license_exchange.store.loading import load, load_seeds
from sanyuan.license_exchange.store.tables import MODELS
from sanyuan.license_exchange.store.writing import commit

__all__ = [
    "FOLLOWS",
    "MODELS",
    "commit",
    "forget_expired",
    "load",
    "load_seeds",
    "next_deadline",
    "observe",
]
