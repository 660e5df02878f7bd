"""What the embedded broker is made with."""

from uuid import UUID

from sanyuan.sandbox.kafka import cluster_id


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    drawn = iter([UUID(bytes=b"\xf8" + bytes(15)), UUID(int=0)])
    assert cluster_id(lambda: next(drawn)) == "A" * 22
