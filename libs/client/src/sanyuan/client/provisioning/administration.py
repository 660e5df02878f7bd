"""Brings a broker's topics, users and permissions to what is wanted; each call is idempotent."""

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    TopicMetadata,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from sanyuan.client.broker import Broker
from sanyuan.client.provisioning.permissions import Permission, topic_settings
from sanyuan.common.errors import SanyuanError
from sanyuan.common.topics import Topic

_SECONDS: Final = 30.0
_ITERATIONS: Final = 4096
"""The least that Kafka takes; passwords are random, of 256 bits, so that more would add nothing."""
_ANY: Final[Any] = None
_OPERATIONS: Final = {"read": AclOperation.READ, "write": AclOperation.WRITE}
_RESOURCES: Final = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
Advance = Callable[[int], None]


class ProvisioningError(SanyuanError):
    """The broker cannot be brought to what the directory asks of it."""


class Administration:
    """The broker, seen by its administrator. Every method raises ProvisioningError."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._admin = AdminClient(broker.librdkafka())

    def ensure_topics(self, wanted: Mapping[str, Topic]) -> int:
        """Creates what is missing and corrects settings; returns how many were created."""
        with self._explained():
            known = self._topics()
            for name in wanted.keys() & known.keys():
                self._check_partitions(name, len(known[name].partitions), wanted[name].partitions)
            missing = [
                NewTopic(name, topic.partitions, config=topic_settings(topic))
                for name, topic in wanted.items()
                if name not in known
            ]
            if missing:
                _done(self._admin.create_topics(missing, operation_timeout=_SECONDS).values())
                self._until_seen(lambda: wanted.keys() <= self._topics().keys())
            self._correct({n: topic for n, topic in wanted.items() if n in known})
        return len(missing)

    def ensure_users(
        self, passwords: Mapping[str, str | None], advance: Advance = lambda _: None
    ) -> tuple[int, dict[str, str]]:
        """Creates the users that are missing; returns how many, and everybody's password.

        A user whose password nobody knows (None) gets a new one.
        """
        if self._broker.username in passwords:
            raise ProvisioningError(
                f"no access node may be called {self._broker.username}: that is the administrator",
                do="the agency must admit its systems behind a node of another name",
            )
        result = {user: known or secrets.token_urlsafe(32) for user, known in passwords.items()}
        with self._explained():
            present = self._users()
            fresh = [u for u in result if u not in present or passwords[u] is None]
            if fresh:
                changes: list[UserScramCredentialAlteration] = [
                    _credential(user, result[user]) for user in fresh
                ]
                futures = self._admin.alter_user_scram_credentials(changes)
                for number, future in enumerate(futures.values(), len(result) - len(fresh) + 1):
                    future.result(_SECONDS)
                    advance(number)
                self._until_seen(lambda: result.keys() <= self._users())
            advance(len(result))
        return len(fresh), result

    def ensure_permissions(
        self, wanted: Collection[Permission], principals: Collection[str]
    ) -> tuple[int, int]:
        """Grants what is missing, takes from `principals` what is no longer wanted; both counts."""
        with self._explained():
            bindings = {_binding(permission) for permission in wanted}
            present = self._acls()
            missing = sorted(bindings - present, key=str)
            surplus = [acl for acl in present - bindings if acl.principal in principals]
            if missing:
                _done(self._admin.create_acls(missing, request_timeout=_SECONDS).values())
            if surplus:
                _done(self._admin.delete_acls([_exactly(acl) for acl in surplus]).values())
            self._until_seen(lambda: bindings <= self._acls())
        return len(missing), len(surplus)

    def _topics(self) -> dict[str, TopicMetadata]:
        described = self._admin.list_topics(timeout=_SECONDS).topics
        return {name: topic for name, topic in described.items() if topic.error is None}

    def _users(self) -> set[str]:
        return set(_answer(self._admin.describe_user_scram_credentials()))

    def _acls(self) -> set[AclBinding]:
        return set(_answer(self._admin.describe_acls(_EVERYTHING)))

    @staticmethod
    def _until_seen(seen: Callable[[], bool]) -> None:
        """Waits for the broker: it learns later, if in order, what its controller has decided.

        Without it the first client to use a new user is told that there is none.
        """
        end = time.monotonic() + _SECONDS
        while not seen():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.02)

    def _correct(self, topics: Mapping[str, Topic]) -> None:
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics]
        changes = []
        for resource, future in (self._admin.describe_configs(resources) if topics else {}).items():
            present = future.result(_SECONDS)
            settings = topic_settings(topics[resource.name])
            wrong = [(k, v) for k, v in settings.items() if present[k].value != v]
            entries = [
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in wrong
            ]
            if entries:
                changes.append(
                    ConfigResource(resource.restype, resource.name, incremental_configs=entries)
                )
        if changes:
            _done(self._admin.incremental_alter_configs(changes).values())

    def _check_partitions(self, name: str, present: int, wanted: int) -> None:
        if present != wanted:
            raise ProvisioningError(
                f"topic {name} has {present} partitions, not {wanted}",
                where=self._broker.bootstrap_servers,
                do="partition counts never change: move the domain to a broker of its own",
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (KafkaException, TimeoutError) as error:
            raise ProvisioningError(
                _said(error), where=self._broker.bootstrap_servers, do=_ADVICE
            ) from error


_EVERYTHING: Final = AclBindingFilter(
    ResourceType.ANY,
    _ANY,
    ResourcePatternType.ANY,
    _ANY,
    _ANY,
    AclOperation.ANY,
    AclPermissionType.ANY,
)
_ADVICE: Final = "see whether the broker is up, and whether the administrator's file is its own"


def _said(error: Exception) -> str:
    cause = error.args[0] if error.args else None
    if isinstance(cause, KafkaError):
        return f"the broker refuses or does not answer: {cause.str()} ({cause.name()})"
    return f"the broker does not answer within {_SECONDS:.0f} s"


def _credential(user: str, password: str) -> UserScramCredentialUpsertion:
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    return UserScramCredentialUpsertion(user, how, password.encode())


def _binding(permission: Permission) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if permission.prefixed else ResourcePatternType.LITERAL
    return AclBinding(
        _RESOURCES[permission.resource],
        permission.name,
        pattern,
        permission.principal,
        "*",
        _OPERATIONS[permission.operation],
        AclPermissionType.ALLOW,
    )


def _exactly(acl: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )


def _done(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.result(_SECONDS)


def _answer(future: Any) -> Any:  # noqa: ANN401  confluent-kafka types what it returns as a union
    return future.result(_SECONDS)
