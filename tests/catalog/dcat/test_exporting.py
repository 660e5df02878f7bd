import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rdflib import Graph
from rdflib.compare import isomorphic
from tests.catalog.dcat.samples import FRAME, every_kind
from tests.catalog.listings import Shelf, make_resource, national_catalogue

from sanyuan.catalog.dcat import Exporter, ExportError, Format, Frame

# rdflib's own JSON-LD parser uses what rdflib has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path) as shelf:
        shelf.publish(*every_kind())
        yield shelf


def exporter_of(shelf: Shelf, frame: Frame = FRAME) -> Exporter:
    return Exporter(shelf.catalogue, frame, shelf.path.parent / "exports")


def test_both_formats_say_the_same(shelf: Shelf) -> None:
    turtle, json_ld = (exporter_of(shelf).export(form) for form in Format)
    assert turtle.etag != json_ld.etag
    assert isomorphic(
        Graph().parse(turtle.path, format="turtle"), Graph().parse(json_ld.path, format="json-ld")
    )


def test_an_unchanged_catalogue_is_not_written_again(shelf: Shelf) -> None:
    exporter = exporter_of(shelf)
    first = exporter.export(Format.TURTLE)
    made = first.path.stat().st_mtime_ns
    assert exporter.etag(Format.TURTLE) == first.etag
    assert exporter.export(Format.TURTLE) == first
    assert exporter_of(shelf).export(Format.TURTLE).path.stat().st_mtime_ns == made


def test_a_changed_catalogue_has_another_etag_and_another_file(shelf: Shelf) -> None:
    exporter = exporter_of(shelf)
    first = exporter.export(Format.TURTLE)
    shelf.publish(make_resource("新的资源", code="999999/000001"))
    assert exporter.etag(Format.TURTLE) != first.etag
    second = exporter.export(Format.TURTLE)
    assert second.path != first.path
    assert "新的资源" in second.path.read_text()
    shelf.withdraw("999999/000001")
    assert "新的资源" not in exporter.export(Format.TURTLE).path.read_text()


def test_another_address_makes_another_export(shelf: Shelf) -> None:
    other = exporter_of(shelf, Frame("https://elsewhere.example"))
    assert other.etag(Format.TURTLE) != exporter_of(shelf).etag(Format.TURTLE)
    assert "catalog.example.org" not in other.export(Format.TURTLE).path.read_text()


def test_an_empty_catalogue_is_a_catalogue(tmp_path: Path) -> None:
    with Shelf.open(tmp_path) as shelf:
        export = exporter_of(shelf).export(Format.JSON_LD)
        assert len(Graph().parse(export.path, format="json-ld")) > 0


def test_many_who_ask_at_once_get_one_export(shelf: Shelf) -> None:
    exporter = exporter_of(shelf)
    with ThreadPoolExecutor(8) as threads:
        exports = set(threads.map(exporter.export, [Format.TURTLE] * 8))
    assert len(exports) == 1
    assert len(list((shelf.path.parent / "exports").iterdir())) == 1


def test_old_files_go_when_nobody_can_be_reading_them(shelf: Shelf) -> None:
    exporter = exporter_of(shelf)
    paths = []
    for number in range(4):
        shelf.publish(make_resource(code=f"999999/{number:06d}"))
        paths.append(exporter.export(Format.TURTLE).path)
        os.utime(paths[-1], (time.time() - 10_000 + number,) * 2)
    draft = paths[0].with_name("1-x.ttl.99.part")
    draft.touch()
    os.utime(draft, (0, 0))
    shelf.publish(make_resource(code="999999/000009"))
    newest = exporter.export(Format.TURTLE).path
    assert set(newest.parent.iterdir()) == {newest, paths[-1]}


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(shelf: Shelf) -> None:
    (shelf.path.parent / "exports").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        exporter_of(shelf).export(Format.TURTLE)


def test_an_export_is_quick_and_lets_others_run(tmp_path: Path) -> None:
    """At most 0.8 ms of CPU a resource, and another thread is not kept waiting."""
    with Shelf.open(tmp_path) as shelf:
        shelf.enter(national_catalogue(2_000))
        stop, gaps = threading.Event(), [0.0]

        def tick() -> None:
            while not stop.is_set():
                begun = time.perf_counter()
                time.sleep(0.001)
                gaps.append(time.perf_counter() - begun)

        other = threading.Thread(target=tick)
        other.start()
        begun = time.thread_time()
        exporter_of(shelf).export(Format.TURTLE)
        spent = time.thread_time() - begun
        stop.set()
        other.join()
    assert spent < 2_000 * 0.0008
    assert sorted(gaps)[int(len(gaps) * 0.95)] < 0.05
