"""What processes have used: CPU seconds, user and system, and resident memory (psutil).

A process that has ended is no longer counted: take both readings while the same ones run.
"""

import os
from collections.abc import Iterable
from typing import Final

import psutil

MIB: Final = 1 << 20


def family(root: int | None = None) -> list[psutil.Process]:
    """A process, ours by default, and all that it has started."""
    try:
        process = psutil.Process(root or os.getpid())
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of those that still run."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def resident_mib(processes: Iterable[psutil.Process]) -> float:
    """Resident memory, where pages that processes share count once for each of them."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / MIB
