"""The reads through the ASGI application that a service is: exact paths, threads and all."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faststream.asgi import AsgiFastStream
from httpx import ASGITransport, AsyncClient, Response
from rdflib import Graph
from rdflib.namespace import DCAT, RDF
from tests.catalog.dcat.profile import violations
from tests.catalog.dcat.samples import FRAME
from tests.catalog.listings import PROVIDER, Shelf, make_resource

from sanyuan.catalog.api import Reads
from sanyuan.common.contracts.catalog import Resource, Sharing

CODE = "307010/000001"


@dataclass(frozen=True)
class Client:
    """Asks the application as a server would, one request after the other."""

    app: AsgiFastStream

    def ask(self, method: str, path: str, **how: Any) -> Response:  # noqa: ANN401  httpx's own
        async def request() -> Response:
            transport = ASGITransport(self.app)
            async with AsyncClient(transport=transport, base_url="http://catalog") as client:
                return await client.request(method, path, **how)

        return asyncio.run(request())

    def get(self, path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask("GET", path, headers=named)


@dataclass(frozen=True)
class Site:
    shelf: Shelf
    client: Client

    def get(self, path: str, accept: str | None = None, **parameters: str | int) -> Response:
        headers = {} if accept is None else {"accept": accept}
        return self.client.ask("GET", path, params=parameters, headers=headers)


def client_of(reads: Reads) -> Client:
    return Client(AsgiFastStream(asgi_routes=reads.routes))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Shelf.open(tmp_path) as shelf:
        shelf.publish(
            make_resource("户籍登记信息", code=CODE, name_en="Household register"),
            make_resource(
                "食品经营许可证",
                code="201001/000001",
                format="service-interface",
                sharing=Sharing(type="conditional", conditions="限许可"),
            ),
            make_resource("企业年报", code="201002/000001", openness="open"),
        )
        reads = Reads(shelf.path, tmp_path / "exports", FRAME)
        yield Site(shelf, client_of(reads))
        reads.close()


def test_a_search_gives_a_page_and_says_how_much_there_is(site: Site) -> None:
    answer = site.get("/resources", q="户籍").json()
    (found,) = answer.pop("resources")
    assert answer == {
        "query": "户籍",
        "matching": "all",
        "total": 1,
        "page": 1,
        "size": 20,
        "pages": 1,
    }
    assert found["name"] == "户籍登记信息"
    assert found["provider"]["name"] == "公安部"
    assert found["modified"] == "2026-09-21T14:13:20.000000Z"


def test_without_words_everything_is_shown_page_by_page(site: Site) -> None:
    pages = [site.get("/resources", size=2, page=page).json() for page in (1, 2, 3)]
    assert [len(page["resources"]) for page in pages] == [2, 1, 0]
    assert {(page["total"], page["pages"]) for page in pages} == {(3, 2)}


@pytest.mark.parametrize(
    ("parameters", "total"),
    [
        ({"provider": PROVIDER}, 3),
        ({"sharing": "conditional"}, 1),
        ({"openness": "open"}, 1),
        ({"classification": "201"}, 2),
        ({"classification": "201001/"}, 1),
        ({"q": "food permit", "sharing": ""}, 0),
        ({"q": "*\"'"}, 0),
        ({"q": "%00户籍"}, 1),
    ],
)
def test_filters_and_strange_words_are_understood(
    site: Site, parameters: dict[str, str], total: int
) -> None:
    answer = site.get("/resources", **parameters)
    assert (answer.status_code, answer.json()["total"]) == (200, total)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/resources?page=0", "page"),
        ("/resources?page=two", "page"),
        ("/resources?page=99999999999999999999", "page"),
        ("/resources?size=101", "size"),
        ("/resources?sharing=secret", "sharing"),
        ("/resources?openness=1", "openness"),
        ("/resources?provider=11", "provider"),
        ("/resources?classification=30a", "classification"),
        ("/resources?words=x", "words"),
        ("/resources?q=a&q=b", "q"),
        ("/resources?q=" + "a" * 201, "q"),
        ("/resource", "code"),
        ("/resource?code=", "code"),
        ("/resource?code=307010/000001&format=xml", "format=xml"),
        ("/dcat?format=json", "format=json"),
        ("/dcat?page=2", "page"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_where_and_what_to_do(
    site: Site, path: str, where: str
) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 400
    error = answer.json()
    assert error["where"] == where
    assert error["what"]
    assert error["do"]


def test_an_unknown_resource_is_404_and_other_methods_are_405(site: Site) -> None:
    missing = site.get("/resource", code="999999/000001")
    assert (missing.status_code, missing.json()["where"]) == (404, "code=999999/000001")
    wrong = site.client.ask("POST", "/resources")
    assert (wrong.status_code, set(wrong.json())) == (405, {"what", "where", "do"})
    assert "GET" in wrong.headers["allow"]


def test_head_is_get_without_a_body(site: Site) -> None:
    for path in ("/resources", f"/resource?code={CODE}", "/dcat"):
        answer = site.client.ask("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_one_resource_has_everything_that_was_published(site: Site) -> None:
    answer = site.get("/resource", code=CODE).json()
    published = make_resource("户籍登记信息", code=CODE, name_en="Household register")
    assert Resource.model_validate(answer["resource"]) == published
    assert (answer["revision"], answer["issued"]) == (1, "2026-09-21T14:13:20.000000Z")


@pytest.mark.parametrize(
    ("accept", "form"),
    [("text/turtle", "turtle"), ("application/ld+json", "json-ld")],
)
@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_one_resource_is_data_too(site: Site, accept: str, form: str) -> None:
    answer = site.get("/resource", accept, code=CODE)
    assert answer.headers["content-type"].startswith(accept)
    graph = Graph().parse(data=answer.content, format=form)
    assert list(violations(graph)) == []
    assert len(list(graph.subjects(RDF.type, DCAT.Dataset))) == 1
    assert site.get("/resource", code=CODE, format=form).content == answer.content


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "text/turtle"),
        ("*/*", "text/turtle"),
        ("text/*;q=0.1, application/*", "application/ld+json"),
        ("application/ld+json", "application/ld+json"),
        ("text/turtle;q=0.5, application/ld+json;q=0.4", "text/turtle"),
        ("text/turtle;q=0, */*", "application/ld+json"),
        ("application/json, */*;q=0.1", "text/turtle"),
    ],
)
def test_the_export_comes_as_it_is_accepted(site: Site, accept: str | None, media: str) -> None:
    answer = site.get("/dcat", accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media)
    assert "accept" in answer.headers["vary"].lower()


@pytest.mark.parametrize("accept", ["text/html", "text/turtle;q=0", "text/turtle;q=x", ";;,,"])
def test_what_nobody_can_give_is_406(site: Site, accept: str) -> None:
    answer = site.get("/dcat", accept)
    assert (answer.status_code, answer.json()["where"]) == (406, "Accept")
    assert "text/turtle" in answer.json()["do"]


def test_the_export_is_sent_once_for_each_revision(site: Site) -> None:
    first = site.get("/dcat")
    etag = first.headers["etag"]
    assert list(violations(Graph().parse(data=first.content, format="turtle"))) == []
    for known in (etag, f'"x", W/{etag}', "*"):
        again = site.client.get("/dcat", if_none_match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    site.shelf.publish(make_resource("新的", code="999999/000001"))
    changed = site.client.get("/dcat", if_none_match=etag)
    assert (changed.status_code, changed.headers["etag"] != etag) == (200, True)
    assert "新的" in changed.text


def test_part_of_an_export_can_be_asked_for(site: Site) -> None:
    whole = site.get("/dcat").content
    part = site.client.get("/dcat", range="bytes=10-19")
    assert (part.status_code, part.content) == (206, whole[10:20])


def test_a_service_that_is_not_ready_says_so_and_when_to_ask_again(tmp_path: Path) -> None:
    reads = Reads(tmp_path / "catalog.db", tmp_path / "exports", FRAME)
    for path in ("/resources", f"/resource?code={CODE}", "/dcat"):
        answer = client_of(reads).get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "/ready" in answer.json()["do"]
    reads.close()


def test_a_disk_that_takes_no_export_is_503_and_search_goes_on(site: Site) -> None:
    (site.shelf.path.parent / "exports").write_text("in the way")
    assert site.get("/dcat").status_code == 503
    assert site.get("/resources").status_code == 200
