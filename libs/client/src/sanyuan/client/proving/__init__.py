"""One record's proof in one file: that it is in the log, and that its sender signed it (design §8).

The file is a C2SP tlog-proof; its `extra` line carries the entry and the agency's entries that
registered the key, so that a reader needs nothing but the agency's and the log's public keys.
"""

from sanyuan.client.proving.bundle import Proven, RecordProof
from sanyuan.client.proving.finding import Wanted, find_proof, parse_wanted

__all__ = ["Proven", "RecordProof", "Wanted", "find_proof", "parse_wanted"]
