"""RFC 9901 §4.2 and §7.1 steps 3 to 5: a test for each MUST about digests and disclosures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.common.sdjwt.conftest import digest, disclose

from sanyuan.common.sdjwt.disclosures import digest_of
from sanyuan.common.sdjwt.errors import DisclosureError, MalformedTokenError
from sanyuan.common.sdjwt.processing import Processed, process

NAME = disclose("salt-1", "name", "Möbius")
CODE = disclose("salt-2", "code", "11")
GERMAN = disclose("salt-3", "DE")


def claims(payload: dict[str, Any], *disclosures: str) -> dict[str, Any]:
    return process(payload, disclosures).claims


def test_the_digest_is_the_one_of_the_rfc() -> None:
    """§4.2.3, with the disclosure of §4.2.1."""
    disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    expected = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    assert digest_of(disclosure) == expected
    assert claims({"_sd": [expected]}, disclosure) == {"family_name": "Möbius"}


@pytest.mark.parametrize(
    "spelling",
    [
        "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNXHUwMGY2Yml1cyJd",
        "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTcO2Yml1cyJd",
        "WwoiXzI2YmM0TFQtYWM2cTJLSTZjQlc1ZXMiLAoiZmFtaWx5X25hbWUiLAoiTcO2Yml1cyIKXQ",
    ],
)
def test_other_spellings_of_a_disclosure_are_read(spelling: str) -> None:
    """§4.2.1: no canonical form, because the digest is over the text."""
    assert claims({"_sd": [digest(spelling)]}, spelling) == {"family_name": "Möbius"}


def test_an_element_stands_where_its_digest_stood() -> None:
    """§4.2.4.2, with the digest of the RFC."""
    french = "WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0"
    named = {"...": "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs"}
    payload = {"nationalities": ["DE", named, "US"]}
    assert claims(payload, french) == {"nationalities": ["DE", "FR", "US"]}
    assert claims(payload) == {"nationalities": ["DE", "US"]}


def test_disclosures_in_disclosures_connect() -> None:
    """§4.2.6."""
    inner = disclose("salt-5", "nationalities", [{"...": digest(GERMAN)}])
    payload = {"family_name": "Möbius", "_sd": [digest(inner)]}
    both = {"family_name": "Möbius", "nationalities": ["DE"]}
    assert claims(payload, inner, GERMAN) == claims(payload, GERMAN, inner) == both
    assert claims(payload, inner) == {"family_name": "Möbius", "nationalities": []}
    with pytest.raises(DisclosureError, match="no digest names"):
        process(payload, [GERMAN])


def test_a_member_in_a_nested_object_is_put_there() -> None:
    payload = {"address": {"_sd": [digest(NAME)], "country": "CN"}}
    assert claims(payload, NAME) == {"address": {"country": "CN", "name": "Möbius"}}
    assert claims(payload) == {"address": {"country": "CN"}}


def test_what_is_empty_without_digests_is_an_empty_object() -> None:
    """Step 3.5."""
    assert claims({"address": {"_sd": [digest(NAME)]}}) == {"address": {}}
    assert claims({"_sd": []}) == {}


def test_decoys_are_ignored() -> None:
    """Step 3.3.1 and §4.2.5."""
    decoy = digest("decoy")
    assert claims({"_sd": [decoy, digest(NAME)]}, NAME) == {"name": "Möbius"}
    assert claims({"list": [{"...": decoy}, 1]}) == {"list": [1]}


def test_only_what_was_disclosed_is_said_to_be() -> None:
    processed = process({"a": 1, "b": {"_sd": [digest(CODE)]}, "_sd": [digest(NAME)]}, [NAME, CODE])
    assert processed == Processed(
        {"a": 1, "b": {"code": "11"}, "name": "Möbius"}, frozenset({"name"})
    )


def test_the_algorithm_is_sha_256_also_when_it_is_not_named() -> None:
    """§4.1.1."""
    payload = {"_sd": [digest(NAME)], "_sd_alg": "sha-256"}
    assert claims(payload, NAME) == {"name": "Möbius"}
    for other in ("sha-512", "md5", "SHA-256", None, 1):
        with pytest.raises(DisclosureError, match="algorithm"):
            process({**payload, "_sd_alg": other}, [NAME])


REJECTED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    # Step 4: a digest more than once, wherever.
    ("twice in one array", {"_sd": [digest(NAME)] * 2}, (NAME,)),
    ("a decoy twice", {"_sd": [digest("d"), digest("d")]}, ()),
    ("twice at two levels", {"_sd": [digest(NAME)], "a": {"_sd": [digest(NAME)]}}, (NAME,)),
    (
        "as a member and as an element",
        {"_sd": [digest(GERMAN)], "a": [{"...": digest(GERMAN)}]},
        (),
    ),
    (
        "again in a disclosed value",
        {"_sd": [digest(NAME), digest(disclose("s", "in", {"_sd": [digest(NAME)]}))]},
        (NAME, disclose("s", "in", {"_sd": [digest(NAME)]})),
    ),
    # Step 5: a disclosure that nothing names; §4: one that is there twice.
    ("not named", {"a": 1}, (NAME,)),
    ("named in a disclosure that is not there", {"_sd": [digest("x")]}, (NAME,)),
    ("there twice", {"_sd": [digest(NAME)]}, (NAME, NAME)),
    # Steps 3.3.2.1 and 3.3.3.1: the wrong kind for its place.
    ("an element as a member", {"_sd": [digest(GERMAN)]}, (GERMAN,)),
    ("a member as an element", {"a": [{"...": digest(NAME)}]}, (NAME,)),
    # Step 3.3.2.2: names that are none.
    *(
        (f"named {n}", {"_sd": [digest(disclose("s", n, 1))]}, (disclose("s", n, 1),))
        for n in ("_sd", "...", "_sd_alg", 1, None)
    ),
    # Step 3.3.2.3: the name is taken.
    ("over a claim in the clear", {"name": "x", "_sd": [digest(NAME)]}, (NAME,)),
    (
        "over another disclosure",
        {"_sd": [digest(NAME), digest(disclose("s", "name", 2))]},
        (NAME, disclose("s", "name", 2)),
    ),
    # §4.1 rule 7 and §4.2.4: `_sd` and `...` are for digests alone.
    ("_sd is no array", {"_sd": digest(NAME)}, ()),
    ("_sd holds a number", {"_sd": [1]}, ()),
    ("_sd is null", {"_sd": None}, ()),
    ("... beside others", {"a": [{"...": digest(GERMAN), "b": 1}]}, ()),
    ("... is no text", {"a": [{"...": 1}]}, ()),
    ("... in an object", {"a": {"...": digest(GERMAN)}}, ()),
    ("... at the top", {"...": digest(GERMAN)}, ()),
    # §4.1.1: `_sd_alg` stands at the top alone.
    ("_sd_alg below", {"a": {"_sd_alg": "sha-256"}}, ()),
    ("_sd_alg in a list", {"a": [{"_sd_alg": "sha-256"}]}, ()),
]


@pytest.mark.parametrize(
    ("payload", "disclosures"),
    [row[1:] for row in REJECTED],
    ids=[row[0] for row in REJECTED],
)
def test_what_must_be_rejected_is(payload: dict[str, Any], disclosures: tuple[str, ...]) -> None:
    with pytest.raises(DisclosureError):
        process(payload, disclosures)


@pytest.mark.parametrize(
    "disclosure",
    [
        disclose(),
        disclose("salt"),
        disclose("salt", "a", 1, 2),
        disclose(1, "a", 1),
        disclose(None, 1),
        disclose({}, "a", 1),
        "not base64url!",
        disclose("salt", "a", 1) + "=",
        "e30",
        "WyJzIiwiYSIsMV0 ",
        "WyJzIiwiYSIsTmFOXQ",
        "é",
    ],
)
def test_what_is_no_disclosure_is_rejected(disclosure: str) -> None:
    with pytest.raises((DisclosureError, MalformedTokenError)):
        process({"_sd": [digest(disclosure)]}, [disclosure])


def test_nobody_can_exhaust_a_reader_by_nesting() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(DisclosureError, match="deeper"):
        process({"a": deep}, [])
    chain: list[str] = []
    value: Any = 1
    for level in range(40):
        chain.append(disclose(f"salt-{level}", "next", value))
        value = {"_sd": [digest(chain[-1])]}
    with pytest.raises(DisclosureError, match="deeper"):
        process(value, chain)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abcdefgh"), JSON), st.data())
def test_exactly_what_was_disclosed_comes_back(
    content: dict[str, Any], data: st.DataObject
) -> None:
    names = sorted(content)
    hidden = {n: disclose(f"salt {n}", n, content[n]) for n in names[::2]}
    payload = {n: content[n] for n in names if n not in hidden}
    payload["_sd"] = sorted(map(digest, hidden.values()))
    shown = data.draw(st.sets(st.sampled_from(sorted(hidden)))) if hidden else set()
    processed = process(payload, [hidden[n] for n in shown])
    assert processed.claims == {n: v for n, v in content.items() if n not in hidden or n in shown}
    assert processed.disclosed == shown
