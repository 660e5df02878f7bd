"""Fetches pinned jars from Maven's repository into one folder, whole or not at all.

The folder is filled beside its place, synchronised, and then renamed, so that a download killed
anywhere leaves nothing that looks finished.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import jgo.maven
import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL

from sanyuan.client.progress import Report
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.alone import alone_in
from sanyuan.sandbox.jars import VERSION, Jar, digest_of, is_whole

STEP: Final = f"Apache Kafka {VERSION}"
_AGE: Final = 1_767_225_600
"""2026-01-01, as good as any other."""
_CONNECTIONS: Final = 8
_TIMEOUT: Final = 30
"""Seconds without an answer."""


class JarsUnavailableError(SanyuanError):
    """The jars cannot be fetched: no network, or the repository has not got one."""


class JarForgedError(SanyuanError):
    """A jar came that is not the one whose SHA-256 is pinned."""


class CacheFolderError(SanyuanError):
    """The cache folder cannot be written: disk full, or not ours."""


def fetch(jars: Sequence[Jar], home: Path, report: Report) -> None:
    """Fetches `jars` into the new folder `home`; whoever else wants them meanwhile waits for us.

    Raises JarsUnavailableError, JarForgedError or CacheFolderError, having written nothing then.
    """
    with _writing(home.parent):
        home.parent.mkdir(parents=True, exist_ok=True)
        with alone_in(home.parent):
            if not is_whole(home, jars):
                _fetch_to(home, jars, report)


def _fetch_to(home: Path, jars: Sequence[Jar], report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix=".kafka-", dir=home.parent) as scratch:
        whole = Path(scratch, "whole")
        whole.mkdir()
        _fetch_all(jars, Path(scratch, "repository"), whole, report)
        _publish(whole, home)


def _fetch_all(jars: Sequence[Jar], repository: Path, whole: Path, report: Report) -> None:
    maven = _maven(repository)
    total, done = sum(jar.size for jar in jars), 0
    report(STEP, done, total)
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        jobs = {pool.submit(_fetch, maven, jar, whole): jar for jar in jars}
        try:
            for job in as_completed(jobs):
                job.result()
                done += jobs[job].size
                report(STEP, done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _maven(repository: Path) -> jgo.maven.MavenContext:
    """Maven Central, after the repositories of the user's own jgo settings (a mirror, say)."""
    mirrors = GlobalSettings.load().repositories
    remotes = {**mirrors, "central": MAVEN_CENTRAL_URL}
    return jgo.maven.MavenContext(repo_cache=repository, remote_repos=remotes, timeout=_TIMEOUT)


def _fetch(maven: jgo.maven.MavenContext, jar: Jar, whole: Path) -> None:
    group, artifact, version = jar.coordinates.split(":")
    try:
        fetched = maven.project(group, artifact).at_version(version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:
        # requests wraps every failure of the network, jgo says RuntimeError for "not there".
        raise JarsUnavailableError(
            f"{jar.name} cannot be fetched: {_reason(error)}",
            where="the repository of Maven packages",
            do="check the network and the proxy (HTTPS_PROXY), or name a mirror under "
            "[repositories] in ~/.config/jgo.conf; then run the same command again",
        ) from error
    if digest_of(fetched) != jar.sha256:
        raise JarForgedError(
            f"{jar.name} is not the published one: its SHA-256 is not the pinned one",
            where=jar.coordinates,
            do="look at what stands between this machine and the repository; it was thrown away",
        )
    # Java's archive of classes (training.py) fits only jars of the same age.
    os.utime(fetched, (_AGE, _AGE))
    fetched.replace(whole / jar.name)


def _reason(error: Exception) -> str:
    match error:
        case requests.ConnectionError():
            return "no connection"
        case requests.Timeout():
            return f"no answer within {_TIMEOUT} s"
        case _:
            return str(error).splitlines()[0][:200]


def _publish(whole: Path, home: Path) -> None:
    _sync(whole.iterdir())
    if home.exists():  # damaged, or we would not be here
        shutil.rmtree(home)
    # If we crash before this line, nothing looks finished; after it, everything is.
    whole.replace(home)


def _sync(files: Iterable[Path]) -> None:
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())


@contextmanager
def _writing(cache_folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise CacheFolderError(
            "the disk is full" if full else f"the cache cannot be written: {error.strerror}",
            where=str(cache_folder),
            do="free 200 MB and run the same command again"
            if full
            else "make it writable, or set XDG_CACHE_HOME to another folder",
        ) from error
