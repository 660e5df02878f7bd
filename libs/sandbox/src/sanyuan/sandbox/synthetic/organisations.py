"""Organisations with valid credit codes, each represented by one of the people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from sanyuan.common.identifiers import CREDIT_ALPHABET, credit_check, organisation_check
from sanyuan.sandbox.synthetic.names import organisation_name
from sanyuan.sandbox.synthetic.people import EVERY, Person, Progress
from sanyuan.sandbox.synthetic.regions import REGIONS

# GB 32100, table 1: registered by market regulation (9), an enterprise (1).
_ENTERPRISE: Final = "91"
# How codes assigned since 2015 begin (GB 32100, 4.4).
_SINCE_2015: Final = "MA"


@dataclass(frozen=True, slots=True)
class Organisation:
    """An enterprise that does not exist, and who represents it."""

    code: str
    name: str = field(repr=False)
    representative: Person = field(repr=False)


def credit_code(kind: str, region: str, organisation: str) -> str:
    """A credit code of two, six and eight characters, with both checks."""
    body = kind + region + organisation + organisation_check(organisation)
    return body + credit_check(body)


def generate_organisations(
    count: int, people: Sequence[Person], seed: str, progress: Progress = lambda _: None
) -> list[Organisation]:
    """``count`` organisations with different codes and names."""
    random = Random(f"organisations {seed}")  # noqa: S311  data from a seed, not secrets
    adults = [person for person in people if person.is_adult]
    codes, names = _credit_codes(random), _names(random)
    organisations = []
    for made in range(1, count + 1):
        head = adults[int(random.random() * len(adults))]
        organisations.append(Organisation(next(codes), next(names), head))
        if made % EVERY == 0 or made == count:
            progress((made - 1) % EVERY + 1)
    return organisations


def _credit_codes(random: Random) -> Iterator[str]:
    seen = set[str]()
    while True:
        region = REGIONS[int(random.random() * len(REGIONS))]
        tail = "".join(CREDIT_ALPHABET[int(random.random() * 31)] for _ in range(6))
        code = credit_code(_ENTERPRISE, region, _SINCE_2015 + tail)
        if code not in seen:
            seen.add(code)
            yield code


def _names(random: Random) -> Iterator[str]:
    seen = set[str]()
    while True:
        name = organisation_name(random)
        if name not in seen:
            seen.add(name)
            yield name
