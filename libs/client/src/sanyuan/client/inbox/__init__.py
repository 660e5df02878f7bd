"""What a system's inbox holds: each record taken once, in order, verified, kept until handed out.

A row stays until the application has asked for the next one, so that a decision is handed out again
after a crash and never lost; in one life of a process each is handed out exactly once.
"""

from sanyuan.client.inbox.decision import Decision, read_decision
from sanyuan.client.inbox.kept import Kept, Place
from sanyuan.client.inbox.rows import (
    MODELS,
    hand_out,
    insert_rows,
    kept,
    load_kept,
    load_unexpected,
    mark_unexpected,
)

__all__ = [
    "MODELS",
    "Decision",
    "Kept",
    "Place",
    "hand_out",
    "insert_rows",
    "kept",
    "load_kept",
    "load_unexpected",
    "mark_unexpected",
    "read_decision",
]
