"""`sanyuan verify`: read the checkpoint, decide where to start, walk, and report (design §8)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from sanyuan.client.heads.keeping import Posted
from sanyuan.client.verify.carried import Carried
from sanyuan.client.verify.findings import Finding, Findings, Grade, Integrity, Report
from sanyuan.client.verify.history import History
from sanyuan.client.verify.left_open import left_open
from sanyuan.client.verify.silenced import compare_heads
from sanyuan.client.verify.source import (
    CHECKPOINT,
    NO_MARK,
    LogSource,
    SourceError,
    open_source,
    read_tile,
)
from sanyuan.client.verify.state import State, load_state, save_state, state_file, state_folder
from sanyuan.client.verify.walk import Progress, Walk
from sanyuan.client.verify.withheld import UNEXPLAINED
from sanyuan.client.verify.witnessed import Views
from sanyuan.common.directory import Directory
from sanyuan.common.logkeys import verifier_for, verifier_of, year_of
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import Tile, TileError, decode_hashes, tiles_between
from sanyuan.common.tlog.tree import Tree


def verify_log(  # noqa: PLR0913 -- one for each choice, all with a default
    source: str | LogSource,
    agency_key: VerifierKey,
    log_key: VerifierKey,
    *,
    state_dir: Path | None = None,
    progress: Progress | None = None,
    jobs: int | None = None,
    views: Views | None = None,
    heads: Sequence[Posted] | None = None,
    reader: SystemFile | None = None,
    archive: Path | None = None,
    signatures: bool = True,
) -> Report:
    """Verify a whole log, or what is new since the last time; never raises for what it finds.

    `source` is a folder, a URL or an open LogSource; `state_dir` (default: the user's XDG state
    folder) is where sound results are remembered; `jobs` is the number of processes, by default one
    for each core. `views` has the policy of witnesses, and what else was seen of this log before
    the call. `heads` are what systems told the supervisor of their own streams (`silenced`);
    `reader` is the system that may read the entries over HTTP, `archive` the cold storage
    of earlier years. `log_key` may be the key of any year's log of the domain. A later year's log
    is verified with the one before it, as far as that is at hand. Without `signatures` only the
    tree and the streams are checked, several times as fast: what is wrong there is found,
    integrity is never called sound, and nothing is remembered.
    """
    started = time.monotonic()
    name = source if isinstance(source, str) else source.name
    told = Findings()
    report = Report(name)
    try:
        # A source that the caller opened is the caller's to close.
        with (
            open_source(source, reader, archive) if isinstance(source, str) else nullcontext(source)
        ) as opened:
            key = verifier_for(log_key, opened.read(CHECKPOINT) or b"")
            verification = _Verification(
                opened,
                agency_key,
                key,
                state_dir or state_folder(),
                progress,
                jobs,
                (views or Views(key)).of(key),
                heads,
                signatures,
            )
            report = verification.run(report, told)
            while _unexplained(told) and verification.outdated(report):
                # Entries were withheld meanwhile, by orders that only a newer checkpoint covers.
                told.clear()
                report = verification.run(Report(name), told)
    except SourceError as error:
        told.tell(Finding(Grade.UNREADABLE, error.what, path=error.where))
    return replace(
        report,
        seconds=time.monotonic() - started,
        findings=tuple(told.kept),
        suppressed=told.suppressed,
        unchecked=tuple(left_open(report, heads_compared=heads is not None)),
    )


def _unexplained(told: Findings) -> bool:
    """Whether there is a blank that no order explains yet."""
    return any(finding.what == UNEXPLAINED for finding in told.kept)


@dataclass(frozen=True)
class _Verification:
    source: LogSource
    agency_key: VerifierKey
    log_key: VerifierKey
    state_dir: Path
    progress: Progress | None
    jobs: int | None
    views: Views
    heads: Sequence[Posted] | None
    signatures: bool

    def run(self, report: Report, told: Findings) -> Report:
        self.views.read(self.source)
        note = self.source.read(CHECKPOINT)
        head = self._head(note, told)
        if head is None or note is None:
            return report
        report = replace(report, origin=head.origin, size=head.size, root=head.root.hex())
        path = state_file(self.state_dir, head.origin, self.agency_key, self.log_key)
        saved = load_state(path)
        if saved and saved.note:
            self.views.add("what this verifier saw last", saved.note)
        if saved and (contradiction := _contradiction(saved.head, head)):
            told.tell(contradiction)
            return self._judge(report, note, head, told)
        mark = self.source.fingerprint(_lasting(head.size))
        state: State | None = None
        if saved and self._unchanged(saved):
            report, state = self._pass(report, head, saved, told, saved)
            if state is None:
                # Something is wrong behind the saved state: only a whole pass can say where.
                told.clear()
        if state is None:
            report, state = self._pass(report, head, None, told, saved)
        if not self.signatures:
            what = "the records' signatures were not checked, as it was asked"
            told.tell(Finding(Grade.UNREADABLE, what))
        report = self._judge(report, note, head, told)
        if state is not None and (carried := state.history.get("carried")):
            report = self._connect(report, Carried.load(carried), told)
        if state is not None and not report.having(Grade.FORGED) and self.signatures:
            save_state(path, replace(state, fingerprint=mark, note=note))
        return report

    def outdated(self, report: Report) -> bool:
        """Whether the log has a newer checkpoint than the one of a report."""
        note = self.source.read(CHECKPOINT)
        head = None if note is None else self._head(note, Findings())
        return head is not None and report.size is not None and head.size > report.size

    def _connect(self, report: Report, carried: Carried, told: Findings) -> Report:
        """Verify the log before this one, and that this one goes on where it ended."""
        year = year_of(carried.log)
        source = None if year is None else self.source.year(year)
        if source is None:
            what = f"the log before, {carried.log}, and that this one goes on from it: not at hand"
            return replace(report, unchecked=(*report.unchecked, what))
        key = verifier_of(self.log_key, carried.log)
        path = state_file(self.state_dir, carried.log, self.agency_key, key)
        before = verify_log(
            source,
            self.agency_key,
            key,
            state_dir=self.state_dir,
            progress=self.progress,
            jobs=self.jobs,
            signatures=self.signatures,
        )
        for finding in before.findings:
            if finding.grade in (Grade.FORGED, Grade.INCOMPLETE):
                told.tell(replace(finding, what=f"{carried.log}: {finding.what}"))
        saved, unchecked = load_state(path), report.unchecked
        if before.integrity is Integrity.UNKNOWN:
            known = "" if saved is None else "; an earlier run has verified it"
            unchecked += (f"all of {carried.log}: its entries are not at hand{known}",)
        if before.integrity is not Integrity.FORGED and saved is not None:
            for finding in carried.compare(saved.history, saved.head.size, saved.head.root):
                told.tell(finding)
        return replace(report, before=before, unchecked=unchecked, findings=tuple(told.kept))

    def _judge(self, report: Report, note: bytes, head: Checkpoint, told: Findings) -> Report:
        """Compare with every other view of the log."""
        judged = self.views.judge(self.source, note, head)
        for finding in judged.findings:
            told.tell(finding)
        return replace(
            report,
            witnesses=judged.witnesses,
            witnessed_size=judged.witnessed_size,
            evidence=bytes(judged.evidence) if judged.evidence else None,
            findings=tuple(told.kept),
        )

    def _head(self, raw: bytes | None, told: Findings) -> Checkpoint | None:
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

    def _resume(self, head: Checkpoint) -> Tree | None:
        """Return the tree of a head that an earlier run verified, as the log has it now."""
        try:
            tree = Tree.resume(head.size, self._hashes)
        except (SourceError, TileError):
            return None
        return tree if tree.root() == head.root else None

    def _hashes(self, tile: Tile) -> list[bytes]:
        return decode_hashes(read_tile(self.source, tile), tile.width)

    def _pass(
        self,
        report: Report,
        head: Checkpoint,
        start: State | None,
        told: Findings,
        saved: State | None,
    ) -> tuple[Report, State | None]:
        directory = Directory(self.agency_key)
        history = History(directory, self.log_key, head.origin, told.tell)
        tree = Tree()
        if start is not None:
            resumed = self._resume(start.head)
            if resumed is None:
                return report, None
            tree = resumed
            history.load(start.history)
        walk = Walk(
            self.source,
            head,
            tree,
            history,
            told.tell,
            self.progress or _silent,
            known=saved.head if saved else None,
            signatures=self.signatures,
        )
        if self.jobs is not None:
            walk.jobs = self.jobs
        reached = walk.run()
        if reached:
            history.conclude()
            for finding in compare_heads(
                self.heads or (), self.source, head, history.heads, history.directory
            ):
                told.tell(finding)
        report = replace(
            report,
            checked_from=start.head.size if start else 0,
            streams=len(history.heads),
            silences=history.silences(),
            sealed_at=history.seals.newest,
            withheld=len(history.withholding.withheld),
            findings=tuple(told.kept),
        )
        sound = reached and report.integrity is Integrity.SOUND
        return report, State(head, history.dump(), None) if sound else None


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


def _lasting(size: int) -> Iterator[Tile]:
    """Yield the files of a tree that never change again."""
    return (tile for tile in tiles_between(0, size) if tile.full)


def _silent(_done: int, _total: int) -> None:
    return None
