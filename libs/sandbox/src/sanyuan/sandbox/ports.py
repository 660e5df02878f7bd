"""Ports of this machine's loopback: which are free, and who has one that is not."""

import errno
import socket
from typing import Final

import psutil

from sanyuan.common.errors import SanyuanError

HOST: Final = "127.0.0.1"
FIRST: Final = 19092
"""Below the ports given to outgoing connections, so that ours is still free next time."""
_TRIED: Final = 1000


class PortTakenError(SanyuanError):
    """Something else listens where we should."""


def free(first: int = FIRST) -> int:
    """The first free port from `first` on; raises PortTakenError when a thousand are taken."""
    last = min(first + _TRIED, 65535)
    for port in range(first, last + 1):
        if is_free(port):
            return port
    raise PortTakenError(
        f"no port from {first} to {last} is free", where=HOST, do="stop what listens there"
    )


def check(port: int, setting: str) -> None:
    """Raises PortTakenError, naming who has it and the `setting` that chooses another."""
    if not is_free(port):
        raise PortTakenError(
            f"port {port} is taken{_by(port)}",
            where=f"{HOST}:{port}",
            do=f"stop it, or choose another port with {setting}",
        )


def is_free(port: int) -> bool:
    """Whether a server could listen there now; raises OSError where binding is forbidden."""
    with socket.socket() as probe:
        # As Java does: connections of an earlier server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _by(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,):
                name = psutil.Process(connection.pid).name() if connection.pid else "another user"
                return f" by {name} (process {connection.pid})" if connection.pid else f" by {name}"
    except psutil.Error:
        # Some systems tell only root who listens; the port is taken all the same.
        pass
    return ""
