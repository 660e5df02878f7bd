"""The rules of the log's formats that a reader must hold others to, each named once.

An error that refuses a text carries the rule that it breaks; docs/formats.md lists every rule with
the test that shows it, and a test compares the two lists. Texts start with the specification's name
(c2sp.org/<name>) and, where it has such, the section.
"""

from __future__ import annotations

from enum import StrEnum

from sanyuan.common.errors import SanyuanError


class Rule(StrEnum):
    """What the specifications demand, in their words as far as one line allows."""

    BASE64 = "signed-note: base64 is that of RFC 4648 section 4, padded and canonical"
    NOTE_TEXT = (
        "signed-note, Format: a note is text ending in newline, a blank line and signature lines"
    )
    NOTE_UTF8 = "signed-note, Format: a note is valid UTF-8"
    NOTE_CONTROL = "signed-note, Format: a note holds no ASCII control character but newline"
    NOTE_LIMIT = "signed-note, Format: a note has at most 1,000,000 bytes and 100 signatures"
    KEY_NAME = "signed-note, Format: a key name is not empty, without Unicode spaces or plus"
    SIGNATURE_LINE = "signed-note, Format: a signature line is em dash, space, name, space, base64"
    SIGNATURE_ID = "signed-note, Format: a signature is a key id of 4 bytes and n bytes more"
    SIGNATURE_BYTES = "signed-note, Ed25519 signatures: a signature has 64 bytes"
    SIGNATURE_KEY = "signed-note, Signatures: key name and id say which key made a signature"
    SIGNATURE_HOLDS = "signed-note, Signatures: a signature of a known key verifies"
    SIGNATURE_KNOWN = "signed-note, Signatures: a known key has signed"
    KEY_COLLISION = "signed-note, Signatures: no two known keys share name and id"
    VKEY_PARTS = "signed-note, Verifier keys: a verifier key is name, id and base64 joined by plus"
    VKEY_TYPE = "signed-note, Verifier keys: a key is the type byte of its use and 32 bytes"
    VKEY_ID = "signed-note, Verifier keys: the id is that of name, type and key, in lowercase hex"
    KEY_BYTES = "signed-note, Ed25519 signatures: a key or seed has 32 bytes"

    CHECKPOINT_LINES = "tlog-checkpoint, Note text: three or more lines, none empty, all ended"
    CHECKPOINT_SIZE = "tlog-checkpoint, Note text: the size is a decimal without leading zeroes"
    CHECKPOINT_ROOT = "tlog-checkpoint, Note text: the root is a hash of 32 bytes in base64"
    CHECKPOINT_EMPTY = "RFC 6962, 2.1: the root of the empty tree is the hash of nothing"
    CHECKPOINT_ORIGIN = "tlog-checkpoint, Note text: the origin is that of the log in question"

    TILE_PATH = "tlog-tiles, Merkle Tree: a tile has exactly one path"
    TILE_BYTES = "tlog-tiles, Merkle Tree: a tile is as many hashes of 32 bytes as its width"
    BUNDLE_CUT = "tlog-tiles, Log entries: entries follow their big-endian uint16 lengths"
    BUNDLE_WIDTH = "tlog-tiles, Log entries: a bundle has as many entries as its width"
    ENTRY_BYTES = "tlog-tiles, Log entries: an entry has at most 65,535 bytes"

    LEAF_OUTSIDE = "RFC 6962, 2.1.1: a leaf's index is below the size of its tree"
    INCLUSION = "RFC 9162, 2.1.3.2: the path leads from the leaf to the root, and is used up"
    OLDER_TREE = "RFC 6962, 2.1.2: the older tree is not larger than the newer one"
    CONSISTENCY = "RFC 9162, 2.1.4.2: the proof makes both roots, and is used up"
    EQUAL_TREES = "RFC 6962, 2.1.2: trees of one size have one root, and need no proof"
    HASH_BYTES = "RFC 6962, 2.1: a hash has 32 bytes"

    PROOF_HEADER = "tlog-proof, Format: the first line is c2sp.org/tlog-proof@v1"
    PROOF_EXTRA = "tlog-proof, Format: extra data is base64"
    PROOF_INDEX = "tlog-proof, Format: then comes index and a decimal without leading zeroes"
    PROOF_HASHES = "tlog-proof, Format: then at most 63 hashes of 32 bytes in base64, one a line"
    PROOF_CHECKPOINT = "tlog-proof, Format: then an empty line and the checkpoint"

    COSIGNATURE_BYTES = "tlog-cosignature, Format: a signature is 8 bytes of time and 64 of Ed25519"
    COSIGNATURE_TIME = "tlog-cosignature, Format: the time is above 0 and at most 2^63 - 1"

    POLICY_CHARACTERS = "tlog-policy, Character set: no control character but tab and newline"
    POLICY_LINE = "tlog-policy, Structure: a line is log, witness, group or quorum with its items"
    POLICY_NAME = "tlog-policy, What is a policy: names are defined once, and none is taken"
    POLICY_KEY = "tlog-policy, Defining a witness: no two logs or witnesses have one public key"
    POLICY_DEFINED = "tlog-policy, Defining the quorum: only names of earlier lines are used"
    POLICY_MEMBER = "tlog-policy, Defining a witness group: a name is a member at most once"
    POLICY_THRESHOLD = "tlog-policy, Defining a witness group: any, all, or 1 <= k <= n in decimal"
    POLICY_QUORUM = "tlog-policy, Defining the quorum: exactly one quorum line"

    WITNESS_OLD = "tlog-witness, add-checkpoint: the first line is old and a decimal"
    WITNESS_PROOF = "tlog-witness, add-checkpoint: then at most 63 hashes of 32 bytes in base64"
    WITNESS_CHECKPOINT = "tlog-witness, add-checkpoint: then an empty line and the checkpoint"
    WITNESS_SMALLER = "tlog-witness, add-checkpoint: the old size is at most the checkpoint's"
    WITNESS_ANSWER = "tlog-witness, add-checkpoint: the answer is signature lines, each ended"


class RuleError(SanyuanError):
    """A text breaks `rule`; `found` says in which way, where the rule leaves a question."""

    def __init__(
        self,
        rule: Rule,
        found: str | None = None,
        *,
        where: str | None = None,
        do: str | None = None,
    ) -> None:
        super().__init__(f"{rule}: {found}" if found else str(rule), where=where, do=do)
        self.rule = rule
