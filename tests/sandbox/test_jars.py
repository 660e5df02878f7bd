import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from sanyuan.client import progress
from sanyuan.sandbox import jar_cache, jar_download, jars, settings
from sanyuan.sandbox.jar_download import JarForgedError, JarsUnavailableError


@pytest.fixture(scope="module")
def home() -> Path:
    return jar_cache.ensure(settings.load().cache)


def test_every_jar_of_the_list_is_there_with_its_digest(home: Path) -> None:
    assert len(jars.pinned()) == 92
    assert jars.is_whole(home)


def test_a_changed_byte_in_a_cached_jar_is_seen(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / home.name
    shutil.copytree(home, copy)
    assert jars.is_whole(copy)
    victim = copy / jars.pinned()[0].name
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.write_bytes(content)

    assert not jars.is_whole(copy)


class _Repository:
    """Stands for the network: every artifact is this file, or an error."""

    def __init__(self, answer: Path | Exception) -> None:
        self.answer = answer

    def project(self, *_: str) -> "_Repository":
        return self

    def at_version(self, _: str) -> "_Repository":
        return self

    def artifact(self) -> "_Repository":
        return self

    def resolve(self) -> Path:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _fetch_from(
    answer: Path | Exception, home: Path, monkeypatch: pytest.MonkeyPatch, sha256: str
) -> None:
    monkeypatch.setattr(jar_download, "_maven", lambda _: _Repository(answer))
    jar_download.fetch([replace(jars.pinned()[0], sha256=sha256)], home, progress.silent)


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.jar"
    other.write_bytes(b"something else")

    with pytest.raises(JarForgedError, match="SHA-256"):
        _fetch_from(other, tmp_path / "cache" / "kafka", monkeypatch, "0" * 64)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    "cause", [requests.ConnectionError("no route"), RuntimeError("Artifact not found")]
)
def test_no_network_is_one_clear_error_and_nothing_is_kept(
    cause: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(JarsUnavailableError) as caught:
        _fetch_from(cause, tmp_path / "cache" / "kafka", monkeypatch, "0" * 64)

    assert "proxy" in str(caught.value.do)
    assert list((tmp_path / "cache").iterdir()) == []


def test_of_two_that_want_the_same_jars_one_fetches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = tmp_path / "any.jar"
    jar.write_bytes(b"content")
    sha256, home = jars.digest_of(jar), tmp_path / "cache" / "kafka"
    with ThreadPoolExecutor(2) as pool:
        # The file goes to whoever fetches first: there is nothing left for a second one to fetch.
        both = [pool.submit(_fetch_from, jar, home, monkeypatch, sha256) for _ in range(2)]
        for each in both:
            each.result()

    assert [file.read_bytes() for file in home.iterdir()] == [b"content"]


def test_a_whole_folder_appears_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = tmp_path / "any.jar"
    jar.write_bytes(b"content")
    _fetch_from(jar, tmp_path / "cache" / "kafka", monkeypatch, jars.digest_of(jar))

    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["kafka"]
    assert [file.read_bytes() for file in (tmp_path / "cache/kafka").iterdir()] == [b"content"]
