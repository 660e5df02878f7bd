"""What the storage, the network or the keeper of a copy can do to a log: edits without any key."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from sanyuan.client.drill.ledger import Files, Ledger
from sanyuan.client.drill.tampering import UNREADABLE, Expected, Finder, Holds, Tampered, Tampering
from sanyuan.client.verify.source import CHECKPOINT
from sanyuan.common.notes import Note, SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint
from sanyuan.common.tlog.merkle import HASH_BYTES, leaf_hash
from sanyuan.common.tlog.tiles import ENTRIES, HEIGHT, WIDTH, Tile, decode_bundle, encode_bundle

Edit = Callable[[bytes, Random], bytes]


def flip(raw: bytes, random: Random) -> bytes:
    """Change one byte."""
    at = random.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ random.randrange(1, 256)]) + raw[at + 1 :]


def cut(raw: bytes, random: Random) -> bytes:
    """Take away the end."""
    return raw[: random.randrange(len(raw))]


def grow(raw: bytes, random: Random) -> bytes:
    """Add something."""
    return raw + random.randbytes(random.randrange(1, 100))


def splice(raw: bytes, random: Random) -> bytes:
    """Take a piece out of the middle."""
    start = random.randrange(len(raw))
    return raw[:start] + raw[random.randrange(start + 1, len(raw) + 1) :]


def overwrite(raw: bytes, random: Random) -> bytes:
    """Put zeroes over a piece, as a failing disk does."""
    start = random.randrange(len(raw))
    end = random.randrange(start + 1, len(raw) + 1)
    zeroed = raw[:start] + bytes(end - start) + raw[end:]
    return zeroed if zeroed != raw else flip(raw, random)


def _with(files: Files, path: str, raw: bytes | None) -> Files:
    changed = dict(files)
    if raw is None:
        del changed[path]
    else:
        changed[path] = raw
    return changed


def _span(tile: Tile) -> range:
    """The leaves below a tile."""
    shift = HEIGHT * max(tile.level, 0)
    first = tile.index * WIDTH << shift
    return range(first, first + (tile.width << shift))


def _tiles(ledger: Ledger, *, bundles: bool) -> list[Tile]:
    tiles = [Tile.parse(path) for path in ledger.files if path != CHECKPOINT]
    return [tile for tile in tiles if (tile.level == ENTRIES) is bundles]


def _edit_tile(edit: Edit, *, bundles: bool) -> Callable[[Ledger, Random], Tampered]:
    def apply(ledger: Ledger, random: Random) -> Tampered:
        tile = random.choice(_tiles(ledger, bundles=bundles))
        changed = edit(ledger.files[tile.path], random)
        files = _with(ledger.files, tile.path, changed)
        # A piece that was taken out of a bundle's lengths moves all entries behind it.
        return Tampered(files, Expected(leaves=_span(tile)))

    return apply


def _change_entry(ledger: Ledger, random: Random) -> Tampered:
    """Change one byte inside an entry: the finding must name exactly that entry."""
    index = random.randrange(len(ledger.entries))
    changed = flip(ledger.entries[index].raw, random)
    files = _put(ledger, ledger.files, index, changed)
    return Tampered(files, Expected(leaves=range(index, index + 1), words="its tile says"))


def _change_entry_and_tile(ledger: Ledger, random: Random) -> Tampered:
    """Change an entry and its hash: what the next level, or the root, was made from is missing."""
    index = random.randrange(len(ledger.entries))
    changed = flip(ledger.entries[index].raw, random)
    files = _put(ledger, ledger.files, index, changed)
    tile = _tile_of(ledger, 0, index)
    at = index % WIDTH * HASH_BYTES
    raw = files[tile.path]
    files = _with(files, tile.path, raw[:at] + leaf_hash(changed) + raw[at + HASH_BYTES :])
    return Tampered(files, Expected(leaves=range(index, index + 1)))


def _swap_entries(ledger: Ledger, random: Random) -> Tampered:
    first, second = sorted(random.sample(range(len(ledger.entries)), 2))
    files = _put(ledger, ledger.files, first, ledger.entries[second].raw)
    files = _put(ledger, files, second, ledger.entries[first].raw)
    return Tampered(files, Expected(leaves=range(first, first + 1), words="its tile says"))


def _put(ledger: Ledger, files: Files, index: int, raw: bytes) -> Files:
    tile = _tile_of(ledger, ENTRIES, index)
    entries = decode_bundle(files[tile.path])
    entries[index % WIDTH] = raw
    return _with(files, tile.path, encode_bundle(entries))


def _tile_of(ledger: Ledger, level: int, index: int) -> Tile:
    size = len(ledger.entries)
    return Tile(level, index // WIDTH, min(WIDTH, size - index // WIDTH * WIDTH))


def _remove(ledger: Ledger, random: Random) -> Tampered:
    path = random.choice(list(ledger.files))
    return Tampered(_with(ledger.files, path, None), Expected(UNREADABLE, path=path))


def _edit_checkpoint(edit: Edit) -> Callable[[Ledger, Random], Tampered]:
    def apply(ledger: Ledger, random: Random) -> Tampered:
        changed = edit(ledger.files[CHECKPOINT], random)
        return Tampered(_with(ledger.files, CHECKPOINT, changed), Expected(path=CHECKPOINT))

    return apply


def _resize(raw: bytes, random: Random) -> bytes:
    """Say another size over the old signature."""
    note = Note.parse(raw)
    head = Checkpoint.parse(note.text)
    text = bytes(Checkpoint(head.origin, random.randrange(head.size), head.root))
    return bytes(Note(text, note.signatures))


def _sign_otherwise(raw: bytes, _: Random) -> bytes:
    """Sign with a key of one's own, under the log's name."""
    head = Checkpoint.open_unverified(raw)
    return head.sign([SigningKey.generate(head.origin)])


def _roll_back(ledger: Ledger, random: Random) -> Tampered:
    """Show an old state of the log, files and signed checkpoint alike."""
    end = random.choice(ledger.seals[:-1]) + 1
    old = ledger.holding(ledger.entries[:end])
    return Tampered(old.files, Expected())


def _tiles_edits() -> list[Tampering]:
    edits = (
        ("byte", flip, "改动一个字节", "change one byte of"),
        ("cut", cut, "截短", "cut the end of"),
        ("grow", grow, "追加字节", "add bytes to"),
        ("splice", splice, "从中间取走一段", "take a piece out of"),
        ("zero", overwrite, "一段归零", "zero a piece of"),
    )
    kinds = ((True, "bundle", "条目文件", "a bundle of entries"),
             (False, "tile", "散列文件", "a hash tile"))  # fmt: skip
    return [
        Tampering(
            f"{kind}-{name}",
            f"{chinese}：{what}",
            f"{english} {a_file}",
            Holds.NOTHING,
            _edit_tile(edit, bundles=bundles),
        )
        for bundles, kind, what, a_file in kinds
        for name, edit, chinese, english in edits
    ]


def _checkpoint_edits() -> list[Tampering]:
    edits = (
        ("byte", flip, "改动检查点一个字节", "change one byte of the checkpoint"),
        ("cut", cut, "截短检查点", "cut the checkpoint"),
        ("grow", grow, "在检查点后追加字节", "add bytes to the checkpoint"),
        ("size", _resize, "改写检查点的大小", "say another size in the checkpoint"),
        ("signer", _sign_otherwise, "换一把密钥签检查点", "sign the checkpoint with another key"),
    )
    return [
        Tampering(f"checkpoint-{name}", chinese, english, Holds.NOTHING, _edit_checkpoint(edit))
        for name, edit, chinese, english in edits
    ]


FILE_EDITS: Final = (
    *_tiles_edits(),
    Tampering("entry-byte", "改动一条记录的一个字节", "change one byte of an entry",
              Holds.NOTHING, _change_entry),
    Tampering("entry-and-hash", "改动一条记录并改其散列", "change an entry and its hash",
              Holds.NOTHING, _change_entry_and_tile),
    Tampering("entries-swapped", "对调两条记录", "swap two entries",
              Holds.NOTHING, _swap_entries),
    Tampering("file-removed", "删除一个文件", "remove a file", Holds.NOTHING, _remove),
    *_checkpoint_edits(),
    Tampering("rolled-back", "换回旧日志", "put an old state of the log back",
              Holds.NOTHING, _roll_back, Finder.EARLIER),
)  # fmt: skip
