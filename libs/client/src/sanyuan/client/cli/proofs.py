"""``proof`` and ``verify-proof``: one record's proof, checked by anybody, offline (design §8)."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from sanyuan.client.cli.console import DEFAULT_VAR, ERR, OUT, Var, guard, report
from sanyuan.client.cli.log import (
    AgencyKey,
    AsJson,
    Log,
    LogKey,
    PolicyFile,
    Reader,
    find_keys,
    open_log,
    read_policy,
)
from sanyuan.client.proving import Proven, RecordProof, find_proof, parse_wanted
from sanyuan.client.proving.bundle import MAX_PROOF_BYTES, RecordProofError
from sanyuan.common.errors import SanyuanError

SUFFIX: Final = ".tlog-proof"
EXIT_NOT_PROVEN: Final = 20
NOT_SHOWN: Final = (
    ("所记之事属实", "that what the record says is true"),
    ("密钥在记录之前未被吊销", "that the key had not been revoked before the record"),
    ("日志完整、且人人所见相同", "that the log is complete, and the same for everybody"),
)
UNWITNESSED: Final = ("未核对见证者", "no witness was asked for")


class ProofFileError(SanyuanError):
    """A file of the command cannot be read or written."""


def proof(
    record: Annotated[
        str, typer.Argument(help="Its index, its id, or SOURCE/TOPIC/SEQUENCE. 序号、编号或位置。")
    ],
    log: Log = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; entry-<index>.tlog-proof.")
    ] = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    system: Reader = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """写出一条记录的证明 Write the proof that a record is in the log, and by whom."""

    def make() -> RecordProof:
        wanted = parse_wanted(record)
        keys = find_keys(var, agency_key, log_key)
        with open_log(log, var, system) as source:
            return find_proof(source, *keys, wanted)

    made = guard(make)
    path = out or Path(f"entry-{made.bundle.index}{SUFFIX}")
    guard(lambda: _write(path, bytes(made)))
    OUT.print(str(path), markup=False, highlight=False)


def verify_proof(
    file: Annotated[Path | None, typer.Argument(help="The proof. 证明文件。")] = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    policy: PolicyFile = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Write a page that checks proofs in any browser, offline. 另存核验网页。"
        ),
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002  a flag of the command line
    var: Var = DEFAULT_VAR,
) -> None:
    """离线核验一个证明 Check a proof, offline; exit 0 proven, 20 not proven."""
    if page is not None:
        guard(lambda: _write(page, page_bytes()))
        OUT.print(str(page), markup=False, highlight=False)
    if file is None:
        if page is None:
            raise typer.BadParameter("name a proof, or a --page to write")
        return
    keys = guard(lambda: find_keys(var, agency_key, log_key))
    trusted = guard(lambda: read_policy(policy))
    raw = guard(lambda: _read(file))
    try:
        shown = RecordProof.parse(raw).verify(*keys, trusted.keys)
        if not trusted.satisfied(shown.witnesses):
            raise RecordProofError(
                "too few of the policy's witnesses cosigned the checkpoint", where=trusted.quorum
            )
    except SanyuanError as error:
        if as_json:
            OUT.print_json(json.dumps({"proven": False, "why": str(error)}))
        ERR.print("[bold red]未能证明 NOT PROVEN[/]")
        report(error)
        raise typer.Exit(EXIT_NOT_PROVEN) from None
    if as_json:
        OUT.print_json(json.dumps(as_fields(shown), ensure_ascii=False))
    else:
        show(shown)


def page_bytes() -> bytes:
    """The page that verifies proofs in a browser: one file that needs no network."""
    return (files("sanyuan.client.proving") / "page.html").read_bytes()


def as_fields(shown: Proven) -> dict[str, Any]:
    """What a proof shows, for `--json`."""
    return {
        "proven": True,
        "log": shown.head.origin,
        "size": shown.head.size,
        "root": shown.head.root.hex(),
        "index": shown.index,
        "source": shown.leaf.envelope.source,
        "key": str(shown.key),
        "registered": shown.registered,
        "witnesses": {key.name: at for key, at in shown.witnesses.items()},
        "record": json.loads(shown.leaf.value),
        "not_shown": [english for _, english in NOT_SHOWN],
    }


def show(shown: Proven) -> None:
    """What a proof shows and does not, for people."""
    envelope, head = shown.leaf.envelope, shown.head
    table = Table.grid(padding=(0, 2))
    table.add_row("日志 log", head.origin)
    table.add_row("位置 place", f"{shown.index:,} of {head.size:,}; root {head.root.hex()}")
    table.add_row("来源 source", envelope.source)
    table.add_row("流中位置 stream", f"{_plain(envelope.topic)} {envelope.number:,}")
    table.add_row("时间 time", envelope.time)
    table.add_row("类型 type", envelope.type)
    table.add_row("密钥 key", _key(shown))
    for key, at in shown.witnesses.items():
        table.add_row("见证 witness", f"{key.name}  {datetime.fromtimestamp(at, UTC).isoformat()}")
    OUT.print("[bold green]已证明 proven[/]: 此记录由其来源签名，在日志中的这一位置。")
    OUT.print("Its source signed this record, and the log holds it at this place.")
    OUT.print(table, highlight=False, markup=False)
    lacking = NOT_SHOWN if shown.witnesses else (*NOT_SHOWN, UNWITNESSED)
    OUT.print("此证明不能说明 What it does not show:", style="dim")
    for chinese, english in lacking:
        OUT.print(f"  · {chinese} {english}", style="dim", highlight=False)


def _plain(text: str) -> str:
    """A sender's text without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _key(shown: Proven) -> str:
    if shown.registered is None:
        return f"{shown.key.key_id.hex()}, 即主管机构密钥 the agency's own"
    return (
        f"{shown.key.key_id.hex()}, 主管机构登记于 registered by the agency in entry "
        f"{shown.registered:,}"
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_PROOF_BYTES + 1)
    except OSError as error:
        raise ProofFileError(error.strerror or str(error), where=str(path)) from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ProofFileError(error.strerror or str(error), where=str(path)) from None
