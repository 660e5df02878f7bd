"""The national catalogue and the licences, loaded by signed commands; then searched over HTTP."""

import http.client
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from rich.console import Console

from sanyuan.client.progress import Report
from sanyuan.sandbox import ports as loopback
from sanyuan.sandbox.demo import loading
from sanyuan.sandbox.starting import Installation
from sanyuan.sandbox.synthetic.catalogue.keeping import read_catalogue

SEARCHES: Final = 2000
_NAMES: Final = 400
_WORDS: Final = (
    "营业执照",
    "企业 登记",
    "食品 经营 许可",
    "不动产",
    "社会 保险 缴纳",
    "信息",
    "business licence",
    "vehicle",
)
"""Of one word and several, in both languages, frequent and rare."""


class SearchFailedError(RuntimeError):
    """The catalogue did not answer a search."""


def load_seconds(installation: Installation, console: Console) -> float:
    """How long resources, grants and licences take from the start of the processes that send them.

    The processes are stopped again. Raises LoadingError.
    """
    started = time.monotonic()
    loading.start(installation)
    loading.wait_for_all(installation, console)
    seconds = time.monotonic() - started
    loading.stop(installation.runner)
    return seconds


def search_p99_ms(port: int, catalogue: Path, report: Report, count: int = SEARCHES) -> float:
    """The time that 99 of 100 searches take, one after the other, HTTP included."""
    connection = http.client.HTTPConnection(loopback.HOST, port, timeout=10.0)
    times = []
    try:
        for done, query in enumerate(islice(cycle(_queries(catalogue)), count), 1):
            started = time.perf_counter()
            connection.request("GET", f"/resources?{urlencode({'q': query})}")
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - started) * 1000)
            if answer.status != http.client.OK:
                raise SearchFailedError(f"the catalogue answers {answer.status} to {query!r}")
            report("searches", done, count)
    finally:
        connection.close()
    return sorted(times)[len(times) * 99 // 100]


def _queries(catalogue: Path) -> list[str]:
    """Fixed ones, and of some resources' names two characters, four, and the whole."""
    names = [resource.name for resource in islice(read_catalogue(catalogue, ""), _NAMES)]
    queries = [*_WORDS]
    for name in names:
        queries += [name[:2], name[-4:], name]
    return queries
