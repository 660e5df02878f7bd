"""Run the catalog: ``python -m sanyuan.catalog``."""

import uvicorn

from sanyuan.catalog.app import make_app
from sanyuan.catalog.settings import Settings


def main() -> None:
    """Serve until a signal comes; finishes the running batch first."""
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
