"""Run audit: `python -m sanyuan.audit`."""

from typing import Final

import uvicorn

from sanyuan.audit.app import make_app
from sanyuan.audit.settings import Settings

GRACE_SECONDS: Final = 2
"""Followers never hang up by themselves."""


def main() -> None:
    """Serve until a signal comes."""
    settings = Settings.from_environment()
    uvicorn.run(
        make_app(settings),
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
