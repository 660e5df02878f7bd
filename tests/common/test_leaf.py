"""A leaf is a record's signed note and splits in exactly one way."""

import pytest

from sanyuan.common.envelope import encode, format_sequence, hash_value
from sanyuan.common.leaf import LeafError, encode_leaf, parse_leaf
from sanyuan.common.notes import BadSignatureError, Note, SigningKey

KEY = SigningKey.from_seed("cn/services/identity", bytes(32))


def value(source: str = "//cn/services/identity") -> bytes:
    return encode(
        {
            "specversion": "1.0",
            "id": "01900000-0000-7000-8000-000000000000",
            "source": source,
            "type": "identity.tick.v1",
            "time": "2026-11-23T02:17:00.123456Z",
            "topic": "cn/identity-commands",
            "sequence": format_sequence(1),
            "previous": "0" * 64,
            "correlationid": "case",
            "data": {},
        }
    )


LEAF = encode_leaf(value(), KEY.sign(value() + b"\n").encode())


def test_a_leaf_is_the_signed_note_of_the_value() -> None:
    leaf = parse_leaf(LEAF)
    leaf.verify(KEY.verifier)
    assert (leaf.value, leaf.hash) == (value(), hash_value(value()))
    assert leaf.stream == ("//cn/services/identity", "cn/identity-commands")
    note = Note.parse(LEAF)
    assert note.text == value() + b"\n"
    assert note.verify([KEY.verifier])


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        LEAF[:-1],
        LEAF + b"\n",
        LEAF.replace(b"\n\n", b"\n"),
        LEAF.replace(b"\n\n", b"\n\n\n"),
        LEAF.replace(b'"type"', b'"typo"'),
        LEAF + LEAF.partition(b"\n\n")[2],
        encode_leaf(value("//cn/services/catalog"), KEY.sign(value() + b"\n").encode()),
        encode_leaf(value(), "— cn/services/identity ÿ".encode()),
    ],
)
def test_anything_else_is_no_leaf(entry: bytes) -> None:
    with pytest.raises(LeafError):
        parse_leaf(entry)


def test_a_changed_value_fails_its_signature() -> None:
    leaf = parse_leaf(LEAF.replace(b'"case"', b'"cafe"'))
    with pytest.raises(BadSignatureError):
        leaf.verify(KEY.verifier)
