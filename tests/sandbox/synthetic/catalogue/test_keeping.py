from pathlib import Path

import pytest

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.synthetic.cached import SyntheticDataError
from sanyuan.sandbox.synthetic.catalogue.keeping import keep_catalogue, load_catalogue, load_served
from sanyuan.sandbox.synthetic.departments import DEPARTMENT


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    return keep_catalogue(folder / "var", folder / "cache", "cn")


def test_what_is_kept_is_what_was_made(kept: Path, nation: tuple[Resource, ...]) -> None:
    assert load_catalogue(kept) == nation


def test_a_department_reads_its_own_resources_only(
    kept: Path, nation: tuple[Resource, ...]
) -> None:
    code = DEPARTMENT["transport"].code
    assert load_catalogue(kept, code) == tuple(each for each in nation if each.provider == code)


def test_what_can_be_granted_is_read_without_the_rest(
    kept: Path, nation: tuple[Resource, ...]
) -> None:
    wanted = tuple(each for each in nation if each.serving_system or each.license_type)
    assert load_served(kept) == wanted


def test_what_is_cached_is_copied_and_what_is_there_stays(kept: Path, tmp_path: Path) -> None:
    cache = kept.parent.parent / "cache"
    copied = keep_catalogue(tmp_path, cache, "cn")
    assert copied.read_bytes() == kept.read_bytes()
    copied.write_bytes(b"changed by somebody")
    assert keep_catalogue(tmp_path, cache, "cn").read_bytes() == b"changed by somebody"
    with pytest.raises(SyntheticDataError, match="make up"):
        load_catalogue(copied)


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(SyntheticDataError, match="XDG_CACHE_HOME"):
        keep_catalogue(tmp_path / "var", tmp_path / "cache", "cn")
