"""Dead letters: one a topic, partition and reason, fixed by a digest, never content."""

from hashlib import sha256

from sanyuan.common.contracts.dead_letters import Reason
from sanyuan.common.deadletters import dead_letters, digest
from sanyuan.common.record import RawRecord, Rejection


def rejection(
    offset: int, reason: Reason = "unreadable", partition: int = 3, value: bytes | None = b"secret"
) -> Rejection:
    raw = RawRecord("identity-commands", partition, offset, 0, None, value, [])
    return Rejection(raw, reason, "detail")


def test_one_letter_a_partition_and_reason() -> None:
    mixed = [
        rejection(7),
        rejection(5),
        rejection(6, "chain"),
        rejection(1, partition=4),
        rejection(9, "chain"),
    ]
    letters = dead_letters("identity", mixed)
    found = {
        (letter.partition, letter.reason): (letter.first_offset, letter.last_offset, letter.count)
        for letter in letters
    }
    assert found == {
        (3, "unreadable"): (5, 7, 2),
        (3, "chain"): (6, 9, 2),
        (4, "unreadable"): (1, 1, 1),
    }
    assert len(letters) == len(found)


def test_the_digest_is_over_the_digests_of_the_values_in_offset_order() -> None:
    values = [b"one", None, b"two"]
    expected = sha256(b"".join(sha256(value or b"").digest() for value in values)).hexdigest()
    rejections = [rejection(offset, value=value) for offset, value in enumerate(values)]
    (letter,) = dead_letters("identity", reversed(rejections))
    assert letter.digest == expected == digest(r.raw for r in rejections)


def test_a_letter_holds_nothing_of_what_was_sent() -> None:
    (letter,) = dead_letters("identity", [rejection(1)])
    assert "secret" not in letter.model_dump_json()


def test_nothing_rejected_is_no_letter() -> None:
    assert dead_letters("identity", []) == []
