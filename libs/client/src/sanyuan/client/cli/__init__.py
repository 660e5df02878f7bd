"""The ``sanyuan`` command: the SDK and the verifier at a terminal."""

from sanyuan.client.cli.main import main

__all__ = ["main"]
