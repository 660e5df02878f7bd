"""Ed25519 in lanes says of each signature what libsodium says of it alone."""

import hashlib
import platform
from collections.abc import Sequence
from ctypes.util import find_library
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from sanyuan.common import ed25519
from sanyuan.common.ed25519 import LANES, all_hold, holds, public_key_of, sign, sign_all

Check = tuple[bytes, bytes, bytes]

# RFC 8032 section 7.1: seed, public key, message, signature
VECTORS: Final = [
    tuple(map(bytes.fromhex, each))
    for each in (
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
                "f9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
                "f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
                "4dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    )
]
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
FIELD: Final = 2**255 - 19
IDENTITY: Final = bytes.fromhex("01" + "00" * 31)
TORSION: Final = [
    IDENTITY,
    bytes.fromhex("ec" + "ff" * 30 + "7f"),  # order 2
    bytes(32),  # order 4
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),  # order 8
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),  # order 8
]
NOT_CANONICAL: Final = [
    (FIELD + 1).to_bytes(32, "little"),  # the identity
    FIELD.to_bytes(32, "little"),  # order 4
    (FIELD + 3).to_bytes(32, "little"),
    bytes.fromhex("01" + "00" * 30 + "80"),  # the identity with a sign
]


def scalar(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "little")


def point(number: int, torsion: bytes = IDENTITY) -> bytes:
    """[number]B, plus a point of small order."""
    return bindings.crypto_core_ed25519_add(
        bindings.crypto_scalarmult_ed25519_base_noclamp(scalar(number)), torsion
    )


SEEDS: Final = [bytes([at]) * 32 for at in range(5)]
POINTS: Final = [(at, point(at, torsion)) for at in (5, 7) for torsion in TORSION]
"""A number, and the point that it stands for but for a small order."""
ODD: Final = [(0, each) for each in TORSION + NOT_CANONICAL]


def crafted(key: tuple[int, bytes], r: tuple[int, bytes], message: bytes) -> Check:
    """The s that would fit, were no part of key and r of small order or not canonical."""
    (secret, public_key), (nonce, encoded) = key, r
    k = int.from_bytes(hashlib.sha512(encoded + public_key + message).digest(), "little")
    return public_key, message, encoded + scalar(nonce + k * secret)


@st.composite
def honest(draw: st.DrawFn) -> Check:
    seed, message = draw(st.sampled_from(SEEDS)), draw(st.binary(max_size=300))
    key = public_key_of(seed)
    return key, message, sign(seed, key, message)


@st.composite
def altered(draw: st.DrawFn) -> Check:
    """Another key, another message, one bit, an s that is not reduced, or a piece only."""
    key, message, signature = draw(honest())
    flipped = int.from_bytes(signature, "little") ^ 1 << draw(st.integers(0, 8 * 64 - 1))
    greater = int.from_bytes(signature[32:], "little") + ORDER
    return draw(
        st.sampled_from(
            [
                (public_key_of(b"x" * 32), message, signature),
                (key, message + b"\0", signature),
                (key, message, flipped.to_bytes(64, "little")),
                (key, message, signature[:32] + greater.to_bytes(32, "little")),
                (key, message, signature[:-1]),
                (key, message, signature + b"\0"),
            ]
        )
    )


def test_a_processor_that_has_lanes_uses_them() -> None:
    cpu = Path("/proc/cpuinfo")
    if (
        platform.machine() != "x86_64"
        or not cpu.is_file()
        or find_library("crypto") != "libcrypto.so.3"
    ):
        pytest.skip("the library of the lanes is for Linux on x86-64, beside OpenSSL 3")
    flags = cpu.read_text(encoding="utf-8").split()
    assert ed25519.lanes() == (LANES if {"avx512ifma", "avx512_vbmi2"} <= set(flags) else 1)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 11, 24])
def test_the_vectors_of_the_standard_hold_and_are_made(count: int) -> None:
    vectors = (VECTORS * 8)[:count]
    made = sign_all([(seed, key, message) for seed, key, message, _ in vectors])
    assert made == [signature for *_, signature in vectors]
    assert all_hold([(key, message, each) for _, key, message, each in vectors]) == [True] * count


@given(st.lists(honest() | altered(), max_size=3 * LANES))
def test_together_each_is_judged_as_it_is_alone(several: Sequence[Check]) -> None:
    assert all_hold(several) == [holds(*each) for each in several]


@pytest.mark.parametrize("message", [b"", b"one", b"another"])
def test_what_is_crafted_is_judged_together_as_it_is_alone(message: bytes) -> None:
    some = POINTS + ODD
    several = [crafted(key, r, message) for key in some for r in some]
    alone = [holds(*each) for each in several]
    assert all_hold(several) == alone
    assert 0 < sum(alone) < len(alone)


@given(
    st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.binary(max_size=2000)), max_size=20)
)
def test_signatures_made_together_are_those_made_alone(several: list[tuple[bytes, bytes]]) -> None:
    wanted = [(seed, public_key_of(seed), message) for seed, message in several]
    assert sign_all(wanted) == [sign(*each) for each in wanted]


@pytest.mark.parametrize("bad", range(LANES))
def test_a_bad_signature_hurts_no_lane_but_its_own(bad: int) -> None:
    seeds = [bytes([at]) * 32 for at in range(LANES)]
    several = [(key := public_key_of(seed), seed, sign(seed, key, seed)) for seed in seeds]
    key, message, signature = several[bad]
    several[bad] = key, message + b"!", signature
    assert all_hold(several) == [at != bad for at in range(LANES)]


def test_without_the_library_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ed25519, "_library", None)
    assert ed25519.lanes() == 1
    test_the_vectors_of_the_standard_hold_and_are_made(LANES)
    for bad in range(LANES):
        test_a_bad_signature_hurts_no_lane_but_its_own(bad)
