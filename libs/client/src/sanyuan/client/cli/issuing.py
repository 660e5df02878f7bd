"""Licences at an issuer's terminal: types, the issuer's key, the life of licences (design §6)."""

from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from sanyuan.client.cli.console import DEFAULT_VAR, Var, guard
from sanyuan.client.cli.grants import as_system
from sanyuan.client.cli.licenses import LicenseName, TypeCode, finish_license
from sanyuan.client.cli.membership import AgencyFile, find_agency
from sanyuan.client.cli.options import As, Case, read_text
from sanyuan.common.errors import SanyuanError

licenses: Final = typer.Typer(
    no_args_is_help=True, help="证照 Licences: what an issuer does with them."
)
ContentFile = Annotated[Path, typer.Argument(help="证照内容 JSON file of the licence's content.")]
Revision = Annotated[
    int | None, typer.Option(min=1, help="类型版本 The type's revision that the content is for.")
]
GroundsWord = Annotated[str, typer.Option(help="缘由代码 Why, as a word like holder-request.")]


class LicenseFileError(SanyuanError):
    """A file does not hold a licence type or the content of a licence."""


def register_license_type(
    file: Annotated[Path, typer.Argument(help="证照类型 JSON file of the licence type.")],
    system: As,
    case: Case = None,
) -> None:
    """登记证照类型 Register a licence type, or a revision of it, as its definer."""
    described = guard(lambda: load_json(file))
    finish_license(as_system(system, lambda me: me.register_license_type(described, case=case)))


def issue_license(
    license_type: TypeCode,
    file: ContentFile,
    system: As,
    assertion: Annotated[
        Path | None, typer.Option(help="核验凭据文件 File with the holder's assertion.")
    ] = None,
    revision: Revision = None,
    case: Case = None,
) -> None:
    """签发证照 Register a licence of this department."""
    content = guard(lambda: load_json(file))
    token = None if assertion is None else guard(lambda: read_text(assertion))
    finish_license(
        as_system(
            system,
            lambda me: me.issue_license(
                license_type,
                content,
                assertion=token,
                revision=revision,
                case=case,
                sampled=True,
            ),
        )
    )


@licenses.command("become-issuer")
def become_issuer(system: As) -> None:
    """开通并授权签发密钥 Open an issuer key, and delegate it in a record."""
    finish_license(as_system(system, lambda me: me.become_issuer()))


@licenses.command("amend")
def amend(
    license_: LicenseName,
    file: ContentFile,
    system: As,
    grounds: GroundsWord,
    revision: Revision = None,
    case: Case = None,
) -> None:
    """变更证照，生成新版本 Issue a new version with all of its content."""
    content = guard(lambda: load_json(file))
    finish_license(
        as_system(
            system,
            lambda me: me.amend_license(
                license_, content, grounds=grounds, revision=revision, case=case
            ),
        )
    )


@licenses.command("suspend")
def suspend(license_: LicenseName, system: As, grounds: GroundsWord, case: Case = None) -> None:
    """暂停证照 Let nobody rely on a licence until it is resumed."""
    finish_license(
        as_system(system, lambda me: me.suspend_license(license_, grounds=grounds, case=case))
    )


@licenses.command("resume")
def resume(license_: LicenseName, system: As, grounds: GroundsWord, case: Case = None) -> None:
    """恢复证照 Let a suspended licence hold again."""
    finish_license(
        as_system(system, lambda me: me.resume_license(license_, grounds=grounds, case=case))
    )


@licenses.command("revoke")
def revoke(license_: LicenseName, system: As, grounds: GroundsWord, case: Case = None) -> None:
    """注销证照 Let nobody rely on a licence any more."""
    finish_license(
        as_system(system, lambda me: me.revoke_license(license_, grounds=grounds, case=case))
    )


@licenses.command("erase-holder")
def erase_holder(
    legal_basis: Annotated[str, typer.Option(help="依据 The law that demands it.")],
    license_: Annotated[
        str | None, typer.Option("--license", help="该主体的任一证照 Any licence of the holder.")
    ] = None,
    assertion: Annotated[
        Path | None, typer.Option(help="核验凭据文件 File with the holder's assertion.")
    ] = None,
    var: Var = DEFAULT_VAR,
    agency_file: AgencyFile = None,
) -> None:
    """管理机构删除持证主体及其证照内容 Forget a holder, as the agency."""
    token = None if assertion is None else guard(lambda: read_text(assertion))
    finish_license(
        as_system(
            guard(lambda: find_agency(var, agency_file)),
            lambda me: me.erase_holder(
                legal_basis=legal_basis, assertion=token, license_name=license_
            ),
        )
    )


def load_json(file: Path) -> dict[str, Any]:
    """Read one JSON object; raises LicenseFileError, which does not quote it."""
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        raise LicenseFileError(
            f"the file cannot be read: {type(error).__name__}", where=str(file)
        ) from None
    except orjson.JSONDecodeError as error:
        raise LicenseFileError(f"the file is no JSON: {error}", where=str(file)) from None
    if not isinstance(found, dict):
        raise LicenseFileError(
            "the file holds no JSON object", where=str(file), do="see docs/licenses.md"
        )
    return found
