"""Workers end with whoever uses them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sanyuan.common.workers import SHARED_BYTES, WorkerDiedError, make_pool

USER = """
import os, sys, time
from sanyuan.common.workers import make_pool
if __name__ == "__main__":
    pool = make_pool(2, "sanyuan.common.leaf")
    workers = {pool.submit(os.getpid).result() for _ in range(20)}
    print(*workers, flush=True)
    time.sleep(60)
"""


def test_work_is_done_elsewhere() -> None:
    with make_pool(1, "sanyuan.common.leaf") as pool:
        assert pool.submit(os.getpid).result(30) != os.getpid()


def test_what_a_function_raises_is_raised_here_and_the_next_is_called() -> None:
    with make_pool(1, "sanyuan.common.leaf") as pool:
        with pytest.raises(ValueError, match="invalid literal"):
            pool.submit(int, "x").result(30)
        assert pool.submit(int, "11", base=2).result(30) == 3


@pytest.mark.parametrize("size", [0, 8, SHARED_BYTES - 200, SHARED_BYTES, 3 * SHARED_BYTES])
def test_anything_travels_both_ways_whatever_its_size(size: int) -> None:
    said = os.urandom(size)
    with make_pool(1, "sanyuan.common.leaf") as pool:
        for _ in range(2):
            assert pool.submit(bytes.swapcase, said).result(30) == said.swapcase()


def test_what_was_returned_stays_as_it_was_when_more_comes() -> None:
    with make_pool(1, "sanyuan.common.leaf") as pool:
        first = pool.submit(bytes.upper, b"first" * 1000).result(30)
        pool.submit(bytes.upper, b"other" * 1000).result(30)
        assert first == b"FIRST" * 1000


def test_work_of_a_process_that_dies_fails() -> None:
    with make_pool(1, "sanyuan.common.leaf") as pool:
        for _ in range(2):
            with pytest.raises(WorkerDiedError, match="has ended"):
                pool.submit(os._exit, 1).result(30)


def test_processes_end_with_the_pool() -> None:
    with make_pool(2, "sanyuan.common.leaf") as pool:
        workers = {pool.submit(os.getpid).result(30) for _ in range(20)}
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.kill
def test_a_killed_program_leaves_no_worker(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(USER)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        workers = [int(pid) for pid in user.stdout.readline().split()]
        user.send_signal(signal.SIGKILL)
    assert workers
    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    """Whether it runs: a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
