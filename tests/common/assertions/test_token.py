"""Reading an assertion: whatever identity did not sign for this service does not exist."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.assertions.conftest import (
    AUDIENCE,
    HOLDER,
    ISSUED,
    JTI,
    KEY,
    OWN,
    PARTY,
    claims,
    seal_holder,
    sign,
)
from tests.common.conftest import FOOD, IDENTITY, World, seed, signing

from sanyuan.common.assertions.token import (
    Assertion,
    AssertionReader,
    AssertionRefusal,
    open_holder,
    read_assertion,
)
from sanyuan.common.contracts.identity import MAX_LIFETIME_SECONDS
from sanyuan.common.notes import SigningKey
from sanyuan.common.sealing import SealingKey

INVALID = AssertionRefusal.INVALID


@pytest.fixture
def reader(world: World) -> AssertionReader:
    return AssertionReader(world.directory, AUDIENCE)


def test_an_assertion_says_who_may_show_it_how_often_and_until_when(
    reader: AssertionReader,
) -> None:
    read = reader.read(sign(claims()))
    assert isinstance(read, Assertion)
    assert (read.party, read.jti, read.uses) == (PARTY, JTI, 2)
    assert read.expires_at == (ISSUED + 600) * 1_000_000
    assert (read.purpose, read.case, read.level) == ("food-business-licence", "case", "two-factor")
    assert not read.is_of_organisation
    assert HOLDER not in repr(read)
    assert "how the department" not in repr(read)


@pytest.mark.parametrize("level", ["name-and-code", "with-representative"])
def test_an_organisations_assertion_says_so(reader: AssertionReader, level: str) -> None:
    read = reader.read(sign(claims(level=level)))
    assert isinstance(read, Assertion)
    assert read.is_of_organisation


def test_the_holder_opens_for_the_audience_alone(reader: AssertionReader) -> None:
    read = reader.read(sign(claims()))
    assert isinstance(read, Assertion)
    assert open_holder(read, OWN) == HOLDER
    assert open_holder(read, SealingKey.generate()) is None


def test_a_holder_of_another_assertion_does_not_open(reader: AssertionReader) -> None:
    moved = reader.read(sign(claims(holder=seal_holder("f" * 32))))
    assert isinstance(moved, Assertion)
    assert open_holder(moved, OWN) is None
    plain = reader.read(sign(claims(holder=HOLDER)))
    assert isinstance(plain, Assertion)
    assert open_holder(plain, OWN) is None


def test_an_assertion_for_another_service_is_not_for_us(world: World) -> None:
    reader = AssertionReader(world.directory, "catalog")
    assert reader.read(sign(claims())) is AssertionRefusal.NOT_FOR_YOU


def test_an_assertion_under_a_revoked_key_is_none(world: World) -> None:
    token = sign(claims())
    second = SigningKey.from_seed(KEY.name, seed("second"))
    world.say("participant.key-added.v1", source=IDENTITY, signing_key=str(second.verifier))
    world.say(
        "participant.key-revoked.v1",
        source=IDENTITY,
        signing_key=str(KEY.verifier),
        reason="lost",
    )
    reader = AssertionReader(world.directory, AUDIENCE)
    assert reader.read(token) is INVALID
    assert isinstance(reader.read(sign(claims(), second)), Assertion)


def test_an_assertion_of_anybody_else_is_none(reader: AssertionReader) -> None:
    assert reader.read(sign(claims(), signing(FOOD))) is INVALID
    forged = SigningKey.from_seed(KEY.name, seed("forged"))
    assert reader.read(sign(claims(), forged)) is INVALID
    assert reader.read(sign(claims(), forged, {"kid": KEY.key_id.hex()})) is INVALID


def test_while_identity_is_not_registered_there_is_no_assertion() -> None:
    world = World()
    world.found()
    assert AssertionReader(world.directory, AUDIENCE).read(sign(claims())) is INVALID


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"alg": None},
        {"typ": None},
        {"typ": "dc+sd-jwt"},
        {"kid": None},
        {"kid": "zz"},
        {"kid": KEY.key_id.hex().upper()},
        {"kid": KEY.key_id.hex() + " "},
        {"kid": ["a"]},
        {"crit": ["exp"]},
        {"crit": []},
    ],
)
def test_a_header_that_is_not_identitys_is_refused(
    reader: AssertionReader, header: dict[str, Any]
) -> None:
    assert reader.read(sign(claims(), header=header)) is INVALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "//cn/services/catalog"},
        {"azp": None},
        {"azp": "somebody"},
        {"sub": None},
        {"jti": "short"},
        {"uses": 0},
        {"uses": True},
        {"uses": "2"},
        {"exp": str(ISSUED)},
        {"exp": ISSUED + 0.5},
        {"exp": ISSUED},
        {"exp": ISSUED + MAX_LIFETIME_SECONDS + 1},
        {"exp": 2**60},
        {"iat": -1},
        {"aud": [AUDIENCE]},
        {"level": "guessed"},
    ],
)
def test_claims_that_identity_never_makes_are_refused(
    reader: AssertionReader, wrong: dict[str, Any]
) -> None:
    assert reader.read(sign(claims(**wrong))) is INVALID


def test_an_unknown_claim_is_ignored(reader: AssertionReader) -> None:
    assert isinstance(reader.read(sign(claims(nbf=ISSUED))), Assertion)


@pytest.mark.parametrize("token", [None, b"", b"..", b"a.b", b"a.b.c.d", b"a" * 100_000])
def test_what_is_no_token_is_refused(reader: AssertionReader, token: bytes | None) -> None:
    assert reader.read(token) is INVALID


TOKEN = sign(claims())


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(b"AQgw-_=.+/ \n\xff"))
def test_no_byte_of_a_token_can_change(place: int, byte: int) -> None:
    world = World()
    world.found()
    world.admit(IDENTITY)
    identity = world.directory.service("identity")
    assert isinstance(read_assertion(TOKEN, identity, AUDIENCE), Assertion)
    changed = TOKEN[:place] + bytes([byte]) + TOKEN[place + 1 :]
    if changed != TOKEN:
        assert read_assertion(changed, identity, AUDIENCE) is INVALID


@given(st.binary(max_size=200))
def test_noise_is_no_assertion(noise: bytes) -> None:
    world = World()
    world.found()
    world.admit(IDENTITY)
    assert AssertionReader(world.directory, AUDIENCE).read(noise) is INVALID
