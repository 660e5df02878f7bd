"""``call`` and ``serve``: both sides of a shared call at a terminal (design §7)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer
from rich.table import Table

from sanyuan.client.calls import Answered, CallResult, Failed, NoAnswer, Refused
from sanyuan.client.calls.answering import CannotAnswerError
from sanyuan.client.catalogue import Catalogue
from sanyuan.client.cli.console import OUT, guard, run, say
from sanyuan.client.cli.options import As, Case, read_text
from sanyuan.client.sql_answers import SqlAnswers
from sanyuan.client.system import ConnectedSystem, connect
from sanyuan.common import memory
from sanyuan.common.contracts.catalog import CallAdmitted, GrantTerms, Resource
from sanyuan.common.errors import SanyuanError
from sanyuan.common.sources import parse_source


class ParameterError(SanyuanError):
    """A --param is not NAME=VALUE."""


class GrantError(SanyuanError):
    """No grant of this participant is meant, or several may be."""


class ServedResourceError(SanyuanError):
    """This system does not serve such a resource."""


def call(
    what: Annotated[str, typer.Argument(metavar="CODE|GRANT", help="资源代码或授权编号 Which.")],
    system: As,
    param: Annotated[
        list[str] | None, typer.Option(help="参数 NAME=VALUE, once for each parameter.")
    ] = None,
    purpose: Annotated[
        str | None, typer.Option(help="用途 Of several grants, the one for this purpose.")
    ] = None,
    assertion: Annotated[
        Path | None,
        typer.Option(
            help="当事人核验凭证 File with the person's assertion; - reads standard input."
        ),
    ] = None,
    case: Case = None,
) -> None:
    """调用共享资源并等待答复 Call a resource under a grant and wait for its end."""
    parameters = guard(lambda: parse_parameters(param or []))
    shown = guard(lambda: read_text(assertion)) if assertion else None

    async def work() -> CallResult:
        async with connect(system, say=say) as me:
            terms = choose(await me.catalogue(), me.participant, what, purpose)
            return await me.call_resource(
                terms, parameters, case=case, assertion=shown, sampled=True
            )

    result = run(work())
    show(result)
    if not isinstance(result, Answered):
        raise typer.Exit(1)


def serve(
    resource: Annotated[str, typer.Option(help="资源代码 The code of the resource to answer for.")],
    sql: Annotated[Path, typer.Option(help="查询 File with one SELECT with :named parameters.")],
    database: Annotated[Path, typer.Option(help="数据库 SQLite file, read only.")],
    system: As,
) -> None:
    """用数据库答复共享调用 Answer a resource's calls from a SQLite database, until Ctrl-C."""
    answers = guard(lambda: SqlAnswers.open(database, sql))

    async def answer(parameters: Mapping[str, Any], admitted: CallAdmitted) -> Any:  # noqa: ANN401
        try:
            found = await answers.answer(parameters, admitted)
        except CannotAnswerError as error:
            tell(admitted, f"未能答复 failed: {error.reason}")
            raise
        tell(admitted, "已答复 answered" if found else "查无记录 nothing found")
        return found

    async def work() -> None:
        async with connect(system, say=say) as me:
            answers.fit(find_served(await me.catalogue(), me, resource))
            memory.settle()
            OUT.print(f"[green]✓[/] 正在答复 serving {resource}", highlight=False)
            await me.serve_resource(resource, answer)

    try:
        with suppress(asyncio.CancelledError):
            run(work())
    finally:
        answers.close()


def parse_parameters(texts: Sequence[str]) -> dict[str, str]:
    """Parse NAME=VALUE; raises ParameterError."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals) or name in found:
            raise ParameterError(
                "a parameter is given once, as NAME=VALUE", where=f"--param {name}"
            )
        found[name] = value
    return found


def choose(catalogue: Catalogue, participant: str, what: str, purpose: str | None) -> GrantTerms:
    """The grant that is meant: by its id, or by its resource and purpose. Raises GrantError."""
    now = datetime.now(UTC)
    held = catalogue.grants_of(participant)
    found = [
        terms
        for terms in held
        if what in {terms.grant, terms.resource}
        and purpose in {None, terms.purpose}
        and terms.bounds.until > now
    ]
    if not found:
        raise GrantError(
            "this participant holds no such grant that has not expired",
            where=what,
            do="ask for one with: sanyuan request-grant",
        )
    if len({terms.purpose for terms in found}) > 1:
        purposes = sorted({terms.purpose for terms in found})
        raise GrantError(
            f"grants for several purposes: {', '.join(purposes)}",
            where=what,
            do="choose with --purpose, or name the grant",
        )
    return max(found, key=lambda terms: terms.bounds.until)


def find_served(catalogue: Catalogue, me: ConnectedSystem, code: str) -> Resource:
    """The resource in force that ``me`` is to answer for; raises ServedResourceError."""
    published = catalogue.resources.get(code)
    if published is None:
        raise ServedResourceError(
            "no resource with this code is published",
            where=code,
            do="publish it with: sanyuan publish-resource",
        )
    serving = published.resource.serving_system
    if serving != me.source:
        raise ServedResourceError(
            f"its calls are answered by {serving or 'nobody'}",
            where=code,
            do="serve it with the file of that system",
        )
    return published.resource


def show(result: CallResult) -> None:
    """How a call ended."""
    table = Table.grid(padding=(0, 2))
    match result:
        case Answered(found=False):
            table.add_row("结果 result", "查无记录 nothing found")
        case Answered():
            for name, value in result.fields.items():
                table.add_row(name, str(value))
        case Refused() | Failed():
            said = "未准许 refused" if isinstance(result, Refused) else "未能答复 failed"
            table.add_row("结果 result", f"{said}: {result.reason}")
            table.add_row("说明 detail", result.detail or "")
        case NoAnswer():
            table.add_row("结果 result", "逾期未答复 no answer in time")
        case _:
            assert_never(result)
    table.add_row("办件 case", result.case)
    OUT.print(table, highlight=False, markup=False)


def tell(admitted: CallAdmitted, what: str) -> None:
    """One line about a call that was answered; never what was asked."""
    caller = parse_source(admitted.caller).name
    OUT.print(
        f"{datetime.now(UTC).astimezone():%H:%M:%S}  {caller}  {admitted.purpose}  {what}",
        highlight=False,
    )
