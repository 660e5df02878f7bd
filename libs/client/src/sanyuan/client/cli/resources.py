"""``publish-resource``, ``withdraw-resource`` and ``review``: the life of resources (design §7)."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.table import Table

from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, guard, run, say
from sanyuan.client.cli.membership import find_agency
from sanyuan.client.cli.options import As, Case, Reason
from sanyuan.client.cli.verifying import show
from sanyuan.client.faces.commands import MalformedCommandError
from sanyuan.client.inbox import Decision
from sanyuan.client.system import connect
from sanyuan.common.contracts.catalog import ResourcesReviewed, Reviewed
from sanyuan.common.errors import SanyuanError

RESULTS = {"published": "已发布", "rejected": "已退回", "refused": "未受理"}


class ResourceFileError(SanyuanError):
    """A file does not hold the metadata of a resource."""


def publish_resource(
    file: Annotated[Path, typer.Argument(help="资源元数据 JSON file of the resource.")],
    system: As,
    revise: Annotated[bool, typer.Option(help="新版本 A new revision of a published one.")] = False,  # noqa: FBT002  a flag of the command line
    case: Case = None,
) -> None:
    """提交信息资源，由管理机构审核 Submit a resource for the agency's review."""
    resource = guard(lambda: load_resource(file))

    async def work() -> Decision:
        async with connect(system, say=say) as me:
            if revise:
                return await me.revise_resource(resource, case=case)
            return await me.publish_resource(resource, case=case, sampled=True)

    finish(run(work()))


def withdraw_resource(
    code: Annotated[str, typer.Argument(help="资源代码 The resource's code.")],
    system: As,
    reason: Reason,
    case: Case = None,
) -> None:
    """撤回资源，其授权随之终止 Take a resource back; its grants end."""

    async def work() -> Decision:
        async with connect(system, say=say) as me:
            return await me.withdraw_resource(code, reason=reason, case=case)

    finish(run(work()))


def review(
    codes: Annotated[list[str], typer.Argument(help="资源代码 Codes, 100 at most.")],
    revision: Annotated[int, typer.Option(min=1, help="版本 The submitted revision.")] = 1,
    reject: Annotated[str | None, typer.Option(help="退回理由 Reject, for this reason.")] = None,
    var: Var = DEFAULT_VAR,
    agency_file: Annotated[
        Path | None, typer.Option("--as", help="The agency's system file; found in VAR by default.")
    ] = None,
) -> None:
    """管理机构审核资源：发布或退回 Publish or reject submitted resources, as the agency."""

    async def work() -> Decision:
        reviewed = reviews(codes, revision, reject)
        async with connect(find_agency(var, agency_file), say=say) as me:
            return await me.review_resources(reviewed)

    decision = run(work())
    if not isinstance(decision.message, ResourcesReviewed):
        finish(decision)
        return
    table = Table.grid(padding=(0, 2))
    for outcome in decision.message.outcomes:
        said = f"{RESULTS[outcome.result]} {outcome.result}"
        table.add_row(outcome.resource, f"{outcome.revision}", said, outcome.reason or "")
    OUT.print(table, highlight=False)
    if any(outcome.result == "refused" for outcome in decision.message.outcomes):
        raise typer.Exit(1)


def reviews(codes: list[str], revision: int, reject: str | None) -> list[Reviewed]:
    """One word for all; raises MalformedCommandError."""
    try:
        return [
            Reviewed(resource=code, revision=revision, publish=reject is None, reason=reject)
            for code in codes
        ]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "reason"
        raise MalformedCommandError(first["msg"], where=f"{field} of {', '.join(codes)}") from None


def load_resource(file: Path) -> dict[str, Any]:
    """Read one JSON object; raises ResourceFileError."""
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        raise ResourceFileError(
            f"the file cannot be read: {type(error).__name__}", where=str(file)
        ) from None
    except orjson.JSONDecodeError as error:
        raise ResourceFileError(f"the file is no JSON: {error}", where=str(file)) from None
    if not isinstance(found, dict):
        raise ResourceFileError(
            "the file holds no JSON object",
            where=str(file),
            do="see resource in docs/schemas/catalog.submit-resource.v1.json",
        )
    return found


def finish(decision: Decision) -> None:
    """Show a decision; a refusal is exit code 1."""
    show(decision)
    if decision.reason is not None:
        raise typer.Exit(1)
