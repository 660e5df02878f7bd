"""The commands of an installation on this machine (design §10)."""

import logging
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox import daemon, run_folder, settings
from sanyuan.sandbox.language import Language, Words
from sanyuan.sandbox.settings import Settings

OUT: Final = Console()
ERR: Final = Console(stderr=True)
FAILED: Final = 2
INTERRUPTED: Final = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Sanyuan (三元) on this machine.",
)


class NotAnInstallationError(SanyuanError):
    """The folder holds something else than an installation."""


@app.command()
def demo(
    rate: Annotated[
        float | None,
        typer.Option(
            help="Operations of the national mix a second.",
            show_default="1140; 600 where signatures are computed one by one",
            min=1,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long.", min=1)] = 60,
) -> None:
    """Do the main job from nothing: found, load, play a case, run the nation, verify, report."""
    with _told("make demo") as (cfg, _words):
        from sanyuan.sandbox.demo.play import (  # noqa: PLC0415  it takes a second
            play,
            usual_rate,
        )

        raise typer.Exit(play(cfg, OUT, rate=rate or usual_rate(), seconds=seconds))


@app.command()
def up() -> None:
    """Start the installation and keep it running."""
    with _told("make up") as (cfg, words):
        from sanyuan.sandbox.keeping import start  # noqa: PLC0415  see demo

        start(cfg, OUT)
        OUT.print(
            words(
                "\n已在后台运行。看状态：make status　停止：make down",
                "\nRunning in the background. Look: make status   Stop: make down",
            )
        )


@app.command()
def down() -> None:
    """Stop the installation; its state stays."""
    with _told("make down") as (cfg, words):
        stopped = daemon.halt(cfg.var)
        OUT.print(
            words(
                "已停止；数据都在，make up 接着运行。", "Stopped; nothing is lost: make up goes on."
            )
            if stopped
            else words("本来就没有运行。", "Nothing was running.")
        )


@app.command()
def status() -> None:
    """Say what runs, since when, and what it waits for; exit 0 when all is well, else 1."""
    with _told("make status") as (cfg, _words):
        from sanyuan.sandbox.status import gather, render  # noqa: PLC0415  see demo

        found = gather(cfg)
        OUT.print(render(found, cfg.language))
        raise typer.Exit(0 if found.well else 1)


@app.command()
def clean(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:  # noqa: FBT002  a flag of the command line
    """Ask, then remove the installation's folder with everything in it."""
    with _told("make clean") as (cfg, words):
        _check_removable(cfg)
        if not cfg.var.exists():
            OUT.print(words("没有可清除的。", "There is nothing to remove."))
            return
        question = words(
            f"删除 {cfg.var} 及其中的一切（密钥、日志、全部记录）？",
            f"Remove {cfg.var} with everything in it (keys, log, all records)?",
        )
        if yes or typer.confirm(question, default=False):
            shutil.rmtree(cfg.var)
            OUT.print(words("已删除。", "Removed."))
        else:
            OUT.print(words("什么都没有动。", "Nothing was touched."))


@app.command()
def bench(
    only: Annotated[
        list[str] | None, typer.Option(help="nation, kinds, cycles, audit, memory; all by default.")
    ] = None,
    records: Annotated[int, typer.Option(help="Commands of each backlog.", min=2000)] = 20_000,
    size: Annotated[
        list[int] | None, typer.Option(help="Entries of logs to take memory of.", min=1000)
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long each rate goes on.", min=1)] = 10,
    flame: Annotated[
        Path | None, typer.Option(help="Draw where a shared call's CPU goes (needs py-spy).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw memory over the size of the log.")] = None,
) -> None:
    """Measure each part beside another one of the same run; writes var/bench.json."""
    with _told("make bench") as (cfg, _words):
        from sanyuan.sandbox.bench.run import PARTS, Wanted  # noqa: PLC0415  see demo
        from sanyuan.sandbox.bench.run import bench as measure  # noqa: PLC0415  see demo

        if unknown := set(only or ()) - set(PARTS):
            raise typer.BadParameter(f"{', '.join(sorted(unknown))}: not of {', '.join(PARTS)}")
        sizes = tuple(sorted(size or (10_000, 100_000)))
        measure(cfg, OUT, Wanted(only or PARTS, records, sizes, seconds, flame, plot))


@app.command()
def faults(
    seconds: Annotated[float, typer.Option(help="How long.", min=1)] = 120,
    rate: Annotated[float, typer.Option(help="Operations of the national mix a second.", min=1)] = (
        80
    ),
    seed: Annotated[int, typer.Option(help="The same seed strikes in the same order.")] = 1,
) -> None:
    """Kill services, departments and broker under the national mix; writes var/faults.json."""
    with _told("make faults") as (cfg, _words):
        from sanyuan.sandbox.faults.run import faults as strike  # noqa: PLC0415  see demo

        faultless = strike(cfg, OUT, seconds=seconds, rate=rate, seed=seed)
        raise typer.Exit(0 if faultless else 1)


def main() -> None:
    """Entry point of ``python -m sanyuan.sandbox``."""
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters comes as one clear error
    signal.signal(signal.SIGTERM, _interrupt)
    app()


@contextmanager
def _told(command: str) -> Iterator[tuple[Settings, Words]]:
    """Settings and language; every error is one message, Ctrl-C says how to go on."""
    words = Words(Language.ENGLISH)
    try:
        cfg = settings.load()
        words = Words(cfg.language)
        yield cfg, words
    except SanyuanError as error:
        _show(error, words)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        ERR.print(
            words(
                f"\n已全部停止，数据完好。接着来：{command}",
                f"\nEverything is stopped and nothing is lost. To go on: {command}",
            )
        )
        sys.exit(INTERRUPTED)


def _show(error: SanyuanError, words: Words) -> None:
    name = type(error).__name__.removesuffix("Error")
    ERR.print(f"\n[bold red]{words('没有成功', 'Stopped')}[/] [dim]({name})[/] ", end="")
    ERR.print(error.what, markup=False, highlight=False)
    for label, text in (
        (words("位置", "where"), error.where),
        (words("怎么办", "do"), error.do),
    ):
        if text:
            ERR.print(f"  {label}  {text}", markup=False, highlight=False)


def _check_removable(cfg: Settings) -> None:
    if run_folder.supervisor(cfg.var / "run") is not None:
        raise run_folder.AlreadyRunningError(
            "this installation is running", where=str(cfg.var), do="stop it first: make down"
        )
    ours = ("kafka", "systems", "requests", "run", "logs", "registers")
    if (
        cfg.var.exists()
        and any(cfg.var.iterdir())
        and not any((cfg.var / name).is_dir() for name in ours)
    ):
        raise NotAnInstallationError(
            "this folder does not look like an installation of ours, so it stays",
            where=str(cfg.var),
            do="look at SANYUAN_VAR",
        )


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
