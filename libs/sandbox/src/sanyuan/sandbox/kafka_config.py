"""The settings of a broker of one node, broker and controller in one JVM.

The embedded broker listens on the loopback address only; a container's also where it is told to.

A record that the broker acknowledged survives the end of its process, by whatever signal; like any
Kafka it leaves writing to the disk to the operating system, so that a power cut can cost the last
seconds, which every producer then sends again from its outbox (design §3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ADMIN: Final = "admin"
LOG4J: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %p %c{1} %m%n
logger.state.name = state.change.logger
logger.state.level = WARN
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = WARN
logger.kafkaconfig.name = kafka.server.KafkaConfig
logger.kafkaconfig.level = WARN
"""

_FIXED: Final = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN

# Whoever has no permission has none; topics come from the topic table alone.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false

# A record is at most 60 KiB of value and 512 KiB of attachments; the default lets anybody ask for
# buffers of 100 MB.
message.max.bytes=1048588
socket.request.max.bytes=16777216
log.message.timestamp.type=LogAppendTime

# One node: every internal topic has one copy, and few partitions.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.segment.bytes=16777216
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.state.log.segment.bytes=16777216
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Sized for two cores and some hundred partitions; the defaults reserve 128 MiB for compaction and
# 20 MiB of index files for each partition.
num.network.threads=2
num.io.threads=4
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=131072
metadata.max.idle.interval.ms=5000
group.initial.rebalance.delay.ms=0

# After a kill the controller refuses the new broker until the old one's session has ended: with the
# default of 9 s a restart takes 11 s, with 3 s it takes 4.5 s.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Two ports of 127.0.0.1: where clients connect, and where the broker meets its controller."""

    clients: int
    controller: int


@dataclass(frozen=True, slots=True)
class Listener:
    """Where clients connect: the address that is bound, and the one that they are told."""

    name: str
    bound: str
    advertised: str


def server_properties(ports: Ports, password: str, data: str) -> str:
    """`server.properties` with the data in the folder `data`; it holds the admin's password."""
    clients = f"127.0.0.1:{ports.clients}"
    controller = f"127.0.0.1:{ports.controller}"
    return properties([Listener("CLIENTS", clients, clients)], controller, password, data)


def properties(listeners: Sequence[Listener], controller: str, password: str, data: str) -> str:
    """`server_properties` for any addresses; brokers would meet on the first listener."""
    login = f'required username="{ADMIN}" password="{password}"'
    scram = f"org.apache.kafka.common.security.scram.ScramLoginModule {login};"
    plain = (
        f"org.apache.kafka.common.security.plain.PlainLoginModule {login} "
        f'user_{ADMIN}="{password}";'
    )
    bound = [f"{each.name}://{each.bound}" for each in listeners]
    advertised = [f"{each.name}://{each.advertised}" for each in listeners]
    protocols = [f"{each.name}:SASL_PLAINTEXT" for each in listeners]
    lines = [
        f"super.users=User:{ADMIN}",
        f"listeners={','.join([*bound, f'CONTROLLER://{controller}'])}",
        f"advertised.listeners={','.join(advertised)}",
        f"listener.security.protocol.map={','.join([*protocols, 'CONTROLLER:SASL_PLAINTEXT'])}",
        f"inter.broker.listener.name={listeners[0].name}",
        f"controller.quorum.voters=1@{controller}",
        f"listener.name.controller.plain.sasl.jaas.config={plain}",
        f"log.dirs={data}",
    ]
    for each in listeners:
        prefix = f"listener.name.{each.name.lower()}"
        lines += [
            f"{prefix}.sasl.enabled.mechanisms=SCRAM-SHA-512",
            f"{prefix}.scram-sha-512.sasl.jaas.config={scram}",
        ]
    return "\n".join([_FIXED, *lines, ""])
