"""What can be wrong with a database; no text of these ever holds a password."""

from sanyuan.common.errors import SanyuanError


class DatabaseError(SanyuanError):
    """The database cannot be opened, or is another writer's now."""


class DatabaseLockedError(DatabaseError):
    """Another process is the writer."""


class LostConnectionError(DatabaseError):
    """The server went away in the middle of a transaction: only a restart finds out what it did."""
