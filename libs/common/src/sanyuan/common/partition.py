"""Kafka's own partitioner: murmur2 of the key (org.apache.kafka.common.utils.Utils.murmur2)."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition in which every record with this key lies."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
