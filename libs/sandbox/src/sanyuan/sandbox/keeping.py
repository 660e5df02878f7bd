"""`make up`: the installation under a supervisor in the background."""

from rich.console import Console

from sanyuan.sandbox import daemon
from sanyuan.sandbox.run_folder import AlreadyRunningError, supervisor
from sanyuan.sandbox.runner import BackgroundRunner
from sanyuan.sandbox.settings import Settings
from sanyuan.sandbox.starting import bring_up


def start(settings: Settings, console: Console) -> None:
    """Start it and return; what an interrupted start has begun is stopped again.

    Raises SanyuanError, AlreadyRunningError among them while a `demo` has the folder.
    """
    launched = not daemon.serves(settings.var)
    if launched:
        if (holder := supervisor(settings.var / "run")) is not None:
            raise AlreadyRunningError(
                f"a demo is running here (process {holder.pid})",
                where=str(settings.var),
                do="let it end, or stop it: make down",
            )
        daemon.launch(settings.var)
    try:
        bring_up(settings, BackgroundRunner(settings.var), console)
    except BaseException:
        if launched:
            daemon.halt(settings.var)
        raise
