"""``verify`` and ``follow``: the log, checked by whoever wants to (design §8, §10)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sanyuan.client.cli.console import DEFAULT_VAR, ERR, OUT, Var, guard, run
from sanyuan.client.cli.drilling import run_drill
from sanyuan.client.follow import Follower
from sanyuan.client.heads.keeping import Posted
from sanyuan.client.verify import Report, verify_log
from sanyuan.client.verify.render import print_report
from sanyuan.client.verify.silenced import load_posted
from sanyuan.client.verify.source import FolderSource, HttpSource, open_source
from sanyuan.client.verify.witnessed import Views
from sanyuan.common.errors import SanyuanError
from sanyuan.common.notes import VerifierKey
from sanyuan.common.rules import RuleError
from sanyuan.common.systems import SystemFile
from sanyuan.common.tlog.policy import Policy

Log = Annotated[
    str | None, typer.Argument(help="A tlog-tiles folder or its URL; VAR/audit/log by default.")
]
AgencyKey = Annotated[
    str | None, typer.Option(help="Verifier key; this installation's by default.")
]
LogKey = Annotated[str | None, typer.Option(help="Verifier key; by default the one in VAR.")]
Reader = Annotated[
    Path | None,
    typer.Option("--as", help="以哪个系统读取 The system file to read the entries of a URL with."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


PolicyFile = Annotated[
    Path | None, typer.Option("--policy", help="A C2SP tlog-policy: witnesses and their quorum.")
]


class PolicyFileError(SanyuanError):
    """The policy cannot be read."""


class KeysError(SanyuanError):
    """The keys to verify with are not known."""


def verify(  # noqa: PLR0913, PLR0917  one for each option
    log: Log = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    policy: PolicyFile = None,
    ask_witnesses: Annotated[  # noqa: FBT002  a flag of the command line
        bool, typer.Option(help="Ask the policy's witnesses over HTTP what they have seen.")
    ] = False,
    heads: Annotated[
        str | None,
        typer.Option(help="What systems told the supervisor: its folder of heads, or its URL."),
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="Where to write proof of misbehaviour, if there is any.")
    ] = None,
    drill: Annotated[  # noqa: FBT002  as above
        bool, typer.Option("--drill", help="Tamper with a copy in every known way instead.")
    ] = False,
    system: Reader = None,
    archive: Annotated[
        Path | None, typer.Option(help="冷存储 Where the entries of earlier years are.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002  a flag of the command line
    var: Var = DEFAULT_VAR,
) -> None:
    """Check every byte of a log; exit 0 sound, 10 incomplete, 20 forged, 30 could not check."""
    keys = guard(lambda: find_keys(var, agency_key, log_key))
    reader = guard(lambda: load_reader(system))
    if drill:
        where = log or default_log(var)
        raise typer.Exit(guard(lambda: run_drill(where, keys, reader, as_json=as_json)))
    views = Views(keys[1], guard(lambda: read_policy(policy)))
    if ask_witnesses:  # before the log's checkpoint is read, which may only be newer
        views.ask()
    posted = None if heads is None else guard(lambda: load_posted(heads))
    report = check_with_progress(log or default_log(var), *keys, views, posted, reader, archive)
    if report.evidence is not None:
        path = evidence or Path(f"misbehaviour-{report.size}.txt")
        path.write_bytes(report.evidence)
        ERR.print(f"日志作弊的证据 proof of misbehaviour: {path}", style="bold red", markup=False)
    if as_json:
        OUT.print_json(json.dumps(report.as_json()))
    else:
        print_report(report, OUT)
    raise typer.Exit(report.exit_code)


def default_log(var: Path) -> str:
    """Where the current log of an installation lies (design §10)."""
    return str(var / "audit" / "log")


def load_reader(system: Path | None) -> SystemFile | None:
    """Read the file of the system to read with, if one is named; raises SystemFileError."""
    return None if system is None else SystemFile.load(system)


def open_log(log: str | None, var: Path, system: Path | None) -> FolderSource | HttpSource:
    """Open a log, that of the installation by default; raises SourceError, SystemFileError."""
    return open_source(log or default_log(var), load_reader(system))


def check_with_progress(
    log: str,
    agency_key: VerifierKey,
    log_key: VerifierKey,
    views: Views | None = None,
    heads: Sequence[Posted] | None = None,
    reader: SystemFile | None = None,
    archive: Path | None = None,
) -> Report:
    """Verify with a progress bar on standard error."""
    columns = (
        TextColumn("verifying"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True) as bar:
        task = bar.add_task("verify", total=1)
        return verify_log(
            log,
            agency_key,
            log_key,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            views=views,
            heads=heads,
            reader=reader,
            archive=archive,
        )


def follow(
    log: Log = None,
    agency_key: AgencyKey = None,
    log_key: LogKey = None,
    system: Reader = None,
    as_json: AsJson = False,  # noqa: FBT002  as above
    state: Annotated[
        Path | None, typer.Option(help="File that remembers what was read; else from the start.")
    ] = None,
    var: Var = DEFAULT_VAR,
) -> None:
    """The audit stream: every record once, in order, verified, as soon as it is in the log."""

    async def work() -> None:
        agency, signer = find_keys(var, agency_key, log_key)
        follower = Follower(open_log(log, var, system), agency, signer, state)
        async for logged in follower.records():
            envelope = logged.leaf.envelope
            if as_json:
                line = {"index": logged.index, "value": json.loads(logged.leaf.value)}
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                typer.echo(
                    f"{logged.index:>9}  {envelope.time}  {envelope.type:<42} {envelope.source}"
                )

    run(work())


def read_policy(path: Path | None) -> Policy:
    """Read a policy, that without witnesses when there is no file; raises PolicyFileError."""
    if path is None:
        return Policy()
    try:
        return Policy.parse(path.read_bytes())
    except OSError as error:
        raise PolicyFileError(error.strerror or str(error), where=str(path)) from None
    except RuleError as error:
        raise PolicyFileError(error.what, where=f"{path} {error.where or ''}".strip()) from None


def find_keys(
    var: Path, agency_key: str | None, log_key: str | None
) -> tuple[VerifierKey, VerifierKey]:
    """The keys that were given, else those of this installation; raises KeysError."""
    if agency_key is None or log_key is None:
        for path in sorted((var / "systems").glob("*.json")):
            system = SystemFile.load(path)
            if system.connected:
                agency_key = agency_key or system.agency_key
                log_key = log_key or system.log_key
                break
    if not agency_key or not log_key:
        raise KeysError(
            "the agency's and the log's keys are not known here",
            where=str(var / "systems"),
            do="give them with --agency-key and --log-key",
        )
    return VerifierKey.parse(agency_key), VerifierKey.parse(log_key)
