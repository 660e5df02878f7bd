"""What the catalogue says of itself, and the addresses of what it describes. Pure.

Everything lies under the catalogue's own public address: a resource's page is
``<url>/resource?code=…``, the export is ``<url>/dcat``, and what is described there has its IRI
behind a ``#``.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from rdflib import URIRef

from sanyuan.common.errors import SanyuanError

_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/@!$&'()*+,;=%\[\]-]*[^/]")


class FrameError(SanyuanError):
    """The catalogue cannot be described under this address."""


@dataclass(frozen=True)
class Frame:
    """What the catalogue says of itself; ``url`` is its public address, without a slash behind.

    Raises FrameError.
    """

    url: str
    title: str = "政务数据资源目录"
    title_en: str = "Catalogue of government data resources"
    publisher: str = "数据管理机构"
    publisher_en: str = "Data agency"

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise FrameError(
                "not an address to publish under",
                where=self.url,
                do="write it like https://catalog.example.org, without a slash behind",
            )

    @cached_property
    def catalogue(self) -> URIRef:
        """The IRI of the catalogue, where it is exported."""
        return URIRef(f"{self.url}/dcat")

    def part(self, name: str) -> URIRef:
        """The IRI of something that the export describes beside the resources."""
        return URIRef(f"{self.url}/dcat#{name}")

    def page(self, code: str) -> str:
        """Where a resource is described, for people and programs."""
        return f"{self.url}/resource?code={code}"
