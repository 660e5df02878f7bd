"""The benchmark's own records are what the audit service takes for authentic."""

from sanyuan.common.envelope import ZERO_HASH, hash_value
from sanyuan.common.leaf import parse_leaf
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.bench.signed import RECORD_BYTES, Writers


def test_records_have_700_bytes_are_signed_and_continue_their_streams() -> None:
    names = [f"//cn/departments/11110000000012345X/bench-{at}" for at in range(3)]
    writers = Writers([SystemFile.create(name) for name in names])
    heads = dict.fromkeys(names, (0, ZERO_HASH))
    for key, value, signature in writers.make(7) + writers.make(5):
        leaf = parse_leaf(b"%s\n\n%s\n" % (value, signature))
        leaf.verify(writers.keys[key])
        last, head = heads[leaf.envelope.source]
        assert (leaf.envelope.number, leaf.envelope.previous) == (last + 1, head)
        assert (key.decode(), len(value)) == (leaf.envelope.source, RECORD_BYTES)
        heads[leaf.envelope.source] = (last + 1, hash_value(value))
    assert [last for last, _ in heads.values()] == [4, 4, 4]
