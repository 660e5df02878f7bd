"""What keeps the tests of several processes apart: who runs what, and on which ports.

`make test` runs files side by side (pytest-xdist). Tests that share something dear of the whole
run are one group, in one process; every other file is a group of its own.
"""

import socket
from collections.abc import Iterable, Sequence
from typing import Final

import pytest
from xdist.scheduler import LoadGroupScheduling

from sanyuan.sandbox import ports

SHARED: Final = ("kafka", "nation")
"""Fixtures that exist once for the run, in the process that has all tests that ask for them."""

FIRST: Final = 20_000
LAST: Final = 32_768
"""Outgoing connections begin here: one of those took a broker's port between a stop and a start."""
BLOCK: Final = 32

_guards: list[socket.socket] = []


class ByFile(LoadGroupScheduling):  # type: ignore[misc]
    """Groups where tests are marked so, otherwise files, in the order in which they were found."""

    def _split_scope(self, nodeid: str) -> str:
        return str(super()._split_scope(nodeid)).partition("::")[0]


def mark_groups(items: Iterable[pytest.Item]) -> None:
    """Put all tests that share something of the run into one group."""
    for item in items:
        for name in SHARED:
            if name in _fixtures(item):
                item.add_marker(pytest.mark.xdist_group(name))


def longest_first(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that many quick files fill what is left at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    kafka = {item.path for item in items if item.get_closest_marker("kafka")}
    items.sort(
        key=lambda item: (
            "nation" not in _fixtures(item),
            item.path not in slow,
            item.path not in kafka,
        )
    )


def shells_first(items: list[pytest.Item]) -> None:
    """Whoever keeps the national installation running comes after those who start and stop it."""
    items.sort(key=lambda item: "installation" in _fixtures(item))


def _fixtures(item: pytest.Item) -> Sequence[str]:
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
