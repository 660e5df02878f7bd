"""Partitions are Kafka's own, in every client of every language."""

import pytest
from aiokafka.partitioner import murmur2

from sanyuan.common.partition import partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), VECTORS.items())
def test_the_hash_is_kafkas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF
    assert partition_of(key, 12) == (expected & 0x7FFFFFFF) % 12


def test_one_partition_holds_everything() -> None:
    assert {partition_of(key, 1) for key in VECTORS} == {0}
