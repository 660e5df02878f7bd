"""``search``: what is there to be shared, at a terminal, in Chinese and English (design §7)."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from sanyuan.client.cli.console import DEFAULT_VAR, OUT, Var, guard
from sanyuan.client.cli.provisioning import known_urls
from sanyuan.client.searching import FoundPage, FoundResource, SearchError, search_catalogue
from sanyuan.common.contracts.catalog import SharingType, UpdateCycle
from sanyuan.common.systems import SystemFile

HEADINGS: Final = (
    ("代码", "code"),
    ("名称", "name"),
    ("提供方", "provider"),
    ("共享", "sharing"),
    ("更新", "update"),
)
SHARING: Final[dict[SharingType, tuple[str, str]]] = {
    "unconditional": ("无条件", "unconditional"),
    "conditional": ("有条件", "conditional"),
    "not-shared": ("不予共享", "not shared"),
}
UPDATES: Final[dict[UpdateCycle, tuple[str, str]]] = {
    "real-time": ("实时", "real time"),
    "daily": ("每日", "daily"),
    "weekly": ("每周", "weekly"),
    "monthly": ("每月", "monthly"),
    "quarterly": ("每季度", "quarterly"),
    "half-yearly": ("每半年", "half-yearly"),
    "yearly": ("每年", "yearly"),
}


def search(  # noqa: PLR0913, PLR0917  one for each filter
    words: Annotated[
        list[str] | None, typer.Argument(help="Words, 中文 or English; without any, everything.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Credit code of the provider.")] = None,
    sharing: Annotated[
        str | None, typer.Option(help="unconditional, conditional or not-shared.")
    ] = None,
    openness: Annotated[
        str | None, typer.Option(help="open, conditionally-open or not-open.")
    ] = None,
    classification: Annotated[
        str | None, typer.Option("--class", help="First digits of the resource's code.")
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    size: Annotated[int, typer.Option(min=1, max=100, help="Resources on a page.")] = 20,
    url: Annotated[
        str | None, typer.Option(help="The catalogue's address; by default from a system file.")
    ] = None,
    system: Annotated[
        Path | None, typer.Option("--as", help="The system file; the first in VAR by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002  a flag of the command line
    var: Var = DEFAULT_VAR,
) -> None:
    """在政务数据资源目录中查找 Search the catalogue of data resources."""
    filters = {
        # A terminal may give bytes that are no text.
        "q": " ".join(words or []).encode(errors="replace").decode(),
        "provider": provider,
        "sharing": sharing,
        "openness": openness,
        "classification": classification,
    }
    wanted: dict[str, str | int] = {name: text for name, text in filters.items() if text}
    wanted |= {"page": page, "size": size}
    found = guard(lambda: search_catalogue(url or find_url(system, var), wanted))
    if as_json:
        OUT.print_json(found.model_dump_json())
    else:
        show(found)


def find_url(system: Path | None, var: Path) -> str:
    """The catalogue's address as this installation knows it; raises SearchError."""
    urls = SystemFile.load(system).urls if system else known_urls(var / "systems")
    if "catalog" not in urls:
        raise SearchError(
            "the catalogue's address is not known here",
            where=str(system or var / "systems"),
            do="give it with --url, or name a connected system with --as",
        )
    return urls["catalog"]


def show(found: FoundPage) -> None:
    """One page as a table."""
    if not found.total:
        OUT.print("没有找到资源。 No resource was found.")
        return
    if found.matching == "any":
        OUT.print("没有含全部词语的资源，以下含其中一部分。 None has every word; these have some.")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for chinese, english in HEADINGS:
        table.add_column(_in_both(chinese, english), overflow="fold", no_wrap=english == "code")
    for resource in found.resources:
        table.add_row(*_row(resource))
    OUT.print(table, highlight=False)
    OUT.print(
        f"共 {found.total:,} 个资源，第 {found.page} 页，共 {found.pages:,} 页。 "
        f"{found.total:,} resources, page {found.page} of {found.pages:,}.",
        highlight=False,
    )


def _row(resource: FoundResource) -> tuple[str, ...]:
    return (
        resource.code,
        _in_both(resource.name, resource.name_en),
        _in_both(resource.provider.name, resource.provider.name_en),
        _in_both(*SHARING[resource.sharing]),
        _in_both(*UPDATES[resource.update_cycle]),
    )


def _in_both(chinese: str, english: str | None) -> str:
    """Both names, one below the other; text of others is never markup."""
    return f"{escape(chinese)}\n[dim]{escape(english)}[/]" if english else escape(chinese)
