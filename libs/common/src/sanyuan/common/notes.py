"""Signed notes and Ed25519 keys by C2SP signed-note (https://c2sp.org/signed-note).

Records and checkpoints alike are notes: a text that ends in a newline, a blank line, signature
lines `— <key name> <base64(key id ‖ signature)>`. Base64 is decoded strictly: no whitespace, padded
and canonical, so that no byte of a note can change without its signature failing.

Only Ed25519 (signature type 0x01) is known here; signatures of other types and of unknown keys are
kept and ignored, as the specification demands.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from sanyuan.common import ed25519
from sanyuan.common.ed25519 import SIGNATURE_BYTES
from sanyuan.common.rules import Rule, RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DASH = "— "
_DASH = DASH.encode()
ED25519 = b"\x01"
KEY_BYTES = 32
KEY_ID_BYTES = 4
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_SPLIT = b"\n\n"
_NOT_IN_NAME = re.compile(r"[\s+\x00-\x1f\ud800-\udfff]")  # surrogates are no text either
_OTHER_CONTROLS = bytes(range(0x20)).replace(b"\n", b"")


class NoteError(RuleError):
    """The note or one of its parts breaks a rule of signed-note."""


class MalformedNoteError(NoteError):
    """Not a note, signature line, key name or verifier key at all."""


class ForeignKeyError(NoteError):
    """The signature line was made by another key than the one asked for."""


class BadSignatureError(NoteError):
    """A signature of a known key does not match the text."""


def decode_base64(encoded: str | bytes) -> bytes:
    """Decode canonical, padded standard base64 (RFC 4648 section 4); raises MalformedNoteError."""
    try:
        raw = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as error:
        raise MalformedNoteError(Rule.BASE64) from error
    # `strict_mode` lets non-zero trailing bits pass: several texts for the same bytes.
    again = binascii.b2a_base64(raw, newline=False)
    if again != (encoded.encode() if isinstance(encoded, str) else encoded):
        raise MalformedNoteError(Rule.BASE64)
    return raw


def encode_base64(raw: bytes) -> str:
    """Encode as padded standard base64."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


@lru_cache(maxsize=4096)
def check_key_name(name: str) -> None:
    """Raise MalformedNoteError unless the name is non-empty and without Unicode spaces and plus."""
    if not name or _NOT_IN_NAME.search(name):
        raise MalformedNoteError(Rule.KEY_NAME)


@lru_cache(maxsize=4096)
def _parse_key_name(encoded: bytes) -> str:
    try:
        name = encoded.decode()
    except UnicodeDecodeError as error:
        raise MalformedNoteError(Rule.KEY_NAME) from error
    check_key_name(name)
    return name


def key_id(name: str, public_key: bytes, kind: bytes = ED25519) -> bytes:
    """Return the four bytes that, with the name, identify a key by signed-note.

    `kind` is the signature type, one byte.
    """
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:KEY_ID_BYTES]


def encode_vkey(name: str, public_key: bytes, kind: bytes) -> str:
    """Return the C2SP verifier key of an Ed25519 key used for signatures of type `kind`."""
    identity = key_id(name, public_key, kind).hex()
    return f"{name}+{identity}+{encode_base64(kind + public_key)}"


def parse_vkey(encoded: str, kind: bytes) -> tuple[str, bytes]:
    """Return name and Ed25519 public key of a verifier key of this type.

    Raises MalformedNoteError.
    """
    parts = encoded.split("+", 2)  # base64 may hold a plus, names and hex never
    if len(parts) != 3:  # noqa: PLR2004 -- name, id, key
        raise MalformedNoteError(Rule.VKEY_PARTS)
    name, hex_id, material = parts
    check_key_name(name)
    raw = decode_base64(material)
    if raw[:1] != kind or len(raw) != 1 + KEY_BYTES:
        raise MalformedNoteError(Rule.VKEY_TYPE, where=name)
    if key_id(name, raw[1:], kind).hex() != hex_id:
        raise MalformedNoteError(Rule.VKEY_ID, where=name)
    return name, raw[1:]


@dataclass(frozen=True)
class VerifierKey:
    """A public key: `str(key)` is its C2SP verifier key `<name>+<hex key id>+<base64>`."""

    name: str
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.public_key) != KEY_BYTES:
            raise MalformedNoteError(Rule.KEY_BYTES, f"{len(self.public_key)}", where=self.name)

    @classmethod
    def parse(cls, encoded: str) -> VerifierKey:
        """Parse a C2SP verifier key; raises MalformedNoteError."""
        return cls(*parse_vkey(encoded, ED25519))

    @cached_property
    def key_id(self) -> bytes:
        """Four bytes; see `key_id`."""
        return key_id(self.name, self.public_key)

    @cached_property
    def _prefix(self) -> str:
        return f"{DASH}{self.name} "

    def __str__(self) -> str:
        return encode_vkey(self.name, self.public_key, ED25519)

    def verify(self, text: bytes, line: str) -> None:
        """Check one signature line (without newline) over `text` (with its newline).

        Raises MalformedNoteError, ForeignKeyError (another key made the line) or BadSignatureError.
        """
        if not line.startswith(self._prefix):
            raise ForeignKeyError(Rule.SIGNATURE_KEY, where=self.name)
        self.verify_signature(text, decode_base64(line[len(self._prefix) :]))

    def verify_signature(self, text: bytes, blob: bytes) -> None:
        """Check `blob`, a decoded signature of 4 + 64 bytes, over `text`; raises as `verify`."""
        identity, signature = blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:]
        if identity != self.key_id or not ed25519.holds(self.public_key, text, signature):
            raise self.refusal(blob)

    def refusal(self, blob: bytes) -> NoteError:
        """Return why a decoded signature that does not hold is none of this key's."""
        if blob[:KEY_ID_BYTES] != self.key_id:
            return ForeignKeyError(Rule.SIGNATURE_KEY, where=self.name)
        if len(blob) != KEY_ID_BYTES + SIGNATURE_BYTES:
            return MalformedNoteError(Rule.SIGNATURE_BYTES, where=self.name)
        return BadSignatureError(Rule.SIGNATURE_HOLDS, where=self.name)


