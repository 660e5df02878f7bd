"""One spelling of each value, so that no byte of a token can change unseen."""

from base64 import urlsafe_b64decode
from binascii import Error

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanyuan.common.base64url import decode_base64url, encode_base64url


@given(st.binary(max_size=100))
def test_what_was_encoded_is_decoded(raw: bytes) -> None:
    encoded = encode_base64url(raw)
    assert decode_base64url(encoded) == raw
    assert urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4)) == raw


@pytest.mark.parametrize(
    "wrong", [b"YQ==", b"YQ=", b"YR", b"Y", b"Y+8", b"Y/8", b"YQ\n", b" YQ", b"Y\xff", b"YQ.YQ"]
)
def test_another_spelling_is_refused(wrong: bytes) -> None:
    with pytest.raises(Error):
        decode_base64url(wrong)
