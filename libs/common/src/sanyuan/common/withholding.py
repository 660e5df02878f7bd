"""Withheld entries (design §8, ADR 0032)."""

from typing import Final

BLANK: Final = b""
"""What stands in a bundle for an entry whose bytes are not shown; no record is empty."""
