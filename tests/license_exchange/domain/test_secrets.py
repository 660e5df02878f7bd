from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.license_exchange.domain import secrets

ENTROPY = st.binary(min_size=32, max_size=32)
KEY = bytes(32)


@given(ENTROPY)
def test_a_code_is_typed_in_any_way(entropy: bytes) -> None:
    code = secrets.fresh_code(entropy)
    assert len(code) == 19
    index = secrets.index_of(KEY, code)
    for typed in (code.lower(), code.replace("-", ""), code.replace("-", " ")):
        assert secrets.index_of(KEY, typed) == index
    assert secrets.index_of(KEY, code.replace("0", "O").replace("1", "l")) == index
    assert secrets.index_of(bytes(31) + b"1", code) != index


@given(ENTROPY, ENTROPY)
def test_everything_that_is_made_of_one_command_is_different(one: bytes, two: bytes) -> None:
    makers = (
        secrets.fresh_issuer_seed,
        secrets.fresh_holder_key,
        secrets.fresh_seed,
        lambda entropy: secrets.fresh_dispute(entropy).encode(),
        lambda entropy: secrets.fresh_code(entropy).encode(),
        secrets.fresh_nonce,
    )
    made = {make(entropy) for make in makers for entropy in {one, two}}
    assert len(made) == len(makers) * len({one, two})


def test_a_licences_name_says_nothing_without_the_key() -> None:
    name = secrets.handle_of(KEY, "t", "i", "1")
    assert len(name) == 32
    others = [("t", "i", "2"), ("t", "j", "1"), ("u", "i", "1"), ("t", "i\n1", "")]
    assert name not in {secrets.handle_of(KEY, *each) for each in others}
    assert name != secrets.handle_of(bytes(31) + b"1", "t", "i", "1")
