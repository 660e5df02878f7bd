"""Options that several commands take, and the one text that a file of theirs holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sanyuan.common.errors import SanyuanError


class TextFileError(SanyuanError):
    """A file with a text, an assertion or a credential, cannot be read."""


As = Annotated[Path, typer.Option("--as", help="用哪个系统的文件 The system file to act with.")]
Case = Annotated[str | None, typer.Option(help="办件编号 The case; a new one by default.")]
Reason = Annotated[str, typer.Option(help="理由 The reason, kept for ever.")]
Fields = Annotated[
    list[str] | None, typer.Option("--field", help="数据项 A field; give the option once for each.")
]


def read_text(file: Path) -> str:
    """Return one line of ASCII text, of standard input for ``-``; raises TextFileError."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise TextFileError(
            f"the file cannot be read: {type(error).__name__}", where=str(file)
        ) from None
    return text.strip()
