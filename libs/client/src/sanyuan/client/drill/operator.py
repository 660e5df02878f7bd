"""What those can do who sign the log: the log's key alone, with audit's, with a sender's.

The log's key makes any tree look published. It makes no record: senders' signatures and chains,
and audit's own seals, stand against it. With audit's key the seals follow, and only chains are
left; where a stream simply ends, or its sender takes part, nobody can see it from zero, but
everybody who knows an earlier checkpoint does.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import orjson

from sanyuan.client.drill.files import flip
from sanyuan.client.drill.ledger import Entry, Ledger, Stream
from sanyuan.client.drill.tampering import (
    INCOMPLETE,
    Expected,
    Finder,
    Holds,
    Tampered,
    Tampering,
)
from sanyuan.common.envelope import encode
from sanyuan.common.leaf import encode_leaf
from sanyuan.common.notes import SigningKey

Apply = Callable[[Ledger, Random], Tampered]


def _audit(ledger: Ledger) -> str:
    return ledger.entries[ledger.seals[0]].source


def _place(ledger: Ledger, random: Random, *, tail: int = 1) -> tuple[Stream, int, int]:
    """Draw a stream, the number of one of its records with `tail` behind it, and its index."""
    long = [stream for stream, at in sorted(ledger.streams.items()) if len(at) > tail]
    stream = random.choice(long)
    places = ledger.streams[stream]
    number = random.randrange(len(places) - tail)
    return stream, number, places[number]


def _without(ledger: Ledger, *indices: int) -> list[Entry]:
    return [entry for at, entry in enumerate(ledger.entries) if at not in indices]


def _drop(holds_audit: bool) -> Apply:  # noqa: FBT001 -- one table, two rows
    def apply(ledger: Ledger, random: Random) -> Tampered:
        stream, number, index = _place(ledger, random)
        after = ledger.entries[ledger.streams[stream][number + 1]]
        rest = _without(ledger, index)
        changed = ledger.rewritten(rest, {_audit(ledger)} if holds_audit else ())
        return Tampered(changed.files, _jump(stream, after.sequence))

    return apply


def _jump(stream: Stream, sequence: int) -> Expected:
    return Expected(stream=stream, sequence=sequence, words="jumps")


def _duplicate(holds_audit: bool) -> Apply:  # noqa: FBT001 -- as above
    def apply(ledger: Ledger, random: Random) -> Tampered:
        stream, _, index = _place(ledger, random, tail=0)
        entry = ledger.entries[index]
        at = random.randrange(index + 1, len(ledger.entries))
        entries = [*ledger.entries[:at], entry, *ledger.entries[at:]]
        changed = ledger.rewritten(entries, {_audit(ledger)} if holds_audit else ())
        return Tampered(changed.files, _jump(stream, entry.sequence))

    return apply


def _swap(holds_audit: bool) -> Apply:  # noqa: FBT001 -- as above
    def apply(ledger: Ledger, random: Random) -> Tampered:
        stream, number, index = _place(ledger, random)
        later = ledger.streams[stream][number + 1]
        entries = list(ledger.entries)
        entries[index], entries[later] = entries[later], entries[index]
        changed = ledger.rewritten(entries, {_audit(ledger)} if holds_audit else ())
        return Tampered(changed.files, _jump(stream, ledger.entries[later].sequence))

    return apply


def _mutate(ledger: Ledger, random: Random) -> Tampered:
    """Change what a record says, and leave its signature as it is."""
    stream, _, index = _place(ledger, random, tail=0)
    entry = ledger.entries[index]
    changed = entry._replace(raw=_say_otherwise(entry.raw, random))
    entries = [*ledger.entries[:index], changed, *ledger.entries[index + 1 :]]
    made = ledger.rewritten(entries, {_audit(ledger)})
    here = range(index, index + 1)
    expected = Expected(leaves=here, stream=stream, sequence=entry.sequence, words="signature")
    return Tampered(made.files, expected)


def _say_otherwise(raw: bytes, random: Random) -> bytes:
    value, _, signature = raw.partition(b"\n\n")
    said = orjson.loads(value)
    said["data"] = {**said["data"], "added": random.randrange(10**9)}
    return encode(said) + b"\n\n" + signature


def _spoil_signature(ledger: Ledger, random: Random) -> Tampered:
    index = random.randrange(len(ledger.entries))
    entry = ledger.entries[index]
    value, _, signature = entry.raw.partition(b"\n\n")
    changed = entry._replace(raw=value + b"\n\n" + flip(signature, random))
    entries = [*ledger.entries[:index], changed, *ledger.entries[index + 1 :]]
    return Tampered(ledger.holding(entries).files, Expected(leaves=range(index, index + 1)))


def _invent(ledger: Ledger, random: Random) -> Tampered:
    """Write a record in somebody's name, at the right place, under a key of one's own."""
    stream, _, index = _place(ledger, random, tail=0)
    entry = ledger.entries[index]
    key = SigningKey.generate(ledger.keys[entry.source].name)
    value, _, _ = _say_otherwise(entry.raw, random).partition(b"\n\n")
    forged = entry._replace(raw=encode_leaf(value, key.sign(value + b"\n").encode()))
    entries = [*ledger.entries[:index], forged, *ledger.entries[index + 1 :]]
    made = ledger.rewritten(entries, {_audit(ledger)})
    expected = Expected(leaves=range(index, index + 1), stream=stream, words="no such key")
    return Tampered(made.files, expected._replace(sequence=ledger.entries[index].sequence))


def _silence(holds_audit: bool) -> Apply:  # noqa: FBT001 -- as above
    def apply(ledger: Ledger, random: Random) -> Tampered:
        stream, number, _ = _place(ledger, random)
        gone = ledger.streams[stream][number + 1 :]
        rest = _without(ledger, *gone)
        if not holds_audit:
            # The seals still name what was there.
            expected = Expected(stream=stream, words="a seal says something else")
            return Tampered(ledger.holding(rest).files, expected)
        changed = ledger.rewritten(rest, {_audit(ledger)})
        return Tampered(changed.files, Expected())

    return apply


def _change_seal(ledger: Ledger, random: Random) -> Tampered:
    index = random.choice(ledger.seals)
    entry = ledger.entries[index]
    changed = entry._replace(raw=_say_otherwise(entry.raw, random))
    entries = [*ledger.entries[:index], changed, *ledger.entries[index + 1 :]]
    expected = Expected(leaves=range(index, index + 1), words="signature")
    return Tampered(ledger.holding(entries).files, expected)


def _drop_seal(ledger: Ledger, random: Random) -> Tampered:
    index = random.choice(ledger.seals[:-1])
    after = next(entry for entry in ledger.entries[index + 1 :] if entry.own)
    made = ledger.holding(_without(ledger, index))
    return Tampered(made.files, _jump(after.stream, after.sequence))


def _false_seal(ledger: Ledger, random: Random) -> Tampered:
    """Seal another head than the stream has: a receipt for what the log does not hold."""
    index = random.choice([at for at in ledger.seals if _rows(ledger.entries[at])])
    entry = ledger.entries[index]
    value = orjson.loads(entry.raw.partition(b"\n\n")[0])
    row = random.choice(value["data"]["rows"])
    row[4] = random.randbytes(32).hex()
    raw = encode(value)
    key = ledger.keys[entry.source]
    sealed = entry._replace(raw=encode_leaf(raw, key.sign(raw + b"\n").encode()))
    entries = [*ledger.entries[:index], sealed, *ledger.entries[index + 1 :]]
    expected = Expected(leaves=range(index, index + 1), stream=(row[0], row[1]))
    return Tampered(ledger.holding(entries).files, expected)


def _rows(entry: Entry) -> bool:
    return bool(orjson.loads(entry.raw.partition(b"\n\n")[0])["data"]["rows"])


def _cut_within_seal(ledger: Ledger, random: Random) -> Tampered:
    """End the log between two seals."""
    # A later year's log that ends within its opening is forged, not incomplete.
    seals = [*([] if ledger.carried else [-1]), *ledger.seals]
    wide = [at for at in range(1, len(seals)) if seals[at] - seals[at - 1] > 1]
    at = random.choice(wide)
    end = random.randrange(seals[at - 1] + 2, seals[at] + 1)
    made = ledger.holding(ledger.entries[:end])
    return Tampered(made.files, Expected(INCOMPLETE, words="under no seal"))


def _cut_at_seal(ledger: Ledger, random: Random) -> Tampered:
    end = random.choice(ledger.seals[:-1]) + 1
    return Tampered(ledger.holding(ledger.entries[:end]).files, Expected())


def _fork_stream(ledger: Ledger, random: Random) -> Tampered:
    """The sender signs a second record for a place, and both are in the log."""
    stream, _, index = _place(ledger, random)
    entry = ledger.entries[index]
    value, _, _ = _say_otherwise(entry.raw, random).partition(b"\n\n")
    second = entry._replace(
        raw=encode_leaf(value, ledger.keys[entry.source].sign(value + b"\n").encode())
    )
    entries = [*ledger.entries[: index + 1], second, *ledger.entries[index + 1 :]]
    made = ledger.rewritten(entries, {_audit(ledger)})
    return Tampered(made.files, _jump(stream, entry.sequence))


def _rewrite_history(ledger: Ledger, random: Random) -> Tampered:
    """The sender signs another past, and the operator builds the log on it."""
    _, _, index = _place(ledger, random)
    entry = ledger.entries[index]
    changed = entry._replace(raw=_say_otherwise(entry.raw, random))
    entries = [*ledger.entries[:index], changed, *ledger.entries[index + 1 :]]
    made = ledger.rewritten(entries, {_audit(ledger), entry.source})
    return Tampered(made.files, Expected())


def _reorder(ledger: Ledger, random: Random) -> Tampered:
    """Swap two neighbours of different streams: their order is the log's alone."""
    pairs = [
        at
        for at, (one, other) in enumerate(zip(ledger.entries, ledger.entries[1:], strict=False))
        if one.stream != other.stream and {one.stream, other.stream} <= ledger.streams.keys()
    ]
    at = random.choice(pairs)
    entries = list(ledger.entries)
    entries[at : at + 2] = entries[at + 1], entries[at]
    return Tampered(ledger.rewritten(entries, {_audit(ledger)}).files, Expected())


