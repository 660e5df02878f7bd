from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS
from tests.catalog.dcat.profile import violations
from tests.catalog.dcat.samples import FRAME, at_the_edges, every_kind
from tests.catalog.listings import Shelf, make_resource

from sanyuan.catalog.dcat import Exporter, Format, Frame, FrameError, describe_alone, write
from sanyuan.common.contracts.catalog import Resource, Sharing

CODE = "307010/000001"
PAGE = f"https://catalog.example.org/resource?code={CODE}"
DATASET, DISTRIBUTION, SERVICE, RIGHTS = (
    URIRef(f"{PAGE}#{part}") for part in ("dataset", "distribution", "service", "rights")
)

TERMS = FRAME.part("terms")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf.open(tmp_path_factory.mktemp("shelf")) as shelf:
        shelf.publish(*every_kind(), *at_the_edges())
        yield shelf


@pytest.fixture(scope="module")
def whole(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    exporter = Exporter(shelf.catalogue, FRAME, tmp_path_factory.mktemp("exports"))
    return Graph().parse(exporter.export(Format.TURTLE).path, format="turtle")


def alone(tmp_path: Path, resource: Resource) -> Graph:
    with Shelf.open(tmp_path) as shelf:
        shelf.publish(resource)
        entry = shelf.catalogue.find(resource.code)
        assert entry is not None
        text = b"".join(write(describe_alone(entry, FRAME), Format.TURTLE))
        return Graph().parse(data=text, format="turtle")


def test_the_export_keeps_to_the_profile(whole: Graph) -> None:
    assert list(violations(whole)) == []


@pytest.mark.parametrize("resource", [*every_kind()[:6], *at_the_edges()], ids=lambda r: r.code)
def test_a_resource_alone_keeps_to_it_too(tmp_path: Path, resource: Resource) -> None:
    assert list(violations(alone(tmp_path, resource))) == []


def test_every_published_resource_is_a_dataset_of_the_catalogue(whole: Graph) -> None:
    datasets = set(whole.objects(FRAME.catalogue, DCAT.dataset))
    assert len(datasets) == len(every_kind()) + len(at_the_edges())
    assert datasets == set(whole.subjects(RDF.type, DCAT.Dataset))


def test_a_service_interface_and_nothing_else_is_a_data_service_too(whole: Graph) -> None:
    services = set(whole.objects(FRAME.catalogue, DCAT.service))
    assert len(services) == 3
    assert services == set(whole.subjects(RDF.type, DCAT.DataService))


def test_a_dataset_says_what_the_resource_says(tmp_path: Path) -> None:
    resource = make_resource(
        "户籍登记信息", name_en="Household register", update_cycle="half-yearly", openness="open"
    )
    graph = alone(tmp_path, resource)
    assert set(graph.objects(DATASET, DCTERMS.title)) == {
        Literal("户籍登记信息", lang="zh"),
        Literal("Household register", lang="en"),
    }
    assert graph.value(DATASET, DCTERMS.identifier) == Literal(CODE)
    assert str(graph.value(DATASET, DCTERMS.accrualPeriodicity)).endswith("/frequency/ANNUAL_2")
    assert str(graph.value(DATASET, DCTERMS.accessRights)).endswith("/access-right/PUBLIC")
    moment = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert graph.value(DATASET, DCTERMS.modified) == Literal(moment)
    publisher = graph.value(DATASET, DCTERMS.publisher)
    assert Literal("公安部", lang="zh") in set(graph.objects(publisher, FOAF.name))
    assert Literal("姓名", lang="zh") in set(graph.objects(DATASET, DCAT.keyword))


def test_its_theme_is_its_lowest_class_and_leads_up_to_the_highest(tmp_path: Path) -> None:
    names, theme = [], alone(tmp_path, make_resource()).value(DATASET, DCAT.theme)
    graph = alone(tmp_path / "again", make_resource())
    while theme is not None:
        names.append(str(graph.value(theme, SKOS.prefLabel)))
        theme = graph.value(theme, SKOS.broader)
    assert names == ["登记", "户政", "人口"]


@pytest.mark.parametrize(
    ("sharing", "label", "terms"),
    [
        (Sharing(type="unconditional"), "无条件共享", FRAME.part("terms")),
        (
            Sharing(type="conditional", conditions="限许可"),
            "有条件共享：限许可",
            FRAME.part("terms"),
        ),
        (Sharing(type="not-shared", grounds="保密"), "不予共享：保密", None),
    ],
)
def test_rights_say_how_it_is_shared(
    tmp_path: Path, sharing: Sharing, label: str, terms: URIRef | None
) -> None:
    graph = alone(tmp_path, make_resource(sharing=sharing))
    assert Literal(label, lang="zh") in set(graph.objects(RIGHTS, RDFS.label))
    assert graph.value(DISTRIBUTION, DCTERMS.license) == terms


def test_a_service_names_its_endpoint_and_what_it_serves(tmp_path: Path) -> None:
    graph = alone(tmp_path, make_resource(format="service-interface"))
    assert graph.value(SERVICE, DCAT.servesDataset) == DATASET
    assert graph.value(DISTRIBUTION, DCAT.accessService) == SERVICE
    endpoint = graph.value(SERVICE, DCAT.endpointURL)
    labels = {str(label) for label in graph.objects(endpoint, RDFS.label)}
    assert "Kafka topic calls, for connected systems with a grant" in labels


@pytest.mark.parametrize(
    "url",
    [
        "",
        "catalog.example.org",
        "https://x/",
        "ftp://x",
        "https://x y",
        'https://x">',
        "https://x?a",
    ],
)
def test_an_address_that_no_iri_can_begin_with_is_refused(url: str) -> None:
    with pytest.raises(FrameError, match="not an address"):
        Frame(url)
