"""What a system asks the catalog, and what it answers under it (design §7)."""

from sanyuan.client.faces.catalog.calls import Call, CallsFace, NotCallableError
from sanyuan.client.faces.catalog.grants import (
    Granted,
    GrantOutcome,
    GrantsFace,
    NotGranted,
    Pending,
)
from sanyuan.client.faces.catalog.resources import ResourcesFace

__all__ = [
    "Call",
    "CatalogFace",
    "GrantOutcome",
    "Granted",
    "NotCallableError",
    "NotGranted",
    "Pending",
]


class CatalogFace(ResourcesFace, GrantsFace, CallsFace):
    """Resources, grants and shared calls."""
