"""Licences at a terminal: taken over, presented, verified, checked, disputed (design §6)."""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.table import Table

from sanyuan.client.cli.console import OUT, guard
from sanyuan.client.cli.grants import as_system
from sanyuan.client.cli.options import As, Case, read_text
from sanyuan.client.cli.verifying import show
from sanyuan.client.faces.licenses import Declined, SharedLicense
from sanyuan.client.inbox import Decision
from sanyuan.common.sdjwt.statuslist import Status

LicenseName = Annotated[str, typer.Argument(help="证照名 How answers name the licence.")]
TypeCode = Annotated[str, typer.Argument(help="证照类型代码 Type code by GB/T 36904.")]
Purpose = Annotated[str, typer.Option(help="用途 For what.")]
FieldNames = Annotated[
    list[str], typer.Option("--field", help="数据项 A field; give the option once for each.")
]
Assertion = Annotated[
    Path,
    typer.Option(help="核验凭据文件 File with identity's assertion; - reads standard input."),
]
OnlyLicense = Annotated[
    str | None, typer.Option("--license", help="只要这一证照 Only the licence of this name.")
]
Statement = Annotated[str, typer.Option(help="说明，密封传送 In words; travels sealed.")]
STATES = {"active": "有效", "suspended": "暂停"}
STATUSES = {
    Status.VALID: "有效 valid",
    Status.INVALID: "失效 invalid",
    Status.SUSPENDED: "暂停 suspended",
}
INVALID: Final = 1
TOLD: Final = ("type", "license", "version", "revision", "state", "dispute", "answer_by")


def request_license_fields(  # noqa: PLR0913, PLR0917  every field of the message is one
    license_type: TypeCode,
    system: As,
    field: FieldNames,
    purpose: Purpose,
    grant: Annotated[str, typer.Option(help="授权编号 The grant's id.")],
    assertion: Assertion,
    license_: OnlyLicense = None,
    case: Case = None,
) -> None:
    """调用证照数据项 Take licence fields over from their issuer, under a grant."""
    token = guard(lambda: read_text(assertion))
    answer = as_system(
        system,
        lambda me: me.request_license_fields(
            license_type,
            fields=field,
            purpose=purpose,
            grant=grant,
            assertion=token,
            license_name=license_,
            case=case,
            sampled=True,
        ),
    )
    if isinstance(answer, Declined):
        decline(answer)
    if not answer.licenses:
        OUT.print("持证主体没有此类证照。 The holder has no such licence.")
    for shown in answer.licenses:
        show_license(shown)
    if answer.others:
        OUT.print(f"另有 And {len(answer.others)}: {', '.join(answer.others)}", highlight=False)


def present(
    license_type: TypeCode,
    system: As,
    field: FieldNames,
    assertion: Assertion,
    license_: OnlyLicense = None,
    case: Case = None,
) -> None:
    """持证人亮证：生成一次性亮证码 Open a one-time code for the holder."""
    token = guard(lambda: read_text(assertion))
    opened = as_system(
        system,
        lambda me: me.present(
            license_type,
            fields=field,
            assertion=token,
            license_name=license_,
            case=case,
            sampled=True,
        ),
    )
    if isinstance(opened, Declined):
        decline(opened)
    OUT.print(f"亮证码 code  [bold]{opened.code}[/]")
    OUT.print(f"有效至 until {opened.expires_at:%Y-%m-%d %H:%M:%S} UTC", highlight=False)


def verify_presentation(
    code: Annotated[str, typer.Argument(help="亮证码 The code that the holder shows.")],
    system: As,
    purpose: Purpose,
    case: Case = None,
) -> None:
    """验证亮证码 Redeem a holder's one-time code."""
    shown = as_system(
        system,
        lambda me: me.verify_presentation(code, purpose=purpose, case=case, sampled=True),
    )
    if isinstance(shown, Declined):
        decline(shown)
    show_license(shown)


def check_license(
    file: Annotated[Path, typer.Argument(help="SD-JWT VC; - reads standard input.")],
    system: As,
) -> None:
    """核对证照的签发者与状态 Check a credential's issuer and its status now."""
    credential = guard(lambda: read_text(file))
    checked = as_system(system, lambda me: me.check_license(credential))
    table = Table.grid(padding=(0, 2))
    table.add_row("签发者 issuer", checked.credential.issuer)
    table.add_row("类型 type", checked.credential.type)
    table.add_row("状态 status", STATUSES[checked.status])
    for name, value in sorted(checked.credential.claims.items()):
        if name not in ("iss", "vct", "status"):
            table.add_row(name, str(value))
    OUT.print(table, highlight=False)
    if checked.status is not Status.VALID:
        raise typer.Exit(INVALID)


def raise_dispute(
    license_: LicenseName, system: As, field: FieldNames, statement: Statement, case: Case = None
) -> None:
    """提出异议 Say what is wrong in a licence that this system was given."""
    finish_license(
        as_system(
            system,
            lambda me: me.raise_dispute(license_, fields=field, statement=statement, case=case),
        )
    )


def answer_dispute(
    dispute: Annotated[str, typer.Argument(help="异议编号 The dispute's id.")],
    system: As,
    statement: Statement,
    corrected: Annotated[
        bool,
        typer.Option(
            "--corrected/--rejected", help="已更正或不成立 It was corrected, or is rejected."
        ),
    ],
    case: Case = None,
) -> None:
    """签发者答复异议 Answer a dispute as the issuer."""
    finish_license(
        as_system(
            system,
            lambda me: me.answer_dispute(
                dispute,
                outcome="corrected" if corrected else "rejected",
                statement=statement,
                case=case,
            ),
        )
    )


def show_license(shown: SharedLicense) -> None:
    """The fields of one licence, and its credential."""
    table = Table.grid(padding=(0, 2))
    table.add_row("证照 license", f"{shown.license}  v{shown.version}")
    table.add_row("状态 state", f"{STATES.get(shown.state, '')} {shown.state}".strip())
    for name, value in shown.fields.items():
        table.add_row(name, str(value))
    table.add_row("sd_jwt", shown.sd_jwt)
    OUT.print(table, highlight=False)


def finish_license(decision: Decision) -> None:
    """Show a decision about a licence, with what names it; a refusal is exit code 1."""
    show(decision)
    table = Table.grid(padding=(0, 2))
    for name in TOLD:
        value = getattr(decision.message, name, None)
        if value is not None:
            table.add_row(name, str(value))
    OUT.print(table, highlight=False)
    if decision.reason is not None:
        raise typer.Exit(1)


def decline(declined: Declined) -> NoReturn:
    """Show why nothing was given; exit code 1."""
    show(declined.record)
    raise typer.Exit(1)
