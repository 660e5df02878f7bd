"""The algorithm of RFC 9901 §7.1, steps 3 to 5: payload and disclosures become claims. Pure.

Invariants: every disclosure given is found by exactly one digest, directly or in the value of
another one; no digest is there twice, decoys included; nothing that only looks like a digest is
passed on as a claim.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sanyuan.common.sdjwt.disclosures import (
    ELLIPSIS,
    OF_ELEMENT,
    OF_MEMBER,
    SD,
    SD_ALG,
    SHA_256,
    digest_of,
    read_disclosure,
)
from sanyuan.common.sdjwt.errors import DisclosureError
from sanyuan.common.sdjwt.json import MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Processed:
    """The claims, and the names of those at the top that came out of a disclosure."""

    claims: dict[str, Any]
    disclosed: frozenset[str]


def process(payload: Mapping[str, Any], disclosures: Sequence[str]) -> Processed:
    """Put the disclosed values into their places; raises DisclosureError, MalformedTokenError."""
    algorithm = payload.get(SD_ALG, SHA_256)
    if algorithm != SHA_256:
        raise DisclosureError("digests by another algorithm than sha-256")
    given = {digest_of_ascii(text): read_disclosure(text) for text in disclosures}
    if len(given) != len(disclosures):
        raise DisclosureError("a disclosure is there twice")
    top = {name: value for name, value in payload.items() if name != SD_ALG}
    walk = _Walk(given)
    claims = walk.object(top, 0)
    if walk.used != given.keys():
        raise DisclosureError("a disclosure that no digest names")
    return Processed(claims, frozenset(claims.keys() - top.keys()))


def digest_of_ascii(disclosure: str) -> str:
    """`digest_of`, for a text from outside; raises DisclosureError."""
    if not disclosure.isascii():
        raise DisclosureError("a disclosure is base64url")
    return digest_of(disclosure)


def has_digests(value: object) -> bool:
    """Whether something below ``value`` can be disclosed."""
    if isinstance(value, dict):
        return SD in value or ELLIPSIS in value or any(map(has_digests, value.values()))
    return isinstance(value, list) and any(map(has_digests, value))


@dataclass(slots=True)
class _Walk:
    given: Mapping[str, Sequence[Any]]
    used: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def value(self, value: object, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise DisclosureError(f"values are nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            return self.object(value, depth)
        if isinstance(value, list):
            return list(self.elements(value, depth))
        return value

    def object(self, members: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Steps 3.3.2 and 3.5."""
        if ELLIPSIS in members:
            raise DisclosureError("a member ... outside an element of an array")
        if SD_ALG in members:
            raise DisclosureError("_sd_alg stands at the top alone")
        found = {n: self.value(v, depth + 1) for n, v in members.items() if n != SD}
        for digest in _digests(members.get(SD, [])):
            disclosure = self.take(digest)
            if disclosure is None:
                continue
            if len(disclosure) != OF_MEMBER:
                raise DisclosureError("a member is disclosed by salt, name and value")
            name = disclosure[1]
            if not isinstance(name, str) or name in (SD, ELLIPSIS, SD_ALG):
                raise DisclosureError("a disclosed member has no such name")
            if name in found:
                raise DisclosureError("a disclosed member is there already")
            found[name] = self.value(disclosure[2], depth + 1)
        return found

    def elements(self, values: Sequence[Any], depth: int) -> Iterable[Any]:
        """Steps 3.3.3 and 3.4: an element whose disclosure was not given is left out."""
        for value in values:
            if not isinstance(value, dict) or ELLIPSIS not in value:
                yield self.value(value, depth + 1)
                continue
            if len(value) != 1 or not isinstance(value[ELLIPSIS], str):
                raise DisclosureError("an element stands for its digest alone")
            disclosure = self.take(value[ELLIPSIS])
            if disclosure is None:
                continue
            if len(disclosure) != OF_ELEMENT:
                raise DisclosureError("an element is disclosed by salt and value")
            yield self.value(disclosure[1], depth + 1)

    def take(self, digest: str) -> Sequence[Any] | None:
        """The disclosure of a digest; step 4 for digests of every kind."""
        if digest in self.seen:
            raise DisclosureError("a digest is there twice")
        self.seen.add(digest)
        disclosure = self.given.get(digest)
        if disclosure is not None:
            self.used.add(digest)
        return disclosure


def _digests(value: object) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DisclosureError("_sd is an array of texts")
    return value
