"""The command and the service that answers it: one contract, tried on both sides."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from faststream.asgi import AsgiFastStream
from tests.catalog.dcat.samples import FRAME
from tests.catalog.listings import Shelf, make_resource
from typer.testing import CliRunner

from sanyuan.catalog.api import Reads
from sanyuan.client.cli import catalogue
from sanyuan.client.cli.console import OUT
from sanyuan.client.cli.main import app
from sanyuan.client.searching import SearchError, search_catalogue
from sanyuan.common.contracts.catalog import Sharing
from sanyuan.common.systems import SystemFile

URL = "http://catalog"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiFastStream]:
    folder = tmp_path_factory.mktemp("catalog")
    with Shelf.open(folder) as shelf:
        shelf.publish(
            make_resource("户籍登记信息", name_en="Household [register]", code="307010/000001"),
            make_resource(
                "食品经营许可证",
                code="201001/000001",
                sharing=Sharing(type="conditional", conditions="限许可"),
            ),
        )
        reads = Reads(shelf.path, folder / "exports", FRAME)
        yield AsgiFastStream(asgi_routes=reads.routes)
        reads.close()


@pytest.fixture
def client(service: AsgiFastStream) -> httpx.Client:
    """Asks the service without a socket."""

    async def ask(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(service)) as asking:
            answer = await asking.send(request)
            return httpx.Response(answer.status_code, content=answer.content)

    return answering(lambda request: asyncio.run(ask(request)))


@pytest.fixture
def address(service: AsgiFastStream) -> Iterator[str]:
    """Where the service listens."""
    config = uvicorn.Config(service, port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    serving = threading.Thread(target=server.run)
    serving.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    serving.join()


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def run(*arguments: str) -> tuple[int, str, str]:
    OUT.width = 120  # what COLUMNS said when it was made may be less
    ended = CliRunner().invoke(app, ["search", *arguments])
    return ended.exit_code, ended.stdout, ended.stderr


def test_a_search_is_understood_by_the_service(client: httpx.Client) -> None:
    found = search_catalogue(f"{URL}/", {"q": "户籍", "sharing": "unconditional"}, client)
    assert (found.query, found.matching, found.total) == ("户籍", "all", 1)
    assert found.resources[0].name_en == "Household [register]"


def test_what_the_service_refuses_is_told_as_it_tells_it(client: httpx.Client) -> None:
    with pytest.raises(SearchError) as refused:
        search_catalogue(URL, {"sharing": "secret"}, client)
    assert refused.value.where == "sharing"
    assert "'conditional'" in refused.value.what


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(500, text="<html>"), "answers 500"),
        (httpx.Response(404, json={"detail": "x"}), "answers 404"),
        (httpx.Response(200, text="hello"), "not a catalogue"),
        (httpx.Response(200, json={"total": 1}), "not a catalogue"),
        (httpx.Response(302, headers={"location": "http://elsewhere"}), "answers 302"),
    ],
)
def test_what_is_no_catalogue_is_not_believed(answer: httpx.Response, what: str) -> None:
    with pytest.raises(SearchError, match=what):
        search_catalogue(URL, {}, answering(lambda _: answer))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "foo", "http://[", "ftp://x", "http://\x00"])
def test_an_address_where_nobody_answers_is_an_error_of_ours(url: str) -> None:
    with pytest.raises(SearchError, match="does not answer"):
        search_catalogue(url, {})


def test_the_command_shows_a_table_in_both_languages(address: str) -> None:
    code, out, _ = run("户籍", "--url", address)
    assert code == 0
    for text in ("307010/000001", "户籍登记信息", "Household [register]", "无条件", "daily"):
        assert text in out
    assert "1 resources, page 1 of 1" in out
    assert "食品" not in out


def test_the_command_joins_words_and_says_when_only_some_are_there(address: str) -> None:
    _, out, _ = run("食品", "量子", "--url", address)
    assert "None has every word" in out
    assert "201001/000001" in out
    assert "No resource was found" in run("量子", "--url", address)[1]


def test_without_words_the_command_shows_everything(address: str) -> None:
    code, out, _ = run("--url", address, "--size", "1", "--page", "2")
    assert code == 0
    assert "307010/000001" in out
    assert "2 resources, page 2 of 2" in out


def test_the_command_prints_json_for_programs(address: str) -> None:
    code, out, _ = run("permit \udcff", "--url", address, "--json")
    assert (code, json.loads(out)["total"]) == (0, 0)


def test_the_command_finds_the_address_in_a_system_file(address: str, tmp_path: Path) -> None:
    system = SystemFile.create("//cn/departments/11100000000013338W/reader")
    known = system.model_copy(update={"urls": {"catalog": address}})
    path = tmp_path / "systems" / "reader.json"
    known.save(path)
    assert run("户籍", "--as", str(path))[0] == 0
    assert run("户籍", "--var", str(tmp_path))[0] == 0
    system.save(path)
    code, _, err = run("户籍", "--var", str(tmp_path))
    assert code == 2
    assert "not known here" in err


def test_every_kind_of_sharing_and_update_has_its_words_in_both_languages() -> None:
    for words in (*catalogue.SHARING.values(), *catalogue.UPDATES.values(), *catalogue.HEADINGS):
        chinese, english = words
        assert english.isascii()
        assert not chinese.isascii()


def test_a_refused_search_ends_the_command_with_2(address: str) -> None:
    code, _, err = run("--sharing", "secret", "--url", address)
    assert code == 2
    assert "where  sharing" in err
