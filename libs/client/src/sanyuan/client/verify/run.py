"""`sanyuan verify`: read the checkpoint, decide where to start, walk, and report (design §8)."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sanyuan.client.verify.findings import Finding, Grade, Integrity, Report
from sanyuan.client.verify.history import History
from sanyuan.client.verify.source import CHECKPOINT, NO_MARK, LogSource, SourceError, open_source
from sanyuan.client.verify.state import State, load_state, save_state, state_file, state_folder
from sanyuan.client.verify.walk import Progress, Walk
from sanyuan.common.directory import Directory
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import Tile, tiles_between
from sanyuan.common.tlog.tree import Tree

MAX_FINDINGS: Final = 200
"""Kept of each grade; a log that is wrong everywhere needs no longer list."""
UNCHECKED: Final = (
    "events that nobody recorded: no log proves them",
    "sealed attachments: the log holds their digests only",
    "whether others were shown another log: no witness signed this checkpoint",
)


@dataclass
class _Findings:
    kept: list[Finding] = field(default_factory=list)
    counts: Counter[Grade] = field(default_factory=Counter)

    def tell(self, finding: Finding) -> None:
        self.counts[finding.grade] += 1
        if self.counts[finding.grade] <= MAX_FINDINGS:
            self.kept.append(finding)

    @property
    def suppressed(self) -> int:
        return self.counts.total() - len(self.kept)


def verify_log(
    source: str | LogSource,
    agency_key: VerifierKey,
    log_key: VerifierKey,
    *,
    state_dir: Path | None = None,
    progress: Progress | None = None,
    jobs: int | None = None,
) -> Report:
    """Verify a whole log, or what is new since the last time; never raises for what it finds.

    `source` is a folder, a URL or an open LogSource; `state_dir` (default: the user's XDG state
    folder) is where sound results are remembered; `jobs` is the number of processes, by default one
    for each core.
    """
    started = time.monotonic()
    name = source if isinstance(source, str) else source.name
    told = _Findings()
    report = Report(name)
    try:
        # A source that the caller opened is the caller's to close.
        with open_source(source) if isinstance(source, str) else nullcontext(source) as opened:
            report = _Verification(
                opened, agency_key, log_key, state_dir or state_folder(), progress, jobs
            ).run(report, told)
    except SourceError as error:
        told.tell(Finding(Grade.UNREADABLE, error.what, path=error.where))
    return replace(
        report,
        seconds=time.monotonic() - started,
        findings=tuple(told.kept),
        suppressed=told.suppressed,
        unchecked=UNCHECKED,
    )


@dataclass(frozen=True)
class _Verification:
    source: LogSource
    agency_key: VerifierKey
    log_key: VerifierKey
    state_dir: Path
    progress: Progress | None
    jobs: int | None

    def run(self, report: Report, told: _Findings) -> Report:
        head = self._head(told)
        if head is None:
            return report
        report = replace(report, origin=head.origin, size=head.size, root=head.root.hex())
        path = state_file(self.state_dir, head.origin, self.agency_key, self.log_key)
        saved = load_state(path)
        if saved and (contradiction := _contradiction(saved.head, head)):
            told.tell(contradiction)
            return report
        mark = self.source.fingerprint(_lasting(head.size))
        if saved and self._unchanged(saved):
            report, state = self._pass(report, head, saved, told, saved)
            if state is not None:
                save_state(path, replace(state, fingerprint=mark))
                return report
            # Something is wrong behind the saved state: only a whole pass can say where.
            told.kept.clear()
            told.counts.clear()
        report, state = self._pass(report, head, None, told, saved)
        if state is not None:
            save_state(path, replace(state, fingerprint=mark))
        return report

    def _head(self, told: _Findings) -> Checkpoint | None:
        raw = self.source.read(CHECKPOINT)
        if raw is None:
            told.tell(Finding(Grade.UNREADABLE, "the log has no checkpoint", path=CHECKPOINT))
            return None
        try:
            return Checkpoint.open(raw, keys=[self.log_key])
        except NoteError as error:
            told.tell(Finding(Grade.FORGED, str(error), path=CHECKPOINT))
            return None

    def _unchanged(self, saved: State) -> bool:
        """Whether what an earlier run verified is still what lies there."""
        mark = self.source.fingerprint(_lasting(saved.head.size))
        return mark is not None and mark in (NO_MARK, saved.fingerprint)

    def _pass(
        self,
        report: Report,
        head: Checkpoint,
        start: State | None,
        told: _Findings,
        saved: State | None,
    ) -> tuple[Report, State | None]:
        directory = Directory(self.agency_key)
        history = History(directory, self.log_key, head.origin, told.tell)
        tree = Tree()
        if start is not None:
            history.load(start.history)
            tree = start.tree()
        walk = Walk(
            self.source,
            head,
            tree,
            history,
            told.tell,
            self.progress or _silent,
            known=saved.head if saved else None,
        )
        if self.jobs is not None:
            walk.jobs = self.jobs
        reached = walk.run()
        if reached:
            history.conclude()
        report = replace(
            report,
            checked_from=start.head.size if start else 0,
            streams=len(history.heads),
            findings=tuple(told.kept),
        )
        sound = reached and report.integrity is Integrity.SOUND
        return report, State.of(head, tree, history.dump(), None) if sound else None


def _contradiction(saved: Checkpoint, head: Checkpoint) -> Finding | None:
    """Compare with what was verified before: a log never shrinks, and one size has one root."""
    if head.size < saved.size:
        what = f"the log shrank: it had {saved.size} entries and now has {head.size}"
    elif head.size == saved.size and head.root != saved.root:
        what = f"the log forked: two roots are signed for size {head.size}"
    else:
        return None
    return Finding(
        Grade.FORGED, what, path=CHECKPOINT, expected=saved.root.hex(), found=head.root.hex()
    )


def _lasting(size: int) -> list[Tile]:
    """Return the files of a tree that never change again."""
    return [tile for tile in tiles_between(0, size) if tile.full]


def _silent(_done: int, _total: int) -> None:
    return None
