"""What a verification has to say: findings, two verdicts and one exit code (design §8, §10)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

MAX_FINDINGS: Final = 200
"""Kept of each grade; a log that is wrong everywhere needs no longer list."""


class Grade(StrEnum):
    """How grave a finding is."""

    FORGED = "forged"
    """What is there contradicts a signature, a hash or the log's own rules."""
    UNREADABLE = "unreadable"
    """Something that the check needs could not be had."""
    INCOMPLETE = "incomplete"
    """The log itself says that something is missing, or does not say that nothing is."""
    NOTICE = "notice"
    """Worth knowing; takes nothing from either verdict."""


@dataclass(frozen=True)
class Finding:
    """One fact, with everything that names its place; hashes are hexadecimal."""

    grade: Grade
    what: str
    index: int | None = None
    source: str | None = None
    topic: str | None = None
    sequence: int | None = None
    path: str | None = None
    expected: str | None = None
    found: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that are known."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Findings:
    """What a verification has found so far, in order; the first of each grade are kept."""

    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Grade] = field(default_factory=Counter)

    def tell(self, finding: Finding) -> None:
        """Add one."""
        self.counts[finding.grade] += 1
        if self.counts[finding.grade] <= MAX_FINDINGS:
            self.kept.append(finding)

    def clear(self) -> None:
        """Begin anew."""
        self.kept.clear()
        self.counts.clear()

    @property
    def suppressed(self) -> int:
        """How many are not kept."""
        return self.counts.total() - len(self.kept)


@dataclass(frozen=True)
class Witnessed:
    """The newest tree of the log that a witness cosigned, and when (seconds since 1970)."""

    name: str
    size: int
    time: int


@dataclass(frozen=True)
class Silence:
    """How long a stream had not moved when the newest seal was made, by audit's clock."""

    source: str
    topic: str
    last: int
    """The sequence of its last record."""
    seconds: int


class Integrity(StrEnum):
    """Is what the log holds what was signed, at its place, unchanged?"""

    SOUND = "sound"
    FORGED = "forged"
    UNKNOWN = "could-not-check"


class Completeness(StrEnum):
    """Does the log hold every record up to what its seals say?"""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    UNKNOWN = "could-not-check"


EXIT_SOUND: Final = 0
EXIT_INCOMPLETE: Final = 10
EXIT_FORGED: Final = 20
EXIT_NOT_CHECKED: Final = 30


@dataclass(frozen=True)
class Report:
    """The result of one run. `size` and `root` are the checkpoint's, as far as it was readable."""

    source: str
    origin: str | None = None
    size: int | None = None
    root: str | None = None
    checked_from: int = 0
    """Leaves below were verified by an earlier run."""
    streams: int = 0
    silences: tuple[Silence, ...] = ()
    """Every stream but audit's own, the longest silent first."""
    sealed_at: int | None = None
    """When the newest seal was made: seconds since 1970, audit's clock."""
    withheld: int = 0
    """Entries that are blank by the supervisor's orders."""
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    """What the verifier cannot know, whatever the log says."""
    suppressed: int = field(default=0)
    """Further findings that were counted, but not kept."""
    witnesses: tuple[Witnessed, ...] = ()
    """Those of the policy that cosigned."""
    witnessed_size: int | None = None
    """Size of the largest tree that the policy's quorum cosigned."""
    before: Report | None = None
    """Of the log of the year before, where it is at hand."""
    evidence: bytes | None = None
    """Proof that the log signed two histories: see `sanyuan verify-misbehaviour`."""

    def having(self, grade: Grade) -> tuple[Finding, ...]:
        """The findings of one grade."""
        return tuple(finding for finding in self.findings if finding.grade is grade)

    @property
    def integrity(self) -> Integrity:
        """The first verdict."""
        if self.having(Grade.FORGED):
            return Integrity.FORGED
        return Integrity.UNKNOWN if self.having(Grade.UNREADABLE) else Integrity.SOUND

    @property
    def completeness(self) -> Completeness:
        """The second verdict; unknown unless the first one is sound."""
        if self.integrity is not Integrity.SOUND:
            return Completeness.UNKNOWN
        incomplete = self.having(Grade.INCOMPLETE)
        return Completeness.INCOMPLETE if incomplete else Completeness.COMPLETE

    @property
    def exit_code(self) -> int:
        """0 sound, 10 incomplete, 20 forged, 30 could not check."""
        match self.integrity:
            case Integrity.FORGED:
                return EXIT_FORGED
            case Integrity.UNKNOWN:
                return EXIT_NOT_CHECKED
            case Integrity.SOUND:
                complete = self.completeness is Completeness.COMPLETE
                return EXIT_SOUND if complete else EXIT_INCOMPLETE

    def as_json(self) -> dict[str, Any]:
        """Everything, for `--json` and `var/report.json`."""
        return {
            "log": self.source,
            "origin": self.origin,
            "size": self.size,
            "root": self.root,
            "integrity": self.integrity.value,
            "completeness": self.completeness.value,
            "exit": self.exit_code,
            "checked_from": self.checked_from,
            "streams": self.streams,
            "silences": [vars(silence) for silence in self.silences],
            "sealed_at": self.sealed_at,
            "withheld": self.withheld,
            "seconds": round(self.seconds, 3),
            "findings": [finding.as_json() for finding in self.findings],
            "suppressed": self.suppressed,
            "witnesses": [vars(witness) for witness in self.witnesses],
            "witnessed_size": self.witnessed_size,
            "evidence": self.evidence.decode() if self.evidence else None,
            "unchecked": list(self.unchecked),
            "before": self.before.as_json() if self.before else None,
        }