def _operator_edits() -> list[Tampering]:
    rows: list[tuple[str, str, str, Callable[[bool], Apply]]] = [
        ("drop", "抽掉一条记录", "drop a record", _drop),
        ("duplicate", "重复一条记录", "put a record in twice", _duplicate),
        ("swap", "对调同一流的两条记录", "swap two records of a stream", _swap),
    ]
    return [
        Tampering(f"{name}-{holds.name.lower()}", chinese, english, holds, make(audit))
        for name, chinese, english, make in rows
        for holds, audit in ((Holds.LOG, False), (Holds.OPERATOR, True))
    ]


def _unseen(name: str, chinese: str, english: str, holds: Holds, apply: Apply) -> list[Tampering]:
    """Two rows for what is consistent in itself: two who find it."""
    return [
        Tampering(f"{name}-{finder.name.lower()}", chinese, english, holds, apply, finder)
        for finder in (Finder.EARLIER, Finder.WITNESS)
    ]


KEY_EDITS: Final = (
    *_operator_edits(),
    Tampering("mutate", "改写一条记录的内容", "change what a record says",
              Holds.OPERATOR, _mutate),
    Tampering("signature", "改动一个签名", "change a signature", Holds.LOG, _spoil_signature),
    Tampering("invent", "冒名造一条记录", "invent a record in somebody's name",
              Holds.OPERATOR, _invent),
    Tampering("silence-log", "抹去一个流的结尾", "drop the end of a stream",
              Holds.LOG, _silence(False)),  # noqa: FBT003 -- as above
    Tampering("seal-changed", "改动封签", "change a seal", Holds.LOG, _change_seal),
    Tampering("seal-dropped", "抽掉封签", "drop a seal", Holds.LOG, _drop_seal),
    Tampering("seal-false", "签一个假封签", "seal what the log does not hold",
              Holds.OPERATOR, _false_seal),
    Tampering("tail-between-seals", "在两封签之间截断日志", "end the log between two seals",
              Holds.LOG, _cut_within_seal),
    Tampering("stream-forked", "同一位置两条记录", "put two records at one place",
              Holds.COLLUSION, _fork_stream),
    *_unseen("tail-at-seal", "在封签处截断日志", "end the log at an earlier seal",
             Holds.LOG, _cut_at_seal),
    *_unseen("silence-operator", "抹去流的结尾并重做封签", "drop the end of a stream and reseal",
             Holds.OPERATOR, _silence(True)),  # noqa: FBT003 -- as above
    *_unseen("reorder", "改变不同流之间的次序", "reorder records of different streams",
             Holds.OPERATOR, _reorder),
    *_unseen("rewrite", "与发送方合谋改写历史", "rewrite history together with its sender",
             Holds.COLLUSION, _rewrite_history),
)  # fmt: skip
