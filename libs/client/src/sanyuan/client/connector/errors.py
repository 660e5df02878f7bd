"""Why a connector does not go on."""

from sanyuan.common.errors import SanyuanError


class StreamStoppedError(SanyuanError):
    """The log does not take this stream's records; nothing more is sent in it."""


class ConnectorClosedError(SanyuanError):
    """The connector was closed while something was still under way."""
