"""What DCAT-AP 3.0.1 demands of the classes that we use, in our own words, and a check of it.

From the tables of its specification: which properties are mandatory, how often one may be there,
and of which class its value is. The official shapes say more, and are run on the same documents
wherever they are at hand: see `test_shapes`.
"""

from collections.abc import Iterator
from typing import Final

from rdflib import Graph, Literal, Node, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

MANDATORY: Final = {
    DCAT.Catalog: {DCTERMS.title, DCTERMS.description, DCTERMS.publisher},
    DCAT.Dataset: {DCTERMS.title, DCTERMS.description},
    DCAT.Distribution: {DCAT.accessURL},
    DCAT.DataService: {DCTERMS.title, DCAT.endpointURL},
    FOAF.Agent: {FOAF.name},
    SKOS.Concept: {SKOS.prefLabel},
    SKOS.ConceptScheme: {DCTERMS.title},
}
ONCE: Final = {
    DCTERMS.publisher,
    DCTERMS.accessRights,
    DCTERMS.accrualPeriodicity,
    DCTERMS.issued,
    DCTERMS.modified,
    DCTERMS.license,
    DCTERMS.rights,
    URIRef(f"{DCAT}version"),
}
RANGES: Final = {
    DCAT.accessService: DCAT.DataService,
    DCAT.accessURL: RDFS.Resource,
    DCAT.dataset: DCAT.Dataset,
    DCAT.distribution: DCAT.Distribution,
    DCAT.endpointDescription: RDFS.Resource,
    DCAT.endpointURL: RDFS.Resource,
    DCAT.landingPage: FOAF.Document,
    DCAT.servesDataset: DCAT.Dataset,
    DCAT.service: DCAT.DataService,
    DCAT.theme: SKOS.Concept,
    DCAT.themeTaxonomy: SKOS.ConceptScheme,
    DCTERMS.accessRights: DCTERMS.RightsStatement,
    DCTERMS.accrualPeriodicity: DCTERMS.Frequency,
    DCTERMS.format: DCTERMS.MediaTypeOrExtent,
    DCTERMS.language: DCTERMS.LinguisticSystem,
    DCTERMS.license: DCTERMS.LicenseDocument,
    DCTERMS.publisher: FOAF.Agent,
    DCTERMS.relation: RDFS.Resource,
    DCTERMS.rights: DCTERMS.RightsStatement,
}
LITERALS: Final = {
    DCAT.keyword: None,
    DCTERMS.description: None,
    DCTERMS.identifier: None,
    DCTERMS.issued: XSD.dateTime,
    DCTERMS.modified: XSD.dateTime,
    DCTERMS.title: None,
    FOAF.name: None,
    SKOS.prefLabel: None,
}
AUTHORITY: Final = "http://publications.europa.eu/resource/authority"
SCHEMES: Final = {
    DCTERMS.accessRights: f"{AUTHORITY}/access-right",
    DCTERMS.accrualPeriodicity: f"{AUTHORITY}/frequency",
    DCTERMS.format: f"{AUTHORITY}/file-type",
    DCTERMS.language: f"{AUTHORITY}/language",
}


def violations(graph: Graph) -> Iterator[str]:
    """What the profile does not allow, one line each."""
    for kind, properties in MANDATORY.items():
        for subject in graph.subjects(RDF.type, kind):
            for missing in properties - set(graph.predicates(subject)):
                yield f"{subject} has no {missing}"
    for subject, predicate, value in graph:
        yield from _judge(graph, subject, predicate, value)


def _judge(graph: Graph, subject: Node, predicate: Node, value: Node) -> Iterator[str]:
    if predicate in ONCE and len(list(graph.objects(subject, predicate))) > 1:
        yield f"{subject} has several {predicate}"
    if predicate in RANGES and (value, RDF.type, RANGES[URIRef(str(predicate))]) not in graph:
        yield f"{predicate} of {subject}: {value} is no {RANGES[URIRef(str(predicate))]}"
    if predicate in SCHEMES:
        scheme = URIRef(SCHEMES[URIRef(str(predicate))])
        if (value, SKOS.inScheme, scheme) not in graph:
            yield f"{predicate} of {subject}: {value} is not in {scheme}"
    if predicate in LITERALS:
        kind = LITERALS[URIRef(str(predicate))]
        if not isinstance(value, Literal) or value.datatype != kind:
            yield f"{predicate} of {subject}: {value!r} is not a literal {kind}"
