"""The official SHACL shapes of DCAT-AP 3 accept the export.

The shapes are not ours and not in this repository: SEMICeu/DCAT-AP, © European Union, CC BY 4.0.
`SANYUAN_DCAT_AP_SHAPES` names a folder with their files; each is compared with the SHA-256 of the
release, so that nothing else passes for official.

Nothing is imported and nothing inferred: the export has to say itself what the shapes' imports
(vocabularies and EU code lists) would add. `SUBCLASSES` are the statements of those vocabularies
that make more shapes apply to our data; with them it has to pass as well.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pyshacl import validate
from rdflib import Graph, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SH, SKOS
from tests.catalog.dcat.samples import FRAME, at_the_edges, every_kind
from tests.catalog.listings import Shelf, national_catalogue

from sanyuan.catalog.dcat import Exporter, Format

SETTING: Final = "SANYUAN_DCAT_AP_SHAPES"
MDR: Final = "mdr-vocabularies.shape.ttl"
RELEASE: Final = {
    # releases/3.0.1/html/shacl, at 7c531da7f154794da620fd0e57a3e8afe0286c0f
    "shapes.ttl": "7fe9815e0f32b10f5cbce74fa6ccd0290aae3ef9e5080fb84e2d8093eb984d1d",
    "range.ttl": "24d3bfd0fa17a3d0e877c9ebb91c8174124e5038538e1bf081b2cb679ad0f1b2",
    "shapes_recommended.ttl": "9afbf23f1f56d10d6839259684934137e20506a9aedce0249b619bbc593b9abd",
    MDR: "2362f83971766a15cc20b2b54420022dc10547dd2c483da02080847c61b4b45a",
    "deprecateduris.ttl": "30a20a51a487c40ab7ae04f5905f02ef28238ec5cb390e37053334d835021948",
    # releases/3.0.1/shacl
    "dcat-ap-SHACL.ttl": "990d3e42721de6a4be8cc338a7171559f195e62dea89c0b56531356b78cc026f",
    "ranges.ttl": "a6eed0fae8d0f5ca977fe2098ca12081ac60b0efe1ddce802d5c08e49505ebcc",
}
SETS: Final = {
    "core": ("shapes.ttl", "range.ttl"),
    "generated": ("dcat-ap-SHACL.ttl", "ranges.ttl"),
    "controlled vocabularies": (MDR,),
    "recommended": ("shapes_recommended.ttl",),
    "deprecated": ("deprecateduris.ttl",),
}
# The generated files name these property shapes and do not have them (SEMICeu/DCAT-AP issue 448):
# pyshacl refuses to run such a set, so the names are taken out.
MISSING: Final = 5
Closure = tuple[tuple[URIRef, URIRef], ...]
SUBCLASSES: Final[Closure] = (
    (DCAT.Catalog, DCAT.Dataset),
    (DCAT.Dataset, DCAT.Resource),
    (DCAT.DataService, DCAT.Resource),
    (DCTERMS.LicenseDocument, DCTERMS.RightsStatement),
    (DCTERMS.MediaType, DCTERMS.MediaTypeOrExtent),
)

FOLDER: Final = os.environ.get(SETTING)
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason=f"the official shapes of DCAT-AP are not at hand ({SETTING})"
)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    with Shelf.open(tmp_path_factory.mktemp("shelf")) as shelf:
        shelf.publish(*every_kind(), *at_the_edges())
        shelf.enter(national_catalogue(100))
        exporter = Exporter(shelf.catalogue, FRAME, tmp_path_factory.mktemp("exports"))
        yield Graph().parse(exporter.export(Format.TURTLE).path, format="turtle")


def load_shapes(names: tuple[str, ...]) -> Graph:
    shapes = Graph()
    for name in names:
        raw = (Path(FOLDER or "") / name).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == RELEASE[name], f"{name} is not the release's"
        shapes.parse(data=raw, format="turtle")
    return shapes


def stated(closure: Closure) -> Graph:
    graph = Graph()
    for narrow, wide in closure:
        graph.add((narrow, RDFS.subClassOf, wide))
    return graph


def violations(data: Graph, shapes: Graph) -> list[str]:
    """The results that are neither warnings nor details of one."""
    _conforms, report, _text = validate(data, shacl_graph=shapes, inference="none")
    assert isinstance(report, Graph)
    results = report.objects(None, SH.result)
    return [
        str(report.value(result, SH.resultMessage))
        for result in results
        if report.value(result, SH.resultSeverity) == SH.Violation
    ]


@pytest.mark.parametrize("closure", [(), SUBCLASSES], ids=["alone", "with subclasses"])
@pytest.mark.parametrize("name", list(SETS))
def test_the_official_shapes_accept_the_export(export: Graph, name: str, closure: Closure) -> None:
    shapes = load_shapes(SETS[name])
    named = set(shapes.objects(None, SH.property))
    missing = {shape for shape in named if shapes.value(shape, SH.path) is None}
    assert len(missing) == (MISSING if name == "generated" else 0)
    for shape in missing:
        shapes.remove((None, SH.property, shape))
    assert violations(export + stated(closure), shapes) == []


@pytest.mark.parametrize(
    ("subject", "predicate"),
    [
        (FRAME.catalogue, DCTERMS.publisher),
        (URIRef(f"{FRAME.page('307001/000001')}#dataset"), DCTERMS.title),
        (URIRef(f"{FRAME.page('307001/000001')}#distribution"), DCAT.accessURL),
        (URIRef(f"{FRAME.page('307019/000019')}#service"), DCAT.endpointURL),
        (FRAME.part("publisher"), FOAF.name),
        (FRAME.part("publisher"), RDF.type),
        (FRAME.part("classification"), DCTERMS.title),
        (FRAME.part("class-3"), SKOS.prefLabel),
        (FRAME.part("terms"), RDF.type),
    ],
)
def test_they_miss_what_is_taken_out(export: Graph, subject: URIRef, predicate: URIRef) -> None:
    """So that the test above means something."""
    broken = export + Graph()
    assert (subject, predicate, None) in broken
    broken.remove((subject, predicate, None))
    assert violations(broken, load_shapes(SETS["core"])) != []
