"""What is listed, in the words of DCAT-AP 3.0.1. Pure.

Each resource is a ``dcat:Dataset`` with one ``dcat:Distribution``; one that is a service interface
is served by a ``dcat:DataService`` too.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rdflib import Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

from sanyuan.catalog.dcat.frame import Frame
from sanyuan.catalog.dcat.vocabulary import (
    ACCESS_RIGHTS,
    CHINESE,
    FORMATS,
    FREQUENCIES,
    JSON,
    SHARING,
    Code,
    Node,
    Statements,
    in_both,
)
from sanyuan.catalog.search import Entry
from sanyuan.catalog.search.reading import Provider
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.ids import format_time

_VERSION: Final = URIRef(f"{DCAT}version")  # of DCAT 3, which rdflib does not know yet
_LEVELS: Final = (1, 3, 6)
"""Digits of 类, 类 + 项, 类 + 项 + 目 in a code; 细目 has all of them."""


def describe_catalogue(frame: Frame, modified: datetime | None) -> Iterator[Node]:
    """The catalogue, and what all resources refer to."""
    publisher, scheme = frame.part("publisher"), frame.part("classification")
    statements: Statements = [
        (RDF.type, DCAT.Catalog),
        *in_both(DCTERMS.title, frame.title, frame.title_en),
        *in_both(
            DCTERMS.description,
            "各部门发布的政务数据资源",
            "The data resources that departments have published",
        ),
        (DCTERMS.publisher, publisher),
        (DCTERMS.language, CHINESE.iri),
        (DCAT.themeTaxonomy, scheme),
    ]
    if modified is not None:
        statements.append((DCTERMS.modified, _instant(modified)))
    yield frame.catalogue, statements
    yield _agent(publisher, frame.publisher, frame.publisher_en)
    yield (
        scheme,
        [
            (RDF.type, SKOS.ConceptScheme),
            *in_both(
                DCTERMS.title, "政务数据资源分类", "Classification of government data resources"
            ),
        ],
    )
    yield _terms_of_use(frame)
    yield _endpoint(frame)
    for code in (CHINESE, JSON, *FREQUENCIES.values(), *ACCESS_RIGHTS.values()):
        yield code.node()


def describe_provider(provider: Provider, frame: Frame) -> Node:
    """The department that publishes resources."""
    node = _agent(_provider(provider.code, frame), provider.name, provider.name_en)
    node[1].append((DCTERMS.identifier, Literal(provider.code)))
    return node


def describe_classes(resource: Resource, frame: Frame) -> Iterator[Node]:
    """The classes that a resource is in, from 类 down."""
    above: URIRef | None = None
    for iri, name in _classes(resource, frame):
        statements: Statements = [
            (RDF.type, SKOS.Concept),
            (SKOS.inScheme, frame.part("classification")),
            (SKOS.prefLabel, Literal(name, lang="zh")),
        ]
        if above is not None:
            statements.append((SKOS.broader, above))
        yield iri, statements
        above = iri


def describe(entry: Entry, frame: Frame) -> Iterator[Node]:
    """A resource as part of the catalogue."""
    described = _Description(entry, frame)
    yield described.membership()
    yield from described.nodes()


def describe_alone(entry: Entry, frame: Frame) -> Iterator[Node]:
    """A resource with all that it refers to, and no catalogue around it."""
    resource = entry.resource
    yield from _Description(entry, frame).nodes()
    yield describe_provider(entry.provider, frame)
    yield from describe_classes(resource, frame)
    for code in _codes(resource):
        yield code.node()
    if resource.sharing.type != "not-shared":
        yield _terms_of_use(frame)
    if resource.format == "service-interface":
        yield _endpoint(frame)
        yield JSON.node()


class _Description:
    """One resource as nodes."""

    def __init__(self, entry: Entry, frame: Frame) -> None:
        self._entry = entry
        self._resource = entry.resource
        self._frame = frame
        page = frame.page(entry.resource.code)
        self._page = URIRef(page)
        self._dataset = URIRef(f"{page}#dataset")
        self._distribution = URIRef(f"{page}#distribution")
        self._service = URIRef(f"{page}#service")
        self._rights = URIRef(f"{page}#rights")
        self._is_service = entry.resource.format == "service-interface"

    def membership(self) -> Node:
        statements: Statements = [(DCAT.dataset, self._dataset)]
        if self._is_service:
            statements.append((DCAT.service, self._service))
        return self._frame.catalogue, statements

    def nodes(self) -> Iterator[Node]:
        yield self._dataset, self._describe_dataset()
        yield self._distribution, self._describe_distribution()
        if self._is_service:
            yield self._service, self._describe_service()
        yield self._rights, self._describe_rights()
        yield self._page, [(RDF.type, FOAF.Document), (RDF.type, RDFS.Resource)]
        for code in self._resource.related:
            yield self._related(code), [(RDF.type, RDFS.Resource)]

    def _describe_dataset(self) -> Statements:
        resource, entry = self._resource, self._entry
        return [
            (RDF.type, DCAT.Dataset),
            *in_both(DCTERMS.title, resource.name, resource.name_en),
            *in_both(DCTERMS.description, resource.summary, resource.summary_en),
            (DCTERMS.identifier, Literal(resource.code)),
            (_VERSION, Literal(str(entry.revision))),
            (DCTERMS.issued, _instant(entry.issued)),
            (DCTERMS.modified, _instant(entry.modified)),
            (DCTERMS.language, CHINESE.iri),
            *((code_of, code.iri) for code_of, code in self._coded()),
            *self._shared_statements(),
            (DCAT.distribution, self._distribution),
            *((DCTERMS.relation, self._related(code)) for code in resource.related),
        ]

    def _describe_distribution(self) -> Statements:
        resource = self._resource
        zh, en = FORMATS[resource.format]
        statements: Statements = [
            (RDF.type, DCAT.Distribution),
            *in_both(DCTERMS.title, f"{resource.name}（{zh}）", self._in_english(en)),
            *in_both(DCTERMS.description, f"信息资源格式：{zh}", f"Format: {en}"),
            (DCAT.accessURL, self._page),
            (DCTERMS.rights, self._rights),
            (DCTERMS.language, CHINESE.iri),
        ]
        if resource.sharing.type != "not-shared":
            statements.append((DCTERMS.license, self._frame.part("terms")))
        if self._is_service:
            # What a shared call answers is a JSON object.
            statements += [(DCAT.accessService, self._service), (DCTERMS.format, JSON.iri)]
        return statements

    def _describe_service(self) -> Statements:
        resource = self._resource
        return [
            (RDF.type, DCAT.DataService),
            *in_both(
                DCTERMS.title, f"{resource.name}（共享调用）", self._in_english("shared calls")
            ),
            *in_both(DCTERMS.description, resource.summary, resource.summary_en),
            (DCTERMS.accessRights, ACCESS_RIGHTS[resource.openness].iri),
            *self._shared_statements(),
            (DCAT.endpointURL, self._frame.part("calls")),
            (DCAT.endpointDescription, self._page),
            (DCAT.servesDataset, self._dataset),
            (DCTERMS.format, JSON.iri),
        ]

    def _describe_rights(self) -> Statements:
        sharing = self._resource.sharing
        zh, en = SHARING[sharing.type]
        detail = sharing.conditions or sharing.grounds
        return [
            (RDF.type, DCTERMS.RightsStatement),
            *in_both(RDFS.label, f"{zh}：{detail}" if detail else zh, en),
        ]

    def _shared_statements(self) -> Statements:
        """What dataset and service have in common."""
        resource = self._resource
        *_, (theme, _name) = _classes(resource, self._frame)
        keywords = dict.fromkeys((*resource.classification, *(i.title for i in resource.items)))
        return [
            (DCTERMS.publisher, _provider(resource.provider, self._frame)),
            (DCAT.theme, theme),
            (DCAT.landingPage, self._page),
            *((DCAT.keyword, Literal(keyword, lang="zh")) for keyword in keywords),
        ]

    def _coded(self) -> Iterator[tuple[URIRef, Code]]:
        yield DCTERMS.accrualPeriodicity, FREQUENCIES[self._resource.update_cycle]
        yield DCTERMS.accessRights, ACCESS_RIGHTS[self._resource.openness]

    def _related(self, code: str) -> URIRef:
        return URIRef(f"{self._frame.page(code)}#dataset")

    def _in_english(self, what: str) -> str | None:
        return f"{self._resource.name_en} ({what})" if self._resource.name_en else None


def _codes(resource: Resource) -> tuple[Code, ...]:
    return CHINESE, FREQUENCIES[resource.update_cycle], ACCESS_RIGHTS[resource.openness]


def _classes(resource: Resource, frame: Frame) -> list[tuple[URIRef, str]]:
    digits = resource.code.partition("/")[0]
    levels = (*_LEVELS, len(digits))
    return [
        (frame.part(f"class-{digits[:length]}"), name)
        for length, name in zip(levels, resource.classification, strict=False)
    ]


def _provider(code: str, frame: Frame) -> URIRef:
    return frame.part(f"provider-{code}")


def _agent(iri: URIRef, name: str, name_en: str | None) -> Node:
    return iri, [(RDF.type, FOAF.Agent), *in_both(FOAF.name, name, name_en)]


def _terms_of_use(frame: Frame) -> Node:
    return frame.part("terms"), [
        (RDF.type, DCTERMS.LicenseDocument),
        *in_both(
            DCTERMS.title,
            "依《政务数据共享条例》，凭授权使用",
            "Use under a grant, by the Regulations on Government Data Sharing",
        ),
    ]


def _endpoint(frame: Frame) -> Node:
    """Calls are records on Kafka, for which there is no registered URL scheme."""
    return frame.part("calls"), [
        (RDF.type, RDFS.Resource),
        *in_both(
            RDFS.label,
            "Kafka 主题 calls；接入系统凭授权调用",
            "Kafka topic calls, for connected systems with a grant",
        ),
    ]


def _instant(moment: datetime) -> Literal:
    return Literal(format_time(moment), datatype=XSD.dateTime, normalize=False)
