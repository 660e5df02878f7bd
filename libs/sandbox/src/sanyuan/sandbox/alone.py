"""One at a time, over all processes of this machine: who fills the shared cache, for example."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Waits until nobody else is in `folder` by this function; raises OSError, as a file would.

    The lock ends with the process that has it, and leaves nothing in the folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
