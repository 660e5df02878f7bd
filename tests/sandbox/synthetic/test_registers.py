import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from itertools import chain
from pathlib import Path

import pytest

from sanyuan.common.identifiers import (
    normalise_name,
    parse_citizen_number,
    parse_credit_code,
    parse_mobile,
    parse_name,
)
from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.organisations import generate_organisations
from sanyuan.sandbox.synthetic.people import generate_people
from sanyuan.sandbox.synthetic.regions import REGIONS
from sanyuan.sandbox.synthetic.registers import (
    ORGANISATIONS,
    PEOPLE,
    Registers,
    all_organisations,
    make_registers,
    sample_people,
)

REPOSITORY = Path(__file__).parents[3]
CJK_RUN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+(?:[·•・‧][\u3400-\u9fff]+)*")


@pytest.fixture(scope="module")
def reports() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def registers(
    tmp_path_factory: pytest.TempPathFactory, reports: list[tuple[int, int]]
) -> Registers:
    folder = tmp_path_factory.mktemp("registers")

    def report(done: int, total: int) -> None:
        reports.append((done, total))

    return make_registers(folder / "var", folder / "cache", report)


def rows(path: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


@pytest.fixture(scope="module")
def people(registers: Registers) -> list[tuple[str, ...]]:
    return rows(registers.population, "SELECT number, name, mobile FROM person")


@pytest.fixture(scope="module")
def organisations(registers: Registers) -> list[tuple[str, ...]]:
    return rows(
        registers.legal_entity,
        "SELECT code, name, representative_name, representative_number FROM organisation",
    )


def test_every_person_has_a_valid_number_of_a_real_region(people: list[tuple[str, ...]]) -> None:
    assert len(people) == PEOPLE
    regions = set(REGIONS)
    for number, name, mobile in people:
        parsed = parse_citizen_number(number, on=date(2024, 1, 1))
        assert parsed.text == number
        assert parsed.region in regions
        assert parse_name(name) == name
        assert parse_mobile(mobile).text == mobile
    assert len({mobile for _, _, mobile in people}) == PEOPLE
    assert len({region[:2] for region in regions}) == 31


def test_every_organisation_has_a_valid_code_and_one_of_the_people_at_its_head(
    people: list[tuple[str, ...]], organisations: list[tuple[str, ...]]
) -> None:
    assert len(organisations) == ORGANISATIONS
    assert len({name for _, name, _, _ in organisations}) == ORGANISATIONS
    known = {(name, number) for number, name, _ in people}
    for code, name, head, number in organisations:
        assert not parse_credit_code(code).questionable
        assert parse_name(name) == name
        assert (head, number) in known
        assert number[6:14] < "20060101"


def texts() -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  whichever git is installed
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        path = REPOSITORY / name
        if path.is_file():
            yield path.read_bytes().decode(errors="ignore")


def windows(run: str, lengths: list[int]) -> Iterator[str]:
    for length in lengths:
        for start in range(len(run) - length + 1):
            yield run[start : start + length]


def test_no_text_of_ours_holds_a_name_of_theirs(
    people: list[tuple[str, ...]], organisations: list[tuple[str, ...]]
) -> None:
    names = {name for _, name, _ in people} | {name for _, name, _, _ in organisations}
    lengths = sorted({len(name) for name in names})
    runs = {normalise_name(run) for run in chain.from_iterable(map(CJK_RUN.findall, texts()))}
    found = {part for run in runs for part in windows(run, lengths) if part in names}
    # A failure must not print a name: it says how many.
    assert len(found) == 0


def test_no_text_of_ours_holds_a_number_of_theirs(people: list[tuple[str, ...]]) -> None:
    numbers = {number for number, _, _ in people} | {mobile for _, _, mobile in people}
    digits = chain.from_iterable(re.findall(r"[0-9]{11,17}[0-9X]?", text) for text in texts())
    assert len(numbers.intersection(digits)) == 0


def test_progress_reaches_its_end_in_small_steps(
    registers: Registers, reports: list[tuple[int, int]]
) -> None:
    assert registers.complete
    done = [made for made, _ in reports]
    assert done == sorted(done)
    assert reports[-1] == (240_000, 240_000)
    assert len(reports) > 50


def test_what_is_cached_is_copied_and_what_is_there_stays(
    registers: Registers, tmp_path: Path
) -> None:
    cache = registers.folder.parent / "cache"
    copied = make_registers(tmp_path, cache)
    assert copied.population.read_bytes() == registers.population.read_bytes()
    copied.population.write_bytes(b"changed by somebody")
    assert make_registers(tmp_path, cache).population.read_bytes() == b"changed by somebody"
    assert registers.population.stat().st_ino != copied.population.stat().st_ino


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(SyntheticDataError, match="XDG_CACHE_HOME"):
        make_registers(tmp_path / "var", tmp_path / "cache")


def test_the_same_seed_makes_the_same_people() -> None:
    assert generate_people(50, "a") == generate_people(50, "a") != generate_people(50, "b")
    people = generate_people(50, "a")
    assert generate_organisations(9, people, "a") == generate_organisations(9, people, "a")


def test_a_sample_is_of_different_people_and_the_same_each_time(registers: Registers) -> None:
    sample = sample_people(registers, 500, "demo")
    assert len({person.number for person in sample}) == 500
    assert sample == sample_people(registers, 500, "demo") != sample_people(registers, 500, "load")


def test_every_organisation_is_represented_by_an_adult(registers: Registers) -> None:
    organisations = all_organisations(registers)
    assert len({each.code for each in organisations}) == 20_000
    assert all(each.representative.is_adult for each in organisations)


def test_people_are_never_printed() -> None:
    (person,) = generate_people(1, "a")
    assert repr(person) == "Person()"
