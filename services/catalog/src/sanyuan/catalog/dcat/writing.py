"""RDF as text, one node after the other, so that a catalogue of any size is written as it is read.

rdflib's own serializers need the whole graph in memory and sort it: 25 times the time. What is
written here is read back by rdflib in the tests, graph by graph.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, assert_never

import orjson
from rdflib import URIRef
from rdflib.namespace import RDF

from sanyuan.catalog.dcat.vocabulary import PREFIXES, Node, Statements, Term


class Format(StrEnum):
    """A way to write RDF."""

    TURTLE = "turtle"
    JSON_LD = "json-ld"

    @property
    def media_type(self) -> str:
        """By IANA."""
        return "text/turtle" if self is Format.TURTLE else "application/ld+json"


def write(nodes: Iterable[Node], form: Format) -> Iterator[bytes]:
    """A document, in pieces; a resource may come several times, each time with more of it."""
    match form:
        case Format.TURTLE:
            return _write_turtle(nodes)
        case Format.JSON_LD:
            return _write_json_ld(nodes)
        case _:
            assert_never(form)


def _write_turtle(nodes: Iterable[Node]) -> Iterator[bytes]:
    prefixes = (f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in PREFIXES.items())
    yield "".join(prefixes).encode()
    for subject, statements in nodes:
        lines = [f"{_verb(predicate)} {_turtle(value)}" for predicate, value in statements]
        said = " ;\n    ".join(lines)
        yield f"\n<{subject}> {said} .\n".encode()


def _verb(predicate: URIRef) -> str:
    return "a" if predicate == RDF.type else _iri(predicate)


def _turtle(term: Term) -> str:
    if isinstance(term, URIRef):
        return _iri(term)
    if term.datatype is None:
        return term.n3()
    return f'"{term}"^^{_iri(term.datatype)}'


def _write_json_ld(nodes: Iterable[Node]) -> Iterator[bytes]:
    yield b'{"@context":' + orjson.dumps(PREFIXES) + b',"@graph":['
    separator = b"\n"
    for subject, statements in nodes:
        yield separator + orjson.dumps({"@id": str(subject), **_members(statements)})
        separator = b",\n"
    yield b"\n]}\n"


def _members(statements: Statements) -> dict[str, list[Any]]:
    members: dict[str, list[Any]] = {}
    for predicate, value in statements:
        if predicate == RDF.type:
            members.setdefault("@type", []).append(_name(value))
        else:
            members.setdefault(_name(predicate), []).append(_json(value))
    return members


def _json(term: Term) -> dict[str, str]:
    if isinstance(term, URIRef):
        return {"@id": str(term)}
    if term.language is not None:
        return {"@value": str(term), "@language": term.language}
    if term.datatype is not None:
        return {"@value": str(term), "@type": _name(term.datatype)}
    return {"@value": str(term)}


_KNOWN: Final = {iri: prefix for prefix, iri in PREFIXES.items()}


@lru_cache(maxsize=1024)
def _short(iri: str) -> str | None:
    """The short name of a term of a known vocabulary."""
    end = max(iri.rfind("#"), iri.rfind("/")) + 1
    prefix, local = _KNOWN.get(iri[:end]), iri[end:]
    return f"{prefix}:{local}" if prefix and local.isalnum() else None


def _name(iri: str) -> str:
    """A term as JSON-LD names it."""
    return _short(iri) or str(iri)


def _iri(iri: str) -> str:
    """A term as Turtle names it."""
    return _short(iri) or f"<{iri}>"
