"""Ed25519 (RFC 8032): one at a time by libsodium, and eight at a time where the processor can.

Implementations differ on crafted signatures, and a log that one verifier calls sound and another
forged convicts nobody. So libsodium alone refuses. Intel's multi-buffer library, which computes
eight independent signatures in the eight lanes of AVX-512 (IFMA) for the time of two, only spares
it what needs no second opinion. It is asked where the key is canonical and of prime order and
s < 2^252 (which every honest s is, but for one in 2^128), and its yes means that the encoding of
[s]B - [k]A is, byte for byte, the R of the signature. That is the strictest equation in use; what
satisfies it with such a key and an R other than the identity satisfies libsodium's as well, with
the cofactor or without. Everything else is asked of libsodium.

The library comes with the extra `simd` on Linux and x86-64; without it, or on another processor,
everything takes the one way.
"""

import sysconfig
from collections.abc import Sequence
from ctypes import (
    CDLL,
    RTLD_GLOBAL,
    addressof,
    c_char_p,
    c_int,
    c_uint32,
    c_uint64,
    c_void_p,
    create_string_buffer,
)
from functools import lru_cache
from pathlib import Path
from typing import Final

from nacl import bindings
from nacl.exceptions import BadSignatureError

SIGNATURE_BYTES: Final = 64
LANES: Final = 8
WORTH: Final = 3
"""So many fill the lanes well enough: eight take as long as two and a bit do one by one."""
_R_BYTES: Final = 32
_IDENTITY: Final = b"\x01" + bytes(31)
"""The encoding of the neutral point (RFC 8032 section 5.1.2)."""
_TOP: Final = 0x10
"""The last byte of an s below 2^252, which is below the order of the base point, is below this."""
_STATUS_BITS: Final = 4
_X25519: Final = 4
"""MBX_ALGO_X25519: of those that its answer names, the one that needs what Ed25519 needs."""
_RUNTIME: Final = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so")
"""What the library is linked with, in the order of their own needs; it calls none of it."""
_LIBRARY: Final = "libcrypto_mb.so.13"

_Bytes = c_char_p * LANES
_Lengths = c_uint32 * LANES
_Places = c_void_p * LANES


def lanes() -> int:
    """How many signatures this machine computes at a time: LANES, or 1."""
    return LANES if _library is not None else 1


def public_key_of(seed: bytes) -> bytes:
    """The public half (32 bytes) of a private key of 32 bytes."""
    public_key, _ = bindings.crypto_sign_seed_keypair(seed)
    return public_key


def holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature of 64 bytes is the key's (32 bytes) over a message: libsodium's word."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def all_hold(checks: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """What `holds` says of each (public key, message, signature)."""
    found = [False] * len(checks)
    if _library is not None and len(checks) >= WORTH:
        plain = [at for at, check in enumerate(checks) if _is_plain(*check)]
        for start in range(0, len(plain) - WORTH + 1, LANES):
            places = plain[start : start + LANES]
            status = _check_lanes(_library, [checks[at] for at in places])
            for lane, at in enumerate(places):
                found[at] = not status >> _STATUS_BITS * lane & 0xF
    return [yes or holds(*check) for yes, check in zip(found, checks, strict=True)]


def sign(seed: bytes, public_key: bytes, message: bytes) -> bytes:
    """The signature (64 bytes) of a private key (32 bytes) and its public half over a message."""
    return bindings.crypto_sign(message, seed + public_key)[:SIGNATURE_BYTES]


def sign_all(wanted: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    """What `sign` returns for each (seed, public key, message)."""
    found: list[bytes] = []
    if _library is not None:
        for start in range(0, len(wanted) - WORTH + 1, LANES):
            found += _sign_lanes(_library, list(wanted[start : start + LANES]))
    return found + [sign(*each) for each in wanted[len(found) :]]


def _is_plain(public_key: bytes, _message: bytes, signature: bytes) -> bool:
    return (
        len(signature) == SIGNATURE_BYTES
        and signature[-1] < _TOP
        and signature[:_R_BYTES] != _IDENTITY
        and _is_prime_order(public_key)
    )


@lru_cache(maxsize=4096)
def _is_prime_order(public_key: bytes) -> bool:
    """Canonical, on the curve, and neither of small order nor outside of the main subgroup."""
    return bindings.crypto_core_ed25519_is_valid_point(public_key)


def _check_lanes(library: CDLL, checks: list[tuple[bytes, bytes, bytes]]) -> int:
    """Four bits a lane, 0 where the signature holds; up to LANES."""
    full = checks + checks[:1] * (LANES - len(checks))
    keys, messages, signatures = zip(*full, strict=True)
    status: int = library.mbx_ed25519_verify_mb8(
        _Bytes(*[signature[:_R_BYTES] for signature in signatures]),
        _Bytes(*[signature[_R_BYTES:] for signature in signatures]),
        _Bytes(*messages),
        _Lengths(*map(len, messages)),
        _Bytes(*keys),
    )
    return status


def _sign_lanes(library: CDLL, wanted: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    """The signatures of up to LANES."""
    full = wanted + wanted[:1] * (LANES - len(wanted))
    seeds, keys, messages = zip(*full, strict=True)
    room = create_string_buffer(LANES * SIGNATURE_BYTES)
    places = range(addressof(room), addressof(room) + len(room), SIGNATURE_BYTES)
    status: int = library.mbx_ed25519_sign_mb8(
        _Places(*places),
        _Places(*[place + _R_BYTES for place in places]),
        _Bytes(*messages),
        _Lengths(*map(len, messages)),
        _Bytes(*seeds),
        _Bytes(*keys),
    )
    if status:
        return [sign(*each) for each in wanted]
    made = room.raw[: len(wanted) * SIGNATURE_BYTES]
    return [made[at : at + SIGNATURE_BYTES] for at in range(0, len(made), SIGNATURE_BYTES)]


def _load() -> CDLL | None:
    """The library, where it is installed and this processor has what it needs."""
    folder = Path(sysconfig.get_path("data"), "lib")
    try:
        for name in _RUNTIME:
            CDLL(str(folder / name), mode=RTLD_GLOBAL)
        library = CDLL(str(folder / _LIBRARY))
    except OSError:
        return None
    library.mbx_get_algo_info.argtypes = (c_int,)
    library.mbx_get_algo_info.restype = c_uint64
    if not library.mbx_get_algo_info(_X25519) & LANES:
        return None
    library.mbx_ed25519_verify_mb8.argtypes = (_Bytes, _Bytes, _Bytes, _Lengths, _Bytes)
    library.mbx_ed25519_verify_mb8.restype = c_uint32
    library.mbx_ed25519_sign_mb8.argtypes = (_Places, _Places, _Bytes, _Lengths, _Bytes, _Bytes)
    library.mbx_ed25519_sign_mb8.restype = c_uint32
    return library


_library = _load()
