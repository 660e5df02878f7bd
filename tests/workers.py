"""What keeps the tests of several processes apart: who runs what, and on which ports.

`make test` runs files side by side (pytest-xdist). A file's tests run in one process, in their
order, and so do all files that share something dear of the whole run.
"""

import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from sanyuan.sandbox import ports

SHARED: Final[Mapping[str, Collection[str]]] = {
    "kafka": (
        "tests/audit/test_completeness.py",
        "tests/audit/test_service.py",
        "tests/audit/test_witnessed_service.py",
        "tests/client/provisioning/test_provisioning.py",
        "tests/common/test_closed_transports.py",
        "tests/common/test_reading.py",
        "tests/sandbox/test_embedded.py",
    ),
    "whole_nation": (
        "tests/e2e/test_case.py",
        "tests/e2e/test_documents.py",
        "tests/e2e/test_load.py",
        "tests/e2e/test_up_down.py",
    ),
}
"""Fixture of which the run has one → the files that ask for it."""

FIRST: Final = 20_000
LAST: Final = 32_768
"""Outgoing connections begin here: one of those took a broker's port between a stop and a start."""
BLOCK: Final = 32

_guards: list[socket.socket] = []


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Distributes files and groups of them, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, files in SHARED.items() if file in files), file)


def check_shared(items: Iterable[pytest.Item]) -> None:
    """Raises UsageError where a second process would make what the run has one of."""
    for item in items:
        for name in SHARED.keys() & set(_fixtures(item)):
            file = item.nodeid.partition("::")[0]
            if file not in SHARED[name]:
                raise pytest.UsageError(
                    f"{file} asks for {name!r}, which the run has one of: add it to SHARED in "
                    "tests/workers.py"
                )


def longest_first(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that many quick files fill what is left at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    kafka = {item.path for item in items if item.get_closest_marker("kafka")}
    items.sort(
        key=lambda item: (
            "whole_nation" not in _fixtures(item),
            item.path not in slow,
            item.path not in kafka,
        )
    )


def shells_first(items: list[pytest.Item]) -> None:
    """Whoever keeps the national installation running comes after those who start and stop it."""
    items.sort(key=lambda item: "installation" in _fixtures(item))


def _fixtures(item: pytest.Item) -> Collection[str]:
    return getattr(item, "fixturenames", ())


def block_of_ports() -> int:
    """The first of 31 free ports that no other process of any run is given while this one lives.

    The block's last port is the sign that it is taken: it listens until this process ends.
    """
    for first in range(FIRST, LAST - BLOCK, BLOCK):
        guard = socket.socket()
        try:
            guard.bind((ports.HOST, first + BLOCK - 1))
            guard.listen()
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        if all(ports.is_free(port) for port in range(first, first + BLOCK - 1)):
            return first
    raise ports.PortTakenError("no block of ports is free", where=ports.HOST, do="stop other runs")
