"""Run audit: `python -m sanyuan.audit`."""

import uvicorn

from sanyuan.audit.app import make_app
from sanyuan.audit.settings import Settings


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
    )


if __name__ == "__main__":
    main()
