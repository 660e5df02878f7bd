"""signed-note: the specification's own examples, and everything that it says must be rejected."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.notes import (
    BadSignatureError,
    ForeignKeyError,
    MalformedNoteError,
    Note,
    SigningKey,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_signature,
)

# https://c2sp.org/signed-note, "Verifier keys", example
KEY = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppz"
    "i2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
MINE = SigningKey.from_seed("cn/services/identity", bytes(range(32)))
TEXT = b'{"a":1}\n'


def test_the_example_of_the_specification_verifies() -> None:
    note = Note.parse(NOTE)
    assert note.verify([KEY]) == (KEY,)
    assert note.text == b"This is an example message.\n"
    assert bytes(note) == NOTE
    assert str(KEY).startswith("example.com/foo+530d903a+")


def test_what_a_key_signs_its_verifier_accepts() -> None:
    line = MINE.sign(TEXT)
    MINE.verifier.verify(TEXT, line)
    name, key_id, signature = parse_signature(line)
    assert (name, key_id, len(signature)) == (MINE.name, MINE.key_id, 64)
    assert VerifierKey.parse(str(MINE.verifier)) == MINE.verifier


def test_a_signature_holds_for_its_text_alone() -> None:
    with pytest.raises(BadSignatureError):
        MINE.verifier.verify(TEXT + b"\n", MINE.sign(TEXT))


def test_another_keys_signature_is_foreign_even_with_the_same_name() -> None:
    other = SigningKey.generate(MINE.name)
    with pytest.raises(ForeignKeyError):
        other.verifier.verify(TEXT, MINE.sign(TEXT))
    renamed = SigningKey.from_seed("cn/services/catalog", MINE.seed)
    with pytest.raises(ForeignKeyError):
        renamed.verifier.verify(TEXT, MINE.sign(TEXT))


def test_unknown_signatures_are_ignored_and_one_known_is_needed() -> None:
    other = SigningKey.generate("somebody")
    note = Note(TEXT, (other.sign(TEXT), "— future/type AAAAAAA=", MINE.sign(TEXT)))
    assert Note.parse(bytes(note)).verify([MINE.verifier]) == (MINE.verifier,)
    with pytest.raises(ForeignKeyError):
        note.verify([KEY])


def test_a_failing_signature_of_a_known_key_refuses_the_whole_note() -> None:
    other = SigningKey.generate("somebody")
    note = Note(TEXT, (MINE.sign(TEXT), other.sign(b"else\n")))
    with pytest.raises(BadSignatureError):
        note.verify([MINE.verifier, other.verifier])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        NOTE[:-1],
        NOTE + b"\n",
        b"\x01" + NOTE,
        b"\xff" + NOTE,
        NOTE.replace(b"example.com/foo", b"example.com/f+o"),
        NOTE.replace(b"example.com/foo", "example.com/f\u00a0o".encode()),
        NOTE.replace(b"\n\n", b"\n\r\n"),
        b"x" * 1_000_001,
    ],
)
def test_what_is_not_a_note_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedNoteError):
        Note.parse(raw)


def test_sixteen_signatures_and_more_are_read_but_not_without_limit() -> None:
    line = MINE.sign(TEXT)
    assert Note.parse(bytes(Note(TEXT, (line,) * 100))).verify([MINE.verifier])
    with pytest.raises(MalformedNoteError):
        Note.parse(bytes(Note(TEXT, (line,) * 101)))


@pytest.mark.parametrize("text", ["a b", "", "a+b", "a\tb", "a\u2003b"])
def test_a_key_name_has_no_spaces_and_no_plus(text: str) -> None:
    with pytest.raises(MalformedNoteError):
        SigningKey.generate(text)


@pytest.mark.parametrize(
    "encoded",
    [
        "example.com/foo+530d903a",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_a_verifier_key_with_any_part_wrong_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedNoteError):
        VerifierKey.parse(encoded)


@pytest.mark.parametrize(
    "encoded", ["YQ", "YR==", "YQ==\n", " YQ==", "Y Q==", "YQ===", "Y-==", "é"]
)
def test_base64_has_one_spelling(encoded: str) -> None:
    with pytest.raises(MalformedNoteError):
        decode_base64(encoded)


@given(st.binary())
def test_base64_is_the_standard_one(raw: bytes) -> None:
    assert encode_base64(raw) == base64.b64encode(raw).decode()
    assert decode_base64(encode_base64(raw)) == raw


@given(st.data())
def test_no_character_of_a_signature_line_can_change(data: st.DataObject) -> None:
    line = MINE.sign(TEXT)
    at = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters().filter(lambda char: char != line[at]))
    with pytest.raises((MalformedNoteError, ForeignKeyError, BadSignatureError)):
        MINE.verifier.verify(TEXT, line[:at] + other + line[at + 1 :])
