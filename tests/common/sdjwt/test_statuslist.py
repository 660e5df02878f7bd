"""Token Status List, draft 20: encoding by its test vectors, validation by its rules (§8.3)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.sdjwt.conftest import AT, ISSUER, KEY, KEYS, LIST, OTHER, encode, present, sign

from sanyuan.common.sdjwt.credential import verify_credential
from sanyuan.common.sdjwt.errors import SdJwtError, StatusError, UntrustedTokenError
from sanyuan.common.sdjwt.keys import key_set
from sanyuan.common.sdjwt.statuslist import (
    Status,
    StatusList,
    check_status,
    decode_list,
    encode_list,
    pack,
    sign_list,
    verify_list,
)

VALID, INVALID, SUSPENDED = Status.VALID, Status.INVALID, Status.SUSPENDED
# The draft's own vectors: §4.1, §4.2 and appendix "Test vectors for Status List encoding".
ONE_BIT = {"bits": 1, "lst": "eNrbuRgAAhcBXQ"}
TWO_BITS = {"bits": 2, "lst": "eNo76fITAAPfAgc"}
LONG = {
    "bits": 2,
    "lst": "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBqH81g"
    "AQw",
}
LONG_STATUSES = {
    0: 1,
    1993: 2,
    25460: 1,
    159495: 3,
    495669: 1,
    554353: 1,
    645645: 2,
    723232: 1,
    854545: 1,
    934534: 2,
    1000345: 3,
}


def test_the_one_bit_list_of_the_draft() -> None:
    bits, raw = decode_list(ONE_BIT)
    found = StatusList(bits, raw)
    expected = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    assert [found.at(index) for index in range(16)] == expected
    assert encode_list(raw, bits) == ONE_BIT


def test_the_two_bit_list_of_the_draft() -> None:
    bits, raw = decode_list(TWO_BITS)
    found = StatusList(bits, raw)
    expected = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]
    assert [found.at(index) for index in range(12)] == expected
    assert encode_list(raw, bits) == TWO_BITS


def test_the_long_list_of_the_draft() -> None:
    bits, raw = decode_list(LONG)
    found = StatusList(bits, raw)
    assert len(raw) == 2**20 // 4
    assert {index: found.at(index) for index in LONG_STATUSES} == LONG_STATUSES
    assert sum(map(bool, raw)) == len(LONG_STATUSES)
    assert encode_list(raw) == LONG


@given(st.dictionaries(st.integers(0, 255), st.sampled_from(Status)))
def test_what_was_packed_is_read_and_all_else_is_valid(statuses: dict[int, Status]) -> None:
    found = StatusList(*decode_list(encode_list(pack(statuses.items(), 256))))
    assert [found.at(i) for i in range(256)] == [statuses.get(i, VALID) for i in range(256)]


@pytest.mark.parametrize("index", [-1, 256, 2**40])
def test_nothing_is_said_beyond_the_list(index: int) -> None:
    """§8.3 step 6."""
    with pytest.raises(StatusError):
        StatusList(*decode_list(encode_list(pack((), 256)))).at(index)


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        {},
        {"bits": 2},
        {"lst": TWO_BITS["lst"]},
        {"bits": 3, "lst": TWO_BITS["lst"]},
        {"bits": True, "lst": ONE_BIT["lst"]},
        {"bits": "2", "lst": TWO_BITS["lst"]},
        {"bits": 2, "lst": 1},
        {"bits": 2, "lst": "!"},
        {"bits": 2, "lst": encode(b"no zlib")},
        {"bits": 2, "lst": encode(zlib.compress(bytes(9))[:-2])},
        {"bits": 2, "lst": encode(zlib.compress(bytes(9)) + b"more")},
        {"bits": 2, "lst": encode(zlib.compress(bytes(2**25)))},
    ],
)
def test_what_is_no_status_list_is_rejected(claim: object) -> None:
    """§4.2; the last one is a bomb."""
    with pytest.raises(SdJwtError):
        decode_list(claim)


def token(statuses: dict[int, Status] | None = None, **other: Any) -> str:  # noqa: ANN401
    policy = {"uri": LIST, "issuer": ISSUER, "at": AT, "lifetime": 600, "ttl": 60, "key": KEY}
    return sign_list(pack((statuses or {}).items(), 64), **{**policy, **other})


def check(status_list: str, *, at: float = AT) -> Status:
    return check_status(verify_credential(present({}), KEYS, at=AT), status_list, KEYS, at=at)


@pytest.mark.parametrize("status", Status)
def test_a_verifier_sees_the_status_of_a_licence(status: Status) -> None:
    assert check(token({3: status, 2: INVALID, 4: SUSPENDED})) is status


def test_the_list_says_how_long_a_copy_is_good() -> None:
    found = verify_list(token(), uri=LIST, issuer=ISSUER, keys=KEYS, at=AT)
    assert (found.bits, found.ttl, len(found.raw)) == (2, 60, 16)


def test_a_list_counts_until_its_end() -> None:
    """§8.3 step 4.3."""
    assert check(token(), at=AT + 599) is VALID
    with pytest.raises(SdJwtError):
        check(token(), at=AT + 600)


CLAIMS: dict[str, Any] = {
    "sub": LIST,
    "iat": AT,
    "exp": AT + 600,
    "ttl": 60,
    "status_list": encode_list(pack((), 64)),
}


def test_another_implementations_list_is_read() -> None:
    """§5.1: ``iss`` is not among its claims."""
    assert check(sign(CLAIMS, typ="statuslist+jwt")) is VALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": LIST + "2"},
        {"sub": None},
        {"iss": ISSUER + "2"},
        {"iat": None},
        {"iat": "now"},
        {"iat": AT + 3600},
        {"exp": AT},
        {"exp": "never"},
        {"nbf": AT + 1},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": "60"},
        {"ttl": True},
        {"status_list": None},
        {"status_list": encode_list(b"")},
        {"status_list": encode_list(b"\xff" * 16)},
    ],
)
def test_a_list_that_breaks_a_rule_is_rejected(wrong: dict[str, Any]) -> None:
    """§5.1 and §8.3; the last one holds a value that no licence has."""
    claims = {name: value for name, value in {**CLAIMS, **wrong}.items() if value is not None}
    with pytest.raises(SdJwtError):
        check(sign(claims, typ="statuslist+jwt"))


def test_a_list_of_anybody_else_is_rejected() -> None:
    with pytest.raises(UntrustedTokenError):
        check(token(key=OTHER))
    with pytest.raises(UntrustedTokenError):
        check(sign(CLAIMS, typ="dc+sd-jwt"))
    with pytest.raises(UntrustedTokenError):
        check(sign(CLAIMS, typ=None))
    with pytest.raises(UntrustedTokenError):
        verify_list(token(), uri=LIST, issuer=ISSUER, keys={"x": key_set(KEY.x)}, at=AT)


def test_a_credential_without_status_list_has_no_status() -> None:
    credential = verify_credential(present({"status": None}), KEYS, at=AT, required=())
    with pytest.raises(StatusError):
        check_status(credential, token(), KEYS, at=AT)
