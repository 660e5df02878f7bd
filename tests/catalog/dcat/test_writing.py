"""rdflib reads back what is written: the same graph, by both formats."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdflib import Graph, Literal, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCAT, DCTERMS, RDF, XSD

from sanyuan.catalog.dcat.vocabulary import Node
from sanyuan.catalog.dcat.writing import Format, write

# rdflib's own JSON-LD parser uses what rdflib has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")

THING = URIRef("https://catalog.example.org/resource?code=307010/000001#dataset")
TEXTS = st.text(st.characters(codec="utf-8"))
IRIS = st.sampled_from(
    [
        DCAT.Dataset,
        DCTERMS.title,
        THING,
        URIRef("http://www.w3.org/ns/dcat#not-a-short-name"),
        URIRef("http://www.w3.org/ns/dcat#"),
        URIRef("http://purl.org/dc/terms"),
        URIRef("https://例.example/目录#一"),
    ]
)
TERMS = st.one_of(
    IRIS,
    st.builds(Literal, TEXTS),
    st.builds(lambda text: Literal(text, lang="zh"), TEXTS),
    st.just(Literal("2026-09-21T14:13:20.000001+00:00", datatype=XSD.dateTime)),
)
STATEMENTS = st.lists(
    st.one_of(
        st.tuples(st.just(RDF.type), IRIS),
        st.tuples(st.sampled_from([DCTERMS.title, DCAT.keyword]), TERMS),
    ),
    min_size=1,
    max_size=6,
)
NODES = st.lists(st.tuples(IRIS, STATEMENTS), max_size=5)


def graph_of(nodes: list[Node]) -> Graph:
    graph = Graph()
    for subject, statements in nodes:
        for predicate, value in statements:
            graph.add((subject, predicate, value))
    return graph


@pytest.mark.parametrize("form", list(Format))
@given(nodes=NODES)
def test_whatever_is_written_is_read_back(form: Format, nodes: list[Node]) -> None:
    text = b"".join(write(nodes, form))
    assert isomorphic(Graph().parse(data=text, format=form.value), graph_of(nodes))


def test_known_terms_are_short_and_others_are_not_touched() -> None:
    nodes: list[Node] = [(THING, [(RDF.type, DCAT.Dataset), (DCTERMS.relation, THING)])]
    turtle = b"".join(write(nodes, Format.TURTLE)).decode()
    assert turtle.endswith(f"<{THING}> a dcat:Dataset ;\n    dct:relation <{THING}> .\n")
    document = orjson.loads(b"".join(write(nodes, Format.JSON_LD)))
    assert document["@graph"] == [
        {"@id": str(THING), "@type": ["dcat:Dataset"], "dct:relation": [{"@id": str(THING)}]}
    ]


def test_an_empty_document_is_one() -> None:
    for form in Format:
        assert len(Graph().parse(data=b"".join(write([], form)), format=form.value)) == 0
