"""Processes that check signatures: pure work on every core, none left behind by any death.

They are forked from a server that was started clean, before threads and connections; a worker
leaves terminal signals to its parent, and ends by itself when that is gone, even by SIGKILL.

`concurrent.futures.ProcessPoolExecutor` leads every piece of work through two threads and two
queues: 0.7 µs of CPU a record of audit's more than a pipe to each process. What travels lies in
memory that both share, and the pipe only says so.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import pickle
import signal
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar

from sanyuan.common import memory
from sanyuan.common.errors import SanyuanError

P = ParamSpec("P")
T = TypeVar("T")
SHARED_BYTES: Final = 2 * 1024 * 1024
"""What two processes share; what is larger goes through their pipe."""
_LENGTH: Final = struct.Struct("!Q")
_START: Final = "forkserver"


class WorkerDiedError(SanyuanError):
    """A process ended in the middle of its work; what it had is lost."""


class ProcessPool(ThreadPoolExecutor):
    """An executor in whose processes functions are called; each has a thread here, and a pipe.

    Functions, what they are given and what they return are pickled. What a function raises is
    raised by its future; WorkerDiedError when its process is gone.
    """

    def __init__(self, jobs: int) -> None:
        self._own = threading.local()
        """A thread's line, which closes with the thread: then its process ends."""
        super().__init__(jobs, "workers", self._begin)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the processes."""
        return super().submit(self._call, fn, args, kwargs)

    def _begin(self) -> None:
        context = multiprocessing.get_context(_START)
        shared = context.RawArray("B", SHARED_BYTES)
        ours, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, shared), daemon=True).start()
        theirs.close()
        self._own.line = _Line(ours, shared)

    def _call(self, *call: Any) -> Any:  # noqa: ANN401  whatever the function takes and returns
        line: _Line = self._own.line
        try:
            line.send(call)
            returned, found = line.receive()
        except (EOFError, ConnectionError):
            raise WorkerDiedError("a process that checks has ended", do="start again") from None
        if returned:
            return found
        raise found


class _Line:
    """One end between two processes of which one speaks at a time.

    Raises EOFError or ConnectionError once the other is gone.
    """

    def __init__(self, pipe: Connection, shared: ctypes.Array[ctypes.c_ubyte]) -> None:
        self._pipe = pipe
        self._shared = memoryview(shared).cast("B")

    def send(self, said: object) -> None:
        """Leave it in the shared memory and say how long it is, or send all of it."""
        packed = pickle.dumps(said)
        if len(packed) <= SHARED_BYTES:
            self._shared[: len(packed)] = packed
            packed = _LENGTH.pack(len(packed))
        self._pipe.send_bytes(packed)

    def receive(self) -> Any:  # noqa: ANN401  whatever was sent
        """Wait for what the other sends."""
        packed: bytes | memoryview = self._pipe.recv_bytes()
        if len(packed) == _LENGTH.size:
            packed = self._shared[: _LENGTH.unpack(packed)[0]]
        return pickle.loads(packed)  # noqa: S301  made by `send`, in this program


def make_pool(jobs: int, preload: str) -> ProcessPool:
    """Return a pool of `jobs` processes that have imported the module `preload`."""
    multiprocessing.get_context(_START).set_forkserver_preload([preload])
    _start_server()
    return ProcessPool(jobs)


def _start_server() -> None:
    """Start the server with Ctrl-C ignored: while it imports, it would answer with a traceback."""
    if threading.current_thread() is not threading.main_thread():
        return  # only a main thread can, and Ctrl-C is then its own affair
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, shared: ctypes.Array[ctypes.c_ubyte]) -> None:
    """Do what comes, until the other end of the pipe closes: by any death of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory.settle()
    line = _Line(pipe, shared)
    with suppress(EOFError, ConnectionError):
        while True:
            function, args, kwargs = line.receive()
            try:
                answer = True, function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001  the caller's to judge
                answer = False, error
            line.send(answer)
