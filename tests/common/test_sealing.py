"""Sealing: one attachment opens for one reader in one place, and nowhere else."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.sealing import (
    PublicSealingKey,
    SealingError,
    SealingKey,
    digest,
    reference,
    seal_info,
)

KEY, OTHER = SealingKey.generate(), SealingKey.generate()
SOURCE = "//cn/departments/11110000000012345X/food-permits"
TOPIC, NAME, TEXT = "cn/identity-commands", "subject", b'{"name":"x"}'
SEALED = KEY.public.seal(TEXT, source=SOURCE, topic=TOPIC, name=NAME)


@given(st.binary(max_size=2000))
def test_what_is_sealed_opens_in_its_own_place(text: bytes) -> None:
    sealed = KEY.public.seal(text, source=SOURCE, topic=TOPIC, name=NAME)
    assert KEY.open(sealed, source=SOURCE, topic=TOPIC, name=NAME) == text
    assert len(sealed) == len(text) + 48


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert KEY.public.seal(TEXT, source=SOURCE, topic=TOPIC, name=NAME) != SEALED


@given(st.integers(0, len(SEALED) - 1))
def test_a_cut_attachment_is_refused(length: int) -> None:
    with pytest.raises(SealingError):
        KEY.open(SEALED[:length], source=SOURCE, topic=TOPIC, name=NAME)


@given(st.integers(0, len(SEALED) * 8 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    flipped = bytearray(SEALED)
    # Bit 255 too, which RFC 7748 §5 masks in a point: RFC 9180 binds `enc` as it was sent.
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealingError):
        KEY.open(bytes(flipped), source=SOURCE, topic=TOPIC, name=NAME)


@given(st.binary(max_size=200))
def test_no_other_bytes_open(noise: bytes) -> None:
    with pytest.raises(SealingError):
        KEY.open(noise, source=SOURCE, topic=TOPIC, name=NAME)


@pytest.mark.parametrize(
    ("source", "topic", "name"),
    [
        (SOURCE + "2", TOPIC, NAME),
        (SOURCE.removeprefix("//"), TOPIC, NAME),
        (SOURCE, "de/identity-commands", NAME),
        (SOURCE, "cn/calls", NAME),
        (SOURCE, TOPIC, "assertion"),
    ],
)
def test_a_transplanted_attachment_is_refused(source: str, topic: str, name: str) -> None:
    with pytest.raises(SealingError) as refused:
        KEY.open(SEALED, source=source, topic=topic, name=name)
    assert TEXT.decode() not in str(refused.value)


def test_another_recipient_cannot_open_it() -> None:
    with pytest.raises(SealingError):
        OTHER.open(SEALED, source=SOURCE, topic=TOPIC, name=NAME)


def test_info_is_as_the_design_writes_it() -> None:
    assert seal_info(SOURCE, TOPIC, NAME, "0123456789abcdef") == (
        b"sanyuan-seal-v1\n//cn/departments/11110000000012345X/food-permits\n"
        b"cn/identity-commands\nsubject\n0123456789abcdef"
    )


def test_a_value_names_the_header_bytes_by_their_digest() -> None:
    assert reference(b"") == {
        "sealed": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
    assert digest(SEALED) != digest(SEALED[:-1])


def test_keys_survive_their_text() -> None:
    again = SealingKey.from_base64(KEY.to_base64())
    assert again.open(SEALED, source=SOURCE, topic=TOPIC, name=NAME) == TEXT
    assert PublicSealingKey.from_base64(KEY.public.to_base64()).key_id == KEY.key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        b64encode(bytes(31)).decode(),
        b64encode(bytes(33)).decode(),
        b64encode(bytes(31) + b"\x01").decode()[:-1],
        b64encode(bytes(31) + b"\x01").decode().replace("=", "") + "==",
        # The unused bits of the last character are not zero.
        b64encode(bytes(31) + b"\x01").decode()[:-2] + "F=",
        b64encode(bytes(31) + b"\x01").decode() + "\n",
    ],
)
def test_a_key_is_canonical_padded_base64_of_32_bytes(text: str) -> None:
    with pytest.raises(SealingError):
        SealingKey.from_base64(text)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_of_low_order_is_refused_before_anyone_seals_to_it(point: bytes) -> None:
    with pytest.raises(SealingError):
        PublicSealingKey(point)
