"""What all tests share: one real broker for the whole run, empty for whoever asks for it empty."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import hypothesis
import pytest
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from tests.postgresql import Server, serve
from tests.stores import File, Home, InSchemas, Schema, Scratch, in_memory
from tests.workers import ByFile, block_of_ports, check_shared, longest_first, shells_first

from sanyuan.sandbox import settings
from sanyuan.sandbox.embedded import EmbeddedKafka, install
from sanyuan.sandbox.supervisor import Supervisor

if TYPE_CHECKING:
    from tests.container import ContainedKafka

# Its types do not say so, but a filter's name, principal and host may be None: any.
_ANY = cast("str", None)
_EVERY_ACL = AclBindingFilter(
    ResourceType.ANY,
    _ANY,
    ResourcePatternType.ANY,
    _ANY,
    _ANY,
    AclOperation.ANY,
    AclPermissionType.ANY,
)

hypothesis.settings.register_profile("sanyuan", deadline=None)  # a busy machine breaks no law
hypothesis.settings.load_profile("sanyuan")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The order of the run; a single process keeps the usual one otherwise."""
    check_shared(items)
    shells_first(items)
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:  # noqa: ANN401
    """How the process that distributes tests does it."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def kafka(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator["EmbeddedKafka | ContainedKafka"]:
    """The broker of this run: all who ask for it are in one process (workers.py).

    A container when SANYUAN_TEST_KAFKA is `docker` (make test-docker).
    """
    port = block_of_ports()
    if os.environ.get("SANYUAN_TEST_KAFKA") == "docker":
        yield from contained(port)
        return
    var = tmp_path_factory.mktemp("var")
    broker = install(replace(settings.load(), var=var, kafka_port=port))
    with Supervisor(var) as supervisor:
        embedded = EmbeddedKafka(broker, supervisor)
        embedded.start()
        yield embedded


def contained(port: int) -> "Iterator[ContainedKafka]":
    """A broker in a container, as long as the run lasts."""
    from tests.container import ContainedKafka  # noqa: PLC0415  only who has an engine needs it

    broker = ContainedKafka(port)
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """The PostgreSQL server of this run; started by the first test that asks for it."""
    yield from serve()


STORES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", params=STORES)
def scratch(request: pytest.FixtureRequest) -> Iterator[Scratch]:
    """Connections to empty tables, in both stores."""
    if request.param == "sqlite":
        yield in_memory
        return
    made = InSchemas(request.getfixturevalue("postgresql"))
    yield made
    made.close()


@pytest.fixture(params=STORES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A place for a database: whoever asks for it runs on both stores."""
    if request.param == "sqlite":
        return File(tmp_path)
    return Schema(request.getfixturevalue("postgresql"))


@pytest.fixture
def address(home: Home) -> str:
    """The address of a database in which nothing is yet, in both stores."""
    return home.address


@pytest.fixture
def empty_kafka(kafka: EmbeddedKafka) -> EmbeddedKafka:
    """The same broker without topics or permissions of an earlier test.

    Users stay, with passwords that nobody knows any more: Kafka 4.3.1 can lose every user at its
    next start when one was deleted (ScramDelta.apply drops what comes after the first tombstones).
    """
    admin = AdminClient(kafka.admin.librdkafka())
    for deleted in admin.delete_topics(topics).values() if (topics := _topics(admin)) else ():
        deleted.result(10)
    for deleted in admin.delete_acls([_EVERY_ACL]).values():
        deleted.result(10)
    # The controller has forgotten them; the broker learns of it a little later.
    while _topics(admin) or admin.describe_acls(_EVERY_ACL).result(10):
        time.sleep(0.02)
    return kafka


def _topics(admin: AdminClient) -> list[str]:
    return [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
