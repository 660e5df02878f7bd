"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

As = Annotated[Path, typer.Option("--as", help="用哪个系统的文件 The system file to act with.")]
Case = Annotated[str | None, typer.Option(help="办件编号 The case; a new one by default.")]
Reason = Annotated[str, typer.Option(help="理由 The reason, kept for ever.")]
Fields = Annotated[
    list[str] | None, typer.Option("--field", help="数据项 A field; give the option once for each.")
]
