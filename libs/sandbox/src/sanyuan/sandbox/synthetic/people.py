"""People with valid citizen numbers, the same ones from the same seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from sanyuan.common.identifiers import citizen_check
from sanyuan.sandbox.synthetic.names import person_name
from sanyuan.sandbox.synthetic.regions import REGIONS

Progress = Callable[[int], None]
"""Called with the number of items made since the last call."""

EVERY: Final = 2_000
ADULT_BY: Final = date(2006, 1, 1)
_FIRST_BIRTH: Final = date(1936, 1, 1)
_LAST_BIRTH: Final = date(2023, 12, 31)
_DAYS: Final = (_LAST_BIRTH - _FIRST_BIRTH).days + 1
# No 17x: so begin the instants of these years, and who searches for leaked numbers should find none
# in a clock.
_BLOCKS: Final = (
    range(130, 140),
    range(150, 154),
    range(155, 160),
    range(180, 190),
    (191, 193, 195, 198, 199),
)
_SEGMENTS: Final = tuple(str(segment) for block in _BLOCKS for segment in block)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist; never printed all the same."""

    number: str = field(repr=False)
    name: str = field(repr=False)
    mobile: str = field(repr=False)

    @property
    def is_adult(self) -> bool:
        """Old enough to represent an organisation."""
        return self.number[6:14] < f"{ADULT_BY:%Y%m%d}"


def generate_people(count: int, seed: str, progress: Progress = lambda _: None) -> list[Person]:
    """``count`` people with different numbers and mobiles."""
    random = Random(f"people {seed}")  # noqa: S311  data from a seed, not secrets
    numbers, mobiles = _citizen_numbers(random), _mobiles(random)
    people = []
    for made in range(1, count + 1):
        people.append(Person(next(numbers), person_name(random), next(mobiles)))
        if made % EVERY == 0 or made == count:
            progress((made - 1) % EVERY + 1)
    return people


def _citizen_numbers(random: Random) -> Iterator[str]:
    births = [f"{_FIRST_BIRTH + timedelta(days=day):%Y%m%d}" for day in range(_DAYS)]
    seen = set[str]()
    while True:
        region = REGIONS[int(random.random() * len(REGIONS))]
        # An exponent below 1 makes the young more frequent than the very old.
        birth = births[int(random.random() ** 0.7 * _DAYS)]
        body = f"{region}{birth}{1 + int(random.random() * 999):03d}"
        if body not in seen:
            seen.add(body)
            yield body + citizen_check(body)


def _mobiles(random: Random) -> Iterator[str]:
    seen = set[str]()
    while True:
        segment = _SEGMENTS[int(random.random() * len(_SEGMENTS))]
        mobile = f"{segment}{int(random.random() * 100_000_000):08d}"
        if mobile not in seen:
            seen.add(mobile)
            yield mobile
