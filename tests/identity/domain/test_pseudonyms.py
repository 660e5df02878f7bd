from hypothesis import given
from hypothesis import strategies as st

from sanyuan.identity.domain.pseudonyms import (
    Keys,
    fresh_jti,
    fresh_secret,
    organisation_index,
    person_index,
    pseudonym,
)

KEYS = Keys(pseudonyms=bytes(32), blind_index=bytes([1] * 32))
AUDIENCES = st.text(min_size=1, max_size=40)
SECRETS = st.binary(min_size=32, max_size=32)


@given(st.lists(AUDIENCES, unique=True, min_size=2, max_size=2), SECRETS)
def test_two_audiences_never_call_a_person_the_same(audiences: list[str], secret: bytes) -> None:
    first, second = audiences
    assert pseudonym(KEYS, first, secret) != pseudonym(KEYS, second, secret)


@given(AUDIENCES, st.lists(SECRETS, unique=True, min_size=2, max_size=2))
def test_two_people_never_share_a_pseudonym(audience: str, secrets: list[bytes]) -> None:
    first, second = secrets
    assert pseudonym(KEYS, audience, first) != pseudonym(KEYS, audience, second)


def test_a_pseudonym_stays_the_same() -> None:
    name = pseudonym(KEYS, "participant/11100000000013338W", b"s" * 32)
    assert name == pseudonym(KEYS, "participant/11100000000013338W", b"s" * 32)
    assert len(name) == 43


def test_a_number_and_a_code_of_the_same_letters_have_different_indexes() -> None:
    assert person_index(KEYS, "11") != organisation_index(KEYS, "11")


@given(st.binary(min_size=32, max_size=32))
def test_the_public_name_of_an_assertion_says_nothing_about_the_secret(entropy: bytes) -> None:
    assert fresh_jti(entropy) not in fresh_secret(entropy).hex()


def test_keys_are_never_printed() -> None:
    assert "\\x00" not in repr(KEYS)
