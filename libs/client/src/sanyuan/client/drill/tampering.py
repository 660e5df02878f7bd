"""What a way to tamper is, and what `verify` must say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from sanyuan.client.drill.ledger import Files, Ledger, Stream
from sanyuan.client.verify import Finding, Report
from sanyuan.client.verify.findings import EXIT_FORGED, EXIT_INCOMPLETE, EXIT_NOT_CHECKED


class Holds(StrEnum):
    """Whose keys the attacker has."""

    NOTHING = "no key"
    """The storage, the network, whoever keeps a copy."""
    LOG = "the log's key"
    OPERATOR = "the log's and audit's keys"
    """All that the audit service has."""
    COLLUSION = "the log's, audit's and a sender's keys"


class Finder(StrEnum):
    """Who finds it."""

    ANYONE = "whoever verifies from zero"
    EARLIER = "whoever verified before"
    """`verify` with its own state."""
    WITNESS = "whoever asks a witness"
    """`verify --ask-witnesses`, or any other earlier checkpoint."""


class Expected(NamedTuple):
    """A finding that must be among those of the report."""

    exits: frozenset[int] = frozenset({EXIT_FORGED})
    leaves: range | None = None
    """The index must be one of them."""
    path: str | None = None
    stream: Stream | None = None
    sequence: int | None = None
    words: str = ""
    both: bool = False
    """Whether it must name both hashes."""

    def found_in(self, report: Report) -> Finding | None:
        """Return the first finding that names the place; None when there is none."""
        if report.exit_code not in self.exits:
            return None
        return next(filter(self._fits, report.findings), None)

    def _fits(self, finding: Finding) -> bool:
        return (
            (self.leaves is None or finding.index in self.leaves)
            and (self.path is None or finding.path == self.path)
            and (self.stream is None or (finding.source, finding.topic) == self.stream)
            and (self.sequence is None or finding.sequence == self.sequence)
            and self.words in finding.what
            and (not self.both or None not in (finding.expected, finding.found))
        )


@dataclass(frozen=True)
class Tampered:
    """The files after it, and what must be found."""

    files: Files
    expected: Expected


@dataclass(frozen=True)
class Tampering:
    """One way to tamper. `apply` draws a place from the copy."""

    name: str
    chinese: str
    english: str
    holds: Holds
    apply: Callable[[Ledger, Random], Tampered]
    finder: Finder = Finder.ANYONE
    """When it is not anyone, the files are consistent: from zero nothing can be seen."""


UNREADABLE: Final = frozenset({EXIT_NOT_CHECKED})
INCOMPLETE: Final = frozenset({EXIT_INCOMPLETE})
WITNESS: Final = "a witness"
"""Where the drill's witness says that its checkpoint is from."""
SHRUNK_OR_FORKED: Final = Expected(words="the log ", both=True)
"""Of what is consistent in itself: two roots of one log."""
BEHIND_OR_FORKED: Final = Expected(frozenset({EXIT_FORGED, EXIT_INCOMPLETE}), path=WITNESS)
