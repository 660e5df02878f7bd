"""A case as the log has it: its records with their places, each proven (design §8).

Every record is in the signed tree, and signed under a key that the log's own `participants` entries
register. That all of a case is there, in order, is what `sanyuan verify` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.text import Text
from rich.tree import Tree

from sanyuan.client.follow import Logged
from sanyuan.client.verify.said import fold_leaf
from sanyuan.client.verify.source import CHECKPOINT, LogSource, SourceError, read_tile
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.leaf import Leaf, parse_leaf
from sanyuan.common.logkeys import verifier_for
from sanyuan.common.notes import NoteError, VerifierKey
from sanyuan.common.sources import parse_source
from sanyuan.common.tlog.authentic import AuthenticTiles, ForgedLogError
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.tiles import WIDTH

_PARTICIPANTS = b'/participants"'


class NoSuchCaseError(SanyuanError):
    """The log has no record of the case."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the case and what it caused."""

    logged: Logged
    caused: tuple[Entry, ...] = ()


def find_case(
    source: LogSource, agency_key: VerifierKey, log_key: VerifierKey, case: str
) -> list[Logged]:
    """The records of a case in the log's order.

    Raises NoSuchCaseError, SourceError, and ForgedLogError when something does not prove true.
    """
    tiles = AuthenticTiles(partial(read_tile, source), _head(source, log_key), source.name)
    directory, found, wanted = Directory(agency_key), list[Logged](), case.encode()
    for bundle in range(-(-tiles.head.size // WIDTH)):
        for at, raw in enumerate(tiles.entries(bundle)):
            if _PARTICIPANTS in raw:
                leaf = parse_leaf(raw)
                if leaf.envelope.topic.encode().endswith(_PARTICIPANTS[:-1]):
                    _check(leaf, directory)
                    directory = fold_leaf(directory, leaf)
            elif wanted in raw:
                leaf = parse_leaf(raw)
                if leaf.envelope.correlationid == case:
                    _check(leaf, directory)
                    found.append(Logged(bundle * WIDTH + at, leaf))
    if not found:
        raise NoSuchCaseError("the log has no record of this case", where=source.name)
    return found


def arrange(records: Iterable[Logged]) -> tuple[Entry, ...]:
    """Each record below the one that it decides or that caused it, the others on top."""
    known = {_place(each): each for each in records}
    by_id = {each.leaf.envelope.id: each for each in known.values()}
    children: dict[int, list[Logged]] = {}
    roots = list[Logged]()
    for each in known.values():
        above = known.get(_decided(each)) or by_id.get(each.leaf.envelope.causationid or "")
        (children.setdefault(above.index, []) if above else roots).append(each)

    def build(each: Logged) -> Entry:
        return Entry(each, tuple(map(build, children.get(each.index, ()))))

    return tuple(map(build, roots))


def draw_case(title: str, entries: Sequence[Entry]) -> Tree:
    """The case as Rich draws it."""
    tree = Tree(Text(title, style="bold"), guide_style="dim")
    for entry in entries:
        _grow(tree, entry)
    return tree


def _grow(tree: Tree, entry: Entry) -> None:
    branch = tree.add(_label(entry.logged))
    for each in entry.caused:
        _grow(branch, each)


def _label(logged: Logged) -> Text:
    envelope = logged.leaf.envelope
    text = Text.assemble((f"#{logged.index:<7}", "cyan"), envelope.type.removesuffix(".v1"))
    reason = envelope.data.get("reason")
    if isinstance(reason, str):
        text.append(f" {reason}", style="yellow")
    text.append(f"  {parse_source(envelope.source).name}", style="dim")
    text.append(f" → {envelope.topic.partition('/')[2]}  {envelope.time[11:23]}Z", style="dim")
    return text


def _head(source: LogSource, log_key: VerifierKey) -> Checkpoint:
    raw = source.read(CHECKPOINT)
    if raw is None:
        raise SourceError("the log has no checkpoint yet", where=source.name)
    try:
        return Checkpoint.open(raw, keys=[verifier_for(log_key, raw)])
    except NoteError as error:
        raise ForgedLogError(str(error), where=source.name) from None


def _check(leaf: Leaf, directory: Directory) -> None:
    key = directory.keys_of(leaf.envelope.source).get(leaf.key_id)
    if key is None:
        raise ForgedLogError("an entry is under no registered key", where=leaf.envelope.source)
    leaf.verify(key)


def _place(logged: Logged) -> tuple[str, str, str]:
    envelope = logged.leaf.envelope
    return envelope.source, envelope.topic, envelope.sequence


def _decided(logged: Logged) -> tuple[str, str, str]:
    command = logged.leaf.envelope.data.get("command")
    if not isinstance(command, dict):
        return "", "", ""
    return (
        str(command.get("source")),
        str(command.get("topic")),
        str(command.get("sequence")),
    )
