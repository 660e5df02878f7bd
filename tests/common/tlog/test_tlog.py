"""The tree, its tiles, checkpoints and proofs against the definitions, written out naively here."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanyuan.common.notes import NoteError, SigningKey
from sanyuan.common.tlog.checkpoint import Checkpoint, CheckpointError
from sanyuan.common.tlog.merkle import (
    EMPTY_ROOT,
    Node,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_head,
    verify_consistency,
    verify_inclusion,
)
from sanyuan.common.tlog.proof import ProofBundle, ProofBundleError
from sanyuan.common.tlog.tiles import (
    ENTRIES,
    Tile,
    TileError,
    decode_bundle,
    decode_hashes,
    encode_bundle,
    nodes_of,
    right_edge,
    tiles_between,
)
from sanyuan.common.tlog.tree import Tree

SIZES = st.integers(0, 700)


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word; over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], *, known: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if known else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], known=known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], known=False), mth(leaves[:k])]


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(str(index).encode()) for index in range(size)]


def grown(size: int) -> tuple[Tree, dict[Tile, bytes]]:
    tree = Tree()
    tiles = dict(tree.extend(leaves_of(size)))
    return tree, tiles | dict(tree.partial())


def node_of(size: int) -> Node:
    _, tiles = grown(size)
    return nodes_of(size, lambda tile: decode_hashes(tiles[tile], tile.width))


# https://github.com/google/certificate-transparency, merkletree tests: the tree of these entries
VECTOR = [
    bytes.fromhex(entry)
    for entry in (
        "", "00", "10", "2021", "3031", "40414243",
        "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_published_roots_are_ours() -> None:
    tree = Tree()
    assert tree.root() == EMPTY_ROOT
    for entry, root in zip(VECTOR, ROOTS, strict=True):
        tree.extend([leaf_hash(entry)])
        assert tree.root().hex() == root


@given(SIZES)
@settings(deadline=None)
def test_a_growing_tree_has_the_naive_root(size: int) -> None:
    leaves = leaves_of(size)
    assert grown(size)[0].root() == mth(leaves) == tree_head(size, node_of(size))


@pytest.mark.parametrize("size", [65535, 65536, 65537, 70000])
def test_tiles_are_those_of_the_specification(size: int) -> None:
    tree, tiles = grown(size)
    assert tree.root() == mth(leaves_of(size))
    needed = [tile for tile in tiles_between(0, size) if tile.level != ENTRIES]
    assert set(needed) == set(tiles)
    for tile, raw in tiles.items():
        assert len(raw) == tile.width * 32
    if size == 70000:  # the example of tlog-tiles, "Partial Tiles"
        assert len([tile for tile in needed if tile.level == 0 and tile.full]) == 273
        assert right_edge(size) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
        start = Tile(1, 1, 17)
        assert tiles[start][:32] == mth(leaves_of(size)[65536 : 65536 + 256])


@given(SIZES, SIZES)
@settings(deadline=None)
def test_a_tree_goes_on_from_its_partial_tiles(first: int, more: int) -> None:
    leaves = leaves_of(first + more)
    _, tiles = grown(first)
    tree = Tree.resume(first, lambda tile: decode_hashes(tiles[tile], tile.width))
    tree.extend(leaves[first:])
    assert tree.root() == mth(leaves)
    assert tree == grown(first + more)[0]


def test_whole_tiles_can_be_added_by_their_root() -> None:
    leaves = leaves_of(256 * 257 + 5)
    whole, by_tile = Tree(), Tree()
    expected = [tile for tile in whole.extend(leaves) if tile[0].level]
    found = []
    for start in range(0, 256 * 257, 256):
        found += by_tile.extend_by_tile(mth(leaves[start : start + 256]))
    by_tile.extend(leaves[256 * 257 :])
    assert found == expected
    assert by_tile == whole
    with pytest.raises(ValueError, match="whole"):
        by_tile.extend_by_tile(b"")


@given(st.integers(1, 700), st.data())
@settings(deadline=None)
def test_inclusion_proofs_are_the_naive_ones_and_verify_nowhere_else(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    root = mth(leaves)
    proof = inclusion_proof(index, size, node_of(size))
    assert proof == path(index, leaves)
    verify_inclusion(leaves[index], index, size, proof, root)
    other = data.draw(st.integers(-1, size + 1).filter(lambda other: other != index))
    with pytest.raises(ProofError):
        verify_inclusion(leaves[index], other, size, proof, root)
    for wrong in ([*proof, root], proof[:-1], [root, *proof[1:]]):
        if wrong != proof and size > 1:
            with pytest.raises(ProofError):
                verify_inclusion(leaves[index], index, size, wrong, root)


@given(SIZES, SIZES)
@settings(deadline=None)
def test_consistency_proofs_are_the_naive_ones_and_no_other_root_passes(a: int, b: int) -> None:
    old, new = sorted((a, b))
    leaves = leaves_of(new)
    proof = consistency_proof(old, new, node_of(new))
    if old == 0:
        assert proof == []  # by our rule: consistent with everything
    else:
        assert proof == subproof(old, leaves, known=True)
    old_root, new_root = mth(leaves[:old]), mth(leaves)
    verify_consistency(old, old_root, new, new_root, proof)
    for wrong_old, wrong_new, wrong in (
        (bytes(32), new_root, proof),
        (old_root, bytes(32), proof),
        (old_root, new_root, [*proof, bytes(32)]),
    ):
        if old == 0 and wrong_old == old_root and wrong == proof:
            continue
        with pytest.raises(ProofError):
            verify_consistency(old, wrong_old, new, wrong_new, wrong)


def test_proofs_beyond_the_tree_are_refused() -> None:
    with pytest.raises(ProofError):
        inclusion_proof(3, 3, node_of(3))
    with pytest.raises(ProofError):
        consistency_proof(4, 3, node_of(3))
    with pytest.raises(ProofError):
        verify_consistency(4, b"", 3, b"", [])
    with pytest.raises(ProofError):
        verify_consistency(3, mth(leaves_of(3)), 4, mth(leaves_of(4)), [])


@given(st.builds(Tile, st.integers(-1, 63), st.integers(0, 2**40), st.integers(1, 256)))
def test_a_tile_path_reads_back(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


def test_tile_paths_are_the_specifications() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 5, 7).path == "tile/entries/005.p/7"
    assert Tile(ENTRIES, 5, 7).whole.path == "tile/entries/005"


@pytest.mark.parametrize(
    "bad",
    [
        "tile/64/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/entries/000/",
        "tile/0/000\n",
        "checkpoint",
    ],
)
def test_other_spellings_of_a_path_are_refused(bad: str) -> None:
    with pytest.raises(TileError):
        Tile.parse(bad)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@pytest.mark.parametrize("raw", [b"\x00", b"\x00\x02a", b"\x00\x01ab", b"\x00\x00\x01"])
def test_a_cut_bundle_is_refused(raw: bytes) -> None:
    with pytest.raises(TileError):
        decode_bundle(raw)


def test_bundles_and_tiles_have_their_width() -> None:
    with pytest.raises(TileError):
        decode_bundle(encode_bundle([b"a"]), 2)
    with pytest.raises(TileError):
        encode_bundle([bytes(65536)])
    with pytest.raises(TileError):
        decode_hashes(bytes(33), 1)
    with pytest.raises(TileError):
        Tree.resume(3, lambda _: [bytes(32)])


LOG = SigningKey.from_seed("cn/log/2026", bytes(32))
HEAD = Checkpoint("cn/log/2026", 3, mth(leaves_of(3)))


def test_a_checkpoint_reads_back() -> None:
    raw = HEAD.sign([LOG])
    assert Checkpoint.open(raw, origin=HEAD.origin, keys=[LOG.verifier]) == HEAD
    assert raw.startswith(b"cn/log/2026\n3\n")


def test_a_checkpoint_of_another_log_or_key_is_refused() -> None:
    raw = HEAD.sign([LOG])
    with pytest.raises(CheckpointError):
        Checkpoint.open(raw, origin="cn/log/2027", keys=[LOG.verifier])
    with pytest.raises(NoteError):
        Checkpoint.open(raw, origin=HEAD.origin, keys=[SigningKey.generate("x").verifier])


@pytest.mark.parametrize(
    "text",
    [
        "cn/log/2026\n3\n",
        "\n3\n{root}\n",
        "cn/log/2026\n03\n{root}\n",
        "cn/log/2026\n+3\n{root}\n",
        "cn/log/2026\n٣\n{root}\n",
        "cn/log/2026\n3\nAAAA\n",
        "cn/log/2026\n3\n{root}\nextension\n\n",
        "cn/log/2026\n9223372036854775808\n{root}\n",
        "cn/log/2026\n3\n{root}",
        "cn/log/2026\r\n3\n{root} \n",
    ],
)
def test_what_is_not_origin_size_and_root_is_no_checkpoint(text: str) -> None:
    root = bytes(HEAD).decode().split("\n")[2]
    with pytest.raises(NoteError):
        Checkpoint.parse(text.format(root=root).encode())


def test_extension_lines_are_kept_and_change_nothing() -> None:
    extended = Checkpoint.parse(bytes(HEAD) + "any thing\n— and more\n".encode())
    assert extended.extensions == ("any thing", "— and more")
    assert extended.agrees_with(HEAD)
    raw = extended.sign([LOG])
    assert Checkpoint.open(raw, origin=HEAD.origin, keys=[LOG.verifier]) == extended


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_any_changed_byte_of_a_checkpoint_is_found(at: int, byte: int) -> None:
    raw = bytearray(HEAD.sign([LOG]))
    if raw[at % len(raw)] == byte:
        return
    raw[at % len(raw)] = byte
    with pytest.raises(NoteError):
        Checkpoint.open(bytes(raw), origin=HEAD.origin, keys=[LOG.verifier])


@pytest.mark.parametrize("extra", [None, b"", b"some context"])
def test_a_proof_bundle_reads_back_and_verifies(extra: bytes | None) -> None:
    proof = tuple(inclusion_proof(1, 3, node_of(3)))
    bundle = ProofBundle(1, proof, HEAD.sign([LOG]), extra)
    parsed = ProofBundle.parse(bytes(bundle))
    assert parsed == bundle
    assert parsed.verify(leaves_of(3)[1], origin=HEAD.origin, keys=[LOG.verifier]) == HEAD
    with pytest.raises(ProofError):
        parsed.verify(leaves_of(3)[2], origin=HEAD.origin, keys=[LOG.verifier])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 1", b"index 01"),
        (b"index 1", b"index -1"),
        (b"index 1\n", b""),
        (b"index 1\n", b"index 1\nAAAA\n"),
        (b"index 1\n", b"index 1\n!!!!\n"),
        (b"index 1\n", b"extra ?\nindex 1\n"),
        (b"\n\n", b"\n"),
        (b"index", "índex".encode()),
    ],
)
def test_what_breaks_the_format_is_no_proof(old: bytes, new: bytes) -> None:
    raw = bytes(ProofBundle(1, tuple(inclusion_proof(1, 3, node_of(3))), HEAD.sign([LOG])))
    with pytest.raises(ProofBundleError):
        ProofBundle.parse(raw.replace(old, new))
