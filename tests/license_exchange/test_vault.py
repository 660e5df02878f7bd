from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.license_exchange.vault import Vault, VaultError, open_sealed, place_of, seal

MASTER, KEY, NONCE = bytes(32), bytes([1]) * 32, bytes(12)
PLACE = place_of("person/x", "a" * 32, 1)


def test_a_wrapped_key_opens_under_its_master_key_alone() -> None:
    wrapped = Vault(MASTER).wrap(KEY)
    assert KEY not in wrapped
    assert Vault(MASTER).unwrap(wrapped) == KEY
    with pytest.raises(VaultError):
        Vault(bytes([9]) * 32).unwrap(wrapped)
    with pytest.raises(VaultError):
        Vault(MASTER).unwrap(wrapped[:-1] + b"x")
    with pytest.raises(VaultError):
        Vault(MASTER).unwrap(b"short")
    assert "\\x00" not in repr(Vault(MASTER))


def test_the_wrapping_is_that_of_the_rfc() -> None:
    """RFC 3394, 4.6."""
    master = bytes(range(32))
    key = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
    wrapped = "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
    assert Vault(master).wrap(key).hex().upper() == wrapped


@given(st.binary(max_size=500))
def test_what_was_sealed_opens_at_its_place(plaintext: bytes) -> None:
    assert open_sealed(KEY, seal(KEY, NONCE, plaintext, PLACE), PLACE) == plaintext


@pytest.mark.parametrize(
    "place",
    [
        place_of("person/y", "a" * 32, 1),
        place_of("person/x", "b" * 32, 1),
        place_of("person/x", "a" * 32, 2),
        b"",
    ],
)
def test_a_content_cannot_be_moved(place: bytes) -> None:
    with pytest.raises(VaultError):
        open_sealed(KEY, seal(KEY, NONCE, b"text", PLACE), place)


def test_a_changed_content_or_another_key_does_not_open() -> None:
    sealed = seal(KEY, NONCE, b"text", PLACE)
    for broken in (sealed[:-1], sealed[:-1] + b"x", b"", sealed[:5]):
        with pytest.raises(VaultError):
            open_sealed(KEY, broken, PLACE)
    with pytest.raises(VaultError):
        open_sealed(bytes(32), sealed, PLACE)
