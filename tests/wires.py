"""A connection between a client and a server that breaks when it is told to."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Literal, Self

HOST: Final = "127.0.0.1"
Loss = Literal["question", "answer"]


class Wire:
    """Forwards to a port; when armed, the next bytes with a word in them are the last.

    ``question``: the server never gets them; ``answer``: it does, and its answer is lost.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server((HOST, 0))
        self._armed: tuple[bytes, Loss] | None = None
        self._sockets: list[socket.socket] = [self._server]
        self._threads: list[threading.Thread] = []
        self.breaks = 0
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._close(*self._sockets)
        for thread in self._threads:
            thread.join()

    def arm(self, word: bytes, loss: Loss) -> None:
        """Break at the next ``word``."""
        self._armed = word, loss

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._server.accept()[0]
                server = socket.create_connection((HOST, self._target))
                self._sockets += [client, server]
                answers_end = threading.Event()
                self._start(partial(self._ask, client, server, answers_end))
                self._start(partial(self._answer, client, server, answers_end))

    def _ask(self, client: socket.socket, server: socket.socket, ends: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self._armed is not None and self._armed[0] in data:
                    loss, self._armed = self._armed[1], None
                    self.breaks += 1
                    if loss == "question":
                        break
                    ends.set()
                server.sendall(data)
        if not ends.is_set():
            self._close(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, ends: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if ends.is_set():
                    break
                client.sendall(data)
        self._close(client, server)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _close(*sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
