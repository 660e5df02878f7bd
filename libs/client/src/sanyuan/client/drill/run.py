"""Tries tamperings on a copy of a log and shows that `verify` finds each (design §9.6)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from sanyuan.client.drill.files import FILE_EDITS
from sanyuan.client.drill.ledger import DrillError, Files, Ledger, MemorySource
from sanyuan.client.drill.operator import KEY_EDITS
from sanyuan.client.drill.tampering import (
    BEHIND_OR_FORKED,
    SHRUNK_OR_FORKED,
    WITNESS,
    Finder,
    Tampering,
)
from sanyuan.client.verify import Finding, Report, verify_log
from sanyuan.client.verify.findings import EXIT_SOUND
from sanyuan.client.verify.source import CHECKPOINT
from sanyuan.client.verify.witnessed import Views

TAMPERINGS: Final = (*FILE_EDITS, *KEY_EDITS)


@dataclass(frozen=True)
class Outcome:
    """What `verify` said of a copy after one tampering."""

    tampering: Tampering
    report: Report
    finding: Finding | None
    """The one that names it; None: it was not found, or not named."""
    blind: bool | None = None
    """Of what only earlier knowledge shows: whether a run from zero saw nothing, as we say."""

    @property
    def found(self) -> bool:
        """Whether all is as it must be."""
        return self.finding is not None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "tampering": self.tampering.name,
            "what": self.tampering.english,
            "holds": self.tampering.holds.value,
            "finder": self.tampering.finder.value,
            "found": self.found,
            "exit": self.report.exit_code,
            "unseen_from_zero": self.blind,
            "finding": self.finding.as_json() if self.finding else None,
        }


@dataclass(frozen=True)
class Range:
    """Where things are tried: the copy, and what was remembered of it while it was sound."""

    ledger: Ledger
    folder: Path

    def verify(self, files: Files, *, earlier: bool = False, witness: bool = False) -> Report:
        """Verify from zero, or with what a verifier or a witness knew before."""
        log_key = self.ledger.log_key.verifier
        views = Views(log_key)
        if witness:
            views.add(WITNESS, self.ledger.files[CHECKPOINT])
        state = self.folder / "run"
        shutil.rmtree(state, ignore_errors=True)
        if earlier:
            shutil.copytree(self.folder / "sound", state)
        return verify_log(
            MemorySource(files),
            self.ledger.agency.verifier,
            log_key,
            state_dir=state,
            jobs=1,
            views=views,
        )

    def try_one(self, tampering: Tampering, random: Random) -> Outcome:
        """Tamper once and verify."""
        tampered = tampering.apply(self.ledger, random)
        match tampering.finder:
            case Finder.ANYONE:
                report = self.verify(tampered.files)
                return Outcome(tampering, report, tampered.expected.found_in(report))
            case Finder.EARLIER:
                report = self.verify(tampered.files, earlier=True)
                finding = SHRUNK_OR_FORKED.found_in(report)
            case Finder.WITNESS:
                report = self.verify(tampered.files, witness=True)
                finding = BEHIND_OR_FORKED.found_in(report)
        fresh = self.verify(tampered.files)
        return Outcome(tampering, report, finding, fresh.exit_code == EXIT_SOUND)


@contextmanager
def _range(ledger: Ledger) -> Iterator[Range]:
    with TemporaryDirectory(prefix="sanyuan-drill-") as folder:
        prepared = Range(ledger, Path(folder))
        keys = ledger.agency.verifier, ledger.log_key.verifier
        sound = verify_log(
            MemorySource(ledger.files), *keys, state_dir=prepared.folder / "sound", jobs=1
        )
        if sound.exit_code != EXIT_SOUND:
            raise DrillError(
                "the copy of the log is not sound before anything is tried on it",
                where=str(sound.findings[0].what) if sound.findings else None,
                do="verify the log without --drill first",
            )
        yield prepared


def tamper(ledger: Ledger, random: Random, tamperings: Iterable[Tampering]) -> list[Outcome]:
    """Try these ways, one after the other; raises DrillError when the copy itself is not sound."""
    with _range(ledger) as prepared:
        return [prepared.try_one(tampering, random) for tampering in tamperings]