def verify_all(signed: Sequence[tuple[VerifierKey, bytes, bytes]]) -> list[NoteError | None]:
    """What `VerifierKey.verify_signature` raises for each (key, text, blob); None where it holds.

    Together they take a third of the time.
    """
    checks = [(key.public_key, text, blob[KEY_ID_BYTES:]) for key, text, blob in signed]
    return [
        None if holds and blob[:KEY_ID_BYTES] == key.key_id else key.refusal(blob)
        for holds, (key, _text, blob) in zip(ed25519.all_hold(checks), signed, strict=True)
    ]


@dataclass(frozen=True)
class SigningKey:
    """A private Ed25519 key with its name; never printed."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.seed) != KEY_BYTES:
            raise MalformedNoteError(Rule.KEY_BYTES, f"{len(self.seed)}", where=self.name)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> SigningKey:
        """Make the key of RFC 8032's 32-byte private key; raises MalformedNoteError."""
        return cls(name, seed)

    @classmethod
    def generate(cls, name: str) -> SigningKey:
        """Make a fresh key from the operating system's randomness."""
        return cls(name, secrets.token_bytes(KEY_BYTES))

    @cached_property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, ed25519.public_key_of(self.seed))

    @property
    def key_id(self) -> bytes:
        """Four bytes; see `key_id`."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> str:
        """Return the signature line, without newline, over `text`, which ends in a newline."""
        return self.line(ed25519.sign(self.seed, self.verifier.public_key, text))

    def line(self, signature: bytes) -> str:
        """Return the line of a signature that was made with this key."""
        return f"{DASH}{self.name} {encode_base64(self.key_id + signature)}"


def sign_all(wanted: Sequence[tuple[SigningKey, bytes]]) -> list[str]:
    """What `SigningKey.sign` returns for each (key, text). Together they take half of the time."""
    made = ed25519.sign_all([(key.seed, key.verifier.public_key, text) for key, text in wanted])
    return [key.line(signature) for (key, _), signature in zip(wanted, made, strict=True)]


def parse_signature(line: str | bytes) -> tuple[str, bytes, bytes]:
    """Split a signature line (without newline) into name, key id (4 bytes) and signature.

    The signature may be of any type, hence of any length. Raises MalformedNoteError.
    """
    if isinstance(line, str):
        line = line.encode(errors="surrogatepass")
    if not line.startswith(_DASH):
        raise MalformedNoteError(Rule.SIGNATURE_LINE)
    encoded_name, space, encoded = line[len(_DASH) :].partition(b" ")
    name = _parse_key_name(encoded_name)
    if not space:
        raise MalformedNoteError(Rule.SIGNATURE_LINE, where=name)
    raw = decode_base64(encoded)
    if len(raw) <= KEY_ID_BYTES:
        raise MalformedNoteError(Rule.SIGNATURE_ID, where=name)
    return name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:]


@dataclass(frozen=True)
class Note:
    """A parsed note: its text, with the final newline, and its signature lines, without."""

    text: bytes
    signatures: tuple[str, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Note:
        """Split a note at its last blank line; raises MalformedNoteError. Trust nothing yet."""
        if len(raw) > MAX_NOTE_BYTES:
            raise MalformedNoteError(Rule.NOTE_LIMIT)
        split = raw.rfind(_SPLIT)
        if split < 0 or not raw.endswith(b"\n"):
            raise MalformedNoteError(Rule.NOTE_TEXT)
        if len(raw.translate(None, _OTHER_CONTROLS)) != len(raw):
            raise MalformedNoteError(Rule.NOTE_CONTROL)
        try:
            raw[: split + 1].decode()
            lines = raw[split + 2 : -1].decode().split("\n")
        except UnicodeDecodeError as error:
            raise MalformedNoteError(Rule.NOTE_UTF8) from error
        if len(lines) > MAX_SIGNATURES:
            raise MalformedNoteError(Rule.NOTE_LIMIT)
        for line in lines:
            parse_signature(line)
        return cls(raw[: split + 1], tuple(lines))

    def __bytes__(self) -> bytes:
        return self.text + b"\n" + "".join(f"{line}\n" for line in self.signatures).encode()

    def verify(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """Return the keys whose signatures hold, at least one.

        A failing signature of any known key refuses the whole note (BadSignatureError); signatures
        of unknown keys are ignored; none of a known key is a ForeignKeyError.
        """
        known: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            if known.setdefault((key.name, key.key_id), key) != key:
                raise MalformedNoteError(Rule.KEY_COLLISION, where=key.name)
        held: dict[VerifierKey, None] = {}
        for line in self.signatures:
            name, identity, signature = parse_signature(line)
            if signer := known.get((name, identity)):
                signer.verify_signature(self.text, identity + signature)
                held[signer] = None
        if not held:
            names = ", ".join(name for name, _ in known)
            raise ForeignKeyError(Rule.SIGNATURE_KNOWN, where=names)
        return tuple(held)
