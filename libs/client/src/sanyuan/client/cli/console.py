"""How every command talks: one console, one way to fail."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console

from sanyuan.common.errors import SanyuanError

T = TypeVar("T")
OUT: Final = Console()
ERR: Final = Console(stderr=True)
FAILED: Final = 2

Var = Annotated[
    Path, typer.Option("--var", envvar="SANYUAN_VAR", help="The installation's folder.")
]
DEFAULT_VAR: Final = Path("var")


def say(text: str) -> None:
    """Tell what is waited for, on standard error."""
    ERR.print(text, style="dim")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; an error of ours becomes one message and exit code 2."""
    return guard(lambda: asyncio.run(work))


def guard(work: Callable[[], T]) -> T:
    """Call; an error of ours becomes one message and exit code 2."""
    try:
        return work()
    except SanyuanError as error:
        report(error)
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        sys.exit(130)


def report(error: SanyuanError) -> None:
    """What, where, what to do."""
    ERR.print(f"[bold red]{type(error).__name__.removesuffix('Error')}[/]: ", end="")
    ERR.print(error.what, markup=False, highlight=False)
    if error.where:
        ERR.print(f"  where  {error.where}", markup=False, highlight=False)
    if error.do:
        ERR.print(f"  do     {error.do}", markup=False, highlight=False)
