import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanyuan.sandbox import jar_cache, ports, settings
from sanyuan.sandbox.java import Java
from sanyuan.sandbox.kafka import PORT_SETTING, Kafka
from sanyuan.sandbox.ports import PortTakenError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((ports.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_is_taken_is_an_error_that_says_by_whom_and_what_to_do(taken: int) -> None:
    with pytest.raises(PortTakenError) as caught:
        ports.check(taken, PORT_SETTING)

    assert f"port {taken} is taken by" in caught.value.what
    assert PORT_SETTING in str(caught.value.do)


def test_the_broker_does_not_start_on_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    java = Java(jar_cache.ensure(settings.load().cache))

    with pytest.raises(PortTakenError):
        Kafka(tmp_path, java, taken).prepare()


def test_the_next_free_port_is_found(taken: int) -> None:
    assert ports.free(taken) != taken
