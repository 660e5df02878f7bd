"""Other views of the same log: cosigned checkpoints, what witnesses serve, what we saw before.

Each is a checkpoint that the log signed. The tree that was verified must extend every one of them;
when it does not, the two signatures convict the log, and the evidence is part of the result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import httpx

from sanyuan.client.verify.findings import Finding, Grade, Witnessed
from sanyuan.client.verify.source import CHECKPOINT, COSIGNED, LogSource, SourceError, read_tile
from sanyuan.common.notes import Note, NoteError, VerifierKey
from sanyuan.common.rules import RuleError
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.cosignature import CosignerKey, verify_cosignatures
from sanyuan.common.tlog.merkle import Node
from sanyuan.common.tlog.misbehaviour import Misbehaviour, compare
from sanyuan.common.tlog.policy import NONE, Policy
from sanyuan.common.tlog.tiles import nodes_of
from sanyuan.common.tlog.witnessing import origin_hash

TIMEOUT_SECONDS: Final = 10.0
MAX_NOTE_BYTES: Final = 1_000_000


@dataclass(frozen=True)
class View:
    """A checkpoint that the log signed, and where it was seen."""

    where: str
    note: bytes
    head: Checkpoint


@dataclass(frozen=True)
class Judged:
    """What the views say together."""

    witnesses: tuple[Witnessed, ...] = ()
    witnessed_size: int | None = None
    """Size of the largest tree that a quorum cosigned; None when there is no quorum."""
    findings: tuple[Finding, ...] = ()
    evidence: Misbehaviour | None = None


@dataclass
class Views:
    """Gathers views; what cannot be had or is not the log's is told as a finding."""

    log_key: VerifierKey
    policy: Policy = field(default_factory=Policy)
    found: list[View] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, log_key: VerifierKey) -> Views:
        """Return the views of one year's log."""
        found = [view for view in self.found if view.head.origin == log_key.name]
        return Views(log_key, self.policy, found, list(self.findings))

    def add(self, where: str, note: bytes | None) -> None:
        """Take a signed note."""
        if note is None:
            return
        try:
            self.found.append(View(where, note, self._open(note)))
        except NoteError as error:
            self.findings.append(Finding(Grade.FORGED, error.what, path=where))

    def read(self, source: LogSource) -> None:
        """Take the cosigned checkpoint that lies beside the log, where there is one."""
        try:
            self.add(COSIGNED, source.read(COSIGNED))
        except SourceError as error:
            self.findings.append(Finding(Grade.NOTICE, error.what, path=error.where))

    def ask(self) -> None:
        """Ask the policy's witnesses that have a URL for the newest checkpoint that they know."""
        path = f"{origin_hash(self.log_key.name)}/checkpoint"
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            for witness in self.policy.witnesses.values():
                if witness.url:
                    url = f"{witness.url.rstrip('/')}/{path}"
                    self._ask(client, url)

    def _ask(self, client: httpx.Client, url: str) -> None:
        try:
            answer = client.get(url)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return
            # What is not the log's does not speak against the log, only against this witness.
            self._open(answer.raise_for_status().content[:MAX_NOTE_BYTES])
        except (httpx.HTTPError, httpx.InvalidURL, NoteError) as error:
            what = f"a witness could not be asked: {str(error) or type(error).__name__}"
            self.findings.append(Finding(Grade.NOTICE, what, path=url))
        else:
            self.add(url, answer.content)

    def _open(self, note: bytes) -> Checkpoint:
        head = Checkpoint.open(note, keys=[self.log_key], origin=self.log_key.name)
        verify_cosignatures(Note.parse(note), self.policy.keys)
        return head

    def judge(self, source: LogSource, note: bytes, head: Checkpoint) -> Judged:
        """Compare all views with the verified tree of `head`, whose signed note is `note`."""
        views = [*self.found, View(CHECKPOINT, note, head)]
        self.add(CHECKPOINT, note)
        try:
            tiles = AuthenticTiles(partial(read_tile, source), head, source.name)
            evidence, findings = _compare_all(views, head, nodes_of(head.size, tiles.hashes))
        except (ForgedLogError, SourceError, RuleError):
            # The walk has said so already; equal sizes can be compared all the same.
            evidence, findings = _compare_all(views, head, None)
        seen = _seen(self.found, self.policy.keys)
        witnessed = _quorum_size(self.found, self.policy)
        if self.policy.quorum != NONE and witnessed is None:
            what = f"no checkpoint of this log has the policy's quorum ({self.policy.quorum})"
            findings.append(Finding(Grade.UNREADABLE, what, path=COSIGNED))
        return Judged(seen, witnessed, (*self.findings, *findings), evidence)


def _compare_all(
    views: Sequence[View], head: Checkpoint, node: Node | None
) -> tuple[Misbehaviour | None, list[Finding]]:
    evidence: Misbehaviour | None = None
    findings: list[Finding] = []
    known: dict[int, View] = {}
    for view in views:
        first = known.setdefault(view.head.size, view)
        found = compare(first.note, view.note)
        if found is None and view.head.size <= head.size:
            found = compare(view.note, views[-1].note, node)
        if found is not None:
            evidence = evidence or found
            findings.append(_forked(view, head if first is view else first.head))
        elif view.head.size > head.size:
            what = f"a log of {view.head.size} entries was seen, {head.size} are shown here"
            findings.append(
                Finding(Grade.INCOMPLETE, what, path=view.where, found=view.head.root.hex())
            )
    return evidence, findings


def _forked(view: View, other: Checkpoint) -> Finding:
    return Finding(
        Grade.FORGED,
        f"the log signed two histories: one of {view.head.size} entries was seen there, which "
        f"contradicts that of {other.size}",
        path=view.where,
        expected=view.head.root.hex(),
        found=other.root.hex(),
    )


def _seen(views: Iterable[View], keys: Collection[CosignerKey]) -> tuple[Witnessed, ...]:
    """The newest tree that each witness cosigned."""
    newest: dict[CosignerKey, Witnessed] = {}
    for view in views:
        for key, at in verify_cosignatures(Note.parse(view.note), keys).items():
            seen = Witnessed(key.name, view.head.size, at)
            last = newest.get(key, seen)
            newest[key] = max(last, seen, key=lambda each: (each.size, each.time))
    return tuple(newest.values())


def _quorum_size(views: Iterable[View], policy: Policy) -> int | None:
    cosigners: dict[tuple[int, bytes], set[CosignerKey]] = defaultdict(set)
    for view in views:
        seen = verify_cosignatures(Note.parse(view.note), policy.keys)
        cosigners[view.head.size, view.head.root] |= seen.keys()
    reached = [size for (size, _), seen in cosigners.items() if seen and policy.satisfied(seen)]
    return max(reached, default=None)
