"""The systems of one process: one database, one broker connection per access node (design §2, §3).

Commands are durable in the outbox when `send` returns; decisions are durable in the inbox before
anyone sees them. Commits are grouped: whoever comes within a moment shares one.
"""

from sanyuan.client.connector.errors import ConnectorClosedError, StreamStoppedError
from sanyuan.client.connector.lifecycle import Connector

__all__ = ["Connector", "ConnectorClosedError", "StreamStoppedError"]
