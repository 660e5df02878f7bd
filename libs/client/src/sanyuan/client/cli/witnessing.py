"""``witness`` and ``verify-misbehaviour``: keeping a log honest, and convicting one (design §8)."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated, Final

import typer
import uvicorn

from sanyuan.client.cli.console import ERR, OUT, guard, report
from sanyuan.client.witness.app import make_app
from sanyuan.client.witness.deciding import Logs
from sanyuan.client.witness.keys import DATABASE, create_witness_key, load_witness_key
from sanyuan.client.witness.store import MODELS
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.tlog.misbehaviour import MAX_EVIDENCE_BYTES, Misbehaviour

EXIT_NOT_PROVEN: Final = 20
Folder = Annotated[Path, typer.Argument(help="The witness's own folder. 见证者自己的目录。")]
LogKeys = Annotated[
    list[str], typer.Option("--log", help="Verifier key of a log that it watches; repeatable.")
]

witness = typer.Typer(
    no_args_is_help=True,
    help="见证日志 Watch logs, and cosign their checkpoints (C2SP tlog-witness).",
)


class EvidenceFileError(SanyuanError):
    """The file cannot be read."""


@witness.command("init")
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Its name, as witness.example/w1; for ever.")],
) -> None:
    """生成见证者密钥 Make a witness's key; prints its public half for the log's policy."""
    cosigner = guard(lambda: create_witness_key(folder, name))
    OUT.print(str(cosigner.key), markup=False, highlight=False, soft_wrap=True)


@witness.command("serve")
def serve(
    folder: Folder,
    log: LogKeys,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8290,
) -> None:
    """运行见证者 Answer add-checkpoint until a signal comes."""
    cosigner = guard(lambda: load_witness_key(folder))
    logs = guard(lambda: group_keys(log))
    database = guard(lambda: Database.open(f"sqlite:///{folder.resolve() / DATABASE}", MODELS))
    try:
        uvicorn.run(
            make_app(database, cosigner, logs),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
        )
    finally:
        database.close()


def group_keys(vkeys: list[str]) -> Logs:
    """The keys by origin: a log's key is named after it (tlog-policy, "Defining a log")."""
    grouped = defaultdict[str, list[VerifierKey]](list)
    for vkey in vkeys:
        key = VerifierKey.parse(vkey)
        grouped[key.name].append(key)
    return {origin: tuple(keys) for origin, keys in grouped.items()}


def verify_misbehaviour(
    file: Annotated[Path, typer.Argument(help="The evidence. 证据文件。")],
    log: LogKeys,
) -> None:
    """核验日志作弊的证据 Check evidence against a log; exit 0 it signed two histories, 20 not."""
    keys = [key for keys in guard(lambda: group_keys(log)).values() for key in keys]
    raw = guard(lambda: _read(file))
    try:
        convicted = Misbehaviour.parse(raw).verify(keys)
    except SanyuanError as error:
        ERR.print("[bold red]不构成证据 NO PROOF[/]")
        report(error)
        raise typer.Exit(EXIT_NOT_PROVEN) from None
    smaller, larger = convicted.smaller, convicted.larger
    OUT.print("[bold red]已证明作弊 MISBEHAVIOUR PROVEN[/]: 该日志的密钥签了两段互相矛盾的历史。")
    OUT.print("The log's key signed two histories that contradict each other.")
    for line in (
        f"日志 log  {smaller.origin}",
        f"签名一 signed  {smaller.size:,} {smaller.root.hex()}",
        f"签名二 signed  {larger.size:,} {larger.root.hex()}",
        f"后者前 {smaller.size:,} 条之根 root of its first entries  {convicted.prefix.hex()}",
    ):
        OUT.print(line, markup=False, highlight=False)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise EvidenceFileError(error.strerror or str(error), where=str(path)) from None
