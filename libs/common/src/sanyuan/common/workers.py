"""Processes that check signatures: pure work on every core, none left behind by any death.

They are forked from a server that was started clean, before threads and connections; a worker
leaves terminal signals to its parent, and ends by itself when that is gone, even by SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver

from sanyuan.common import memory


def make_pool(jobs: int, preload: str) -> ProcessPoolExecutor:
    """Return a pool of `jobs` processes that have imported the module `preload`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    _start_server()
    return ProcessPoolExecutor(jobs, context, initializer=_settle)


def _start_server() -> None:
    """Start the server with Ctrl-C ignored: while it imports, it would answer with a traceback."""
    if threading.current_thread() is not threading.main_thread():
        return  # only a main thread can, and Ctrl-C is then its own affair
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _settle() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    memory.settle()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # it ends when the other end of a pipe closes: by any death
    os._exit(1)
