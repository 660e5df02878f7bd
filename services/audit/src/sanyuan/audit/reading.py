"""Who may read what of the log: the supervisor all, a participant its own (design §8, ADR 0032).

A participant's own are the records that its systems signed, those in its systems' inboxes,
`participants`, from which every reader takes the keys, the carry-over that a year's log begins
with, and the supervisor's orders that withhold one of these. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from sanyuan.common.contracts.log import CarriedOver
from sanyuan.common.directory import Directory, System
from sanyuan.common.folding import PARTICIPANTS
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.sources import parse_source
from sanyuan.common.tlog.tiles import BLANK, decode_bundle, encode_bundle
from sanyuan.common.withholding import is_order, parse_order

MayRead = Callable[[bytes], bool]
"""Whether a reader may see an entry."""


def reads_all(reader: System) -> bool:
    """Whether nothing is hidden from a reader."""
    return reader.role == "supervisor"


def may_read(reader: System, directory: Directory) -> MayRead | None:
    """Return what a reader may see; None: everything."""
    if reads_all(reader):
        return None

    def check(entry: bytes) -> bool:
        return entry == BLANK or _is_own(entry, reader, directory)

    return check


def show_bundle(raw: bytes, check: MayRead) -> bytes:
    """Return a bundle in which every entry that may not be read is blank."""
    return encode_bundle(each if check(each) else BLANK for each in decode_bundle(raw))


def _is_own(entry: bytes, reader: System, directory: Directory) -> bool:
    envelope = parse_leaf(entry).envelope
    if envelope.type == CarriedOver.TYPE or _is_of(
        envelope.source, envelope.topic, reader, directory
    ):
        return True
    if not is_order(envelope):
        return False
    order = parse_order(envelope)
    return order is not None and _is_of(order.record.source, order.record.topic, reader, directory)


def _is_of(source: str, signed_topic: str, reader: System, directory: Directory) -> bool:
    topic = signed_topic.partition("/")[2]
    if topic == PARTICIPANTS or source == reader.source:
        return True
    if reader.participant is None:
        return False
    owner = directory.by_inbox.get(topic)
    return reader.participant in {
        parse_source(source).participant,
        owner.participant if owner else None,
    }
