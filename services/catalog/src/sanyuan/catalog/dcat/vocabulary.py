"""The terms that the export uses. Pure.

DCAT-AP's shapes ask for the class of every resource that is referred to, and for the scheme of
every code. Both stand in the vocabularies of the EU Publications Office, which a validator would
have to import; the export says of each code that it uses what they say, and so needs no import.
"""

from typing import Final, NamedTuple

from rdflib import Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

from sanyuan.common.contracts.catalog import Format, Openness, SharingType, UpdateCycle

PREFIXES: Final = {
    "dcat": str(DCAT),
    "dct": str(DCTERMS),
    "foaf": str(FOAF),
    "rdf": str(RDF),
    "rdfs": str(RDFS),
    "skos": str(SKOS),
    "xsd": str(XSD),
}
_AUTHORITY: Final = "http://publications.europa.eu/resource/authority/"

Term = URIRef | Literal
Statements = list[tuple[URIRef, Term]]
Node = tuple[URIRef, Statements]
"""A resource and what is said of it."""


class Code(NamedTuple):
    """A code of the EU Publications Office, with the class that DCAT-AP takes it for."""

    iri: URIRef
    kind: URIRef
    zh: str
    en: str

    def node(self) -> Node:
        """What the vocabulary says of it."""
        scheme = URIRef(self.iri.rpartition("/")[0])
        return self.iri, [
            (RDF.type, self.kind),
            (RDF.type, SKOS.Concept),
            (SKOS.inScheme, scheme),
            *in_both(SKOS.prefLabel, self.zh, self.en),
        ]


def in_both(term: URIRef, zh: str | None, en: str | None) -> Statements:
    """The same in Chinese and English, as far as it is there."""
    return [
        (term, Literal(text, lang=language))
        for text, language in ((zh, "zh"), (en, "en"))
        if text is not None
    ]


def _frequency(name: str, zh: str, en: str) -> Code:
    return Code(URIRef(f"{_AUTHORITY}frequency/{name}"), DCTERMS.Frequency, zh, en)


def _access(name: str, zh: str, en: str) -> Code:
    return Code(URIRef(f"{_AUTHORITY}access-right/{name}"), DCTERMS.RightsStatement, zh, en)


CHINESE: Final = Code(
    URIRef(f"{_AUTHORITY}language/ZHO"), DCTERMS.LinguisticSystem, "中文", "Chinese"
)
JSON: Final = Code(URIRef(f"{_AUTHORITY}file-type/JSON"), DCTERMS.MediaTypeOrExtent, "JSON", "JSON")
FREQUENCIES: Final[dict[UpdateCycle, Code]] = {
    "real-time": _frequency("UPDATE_CONT", "实时", "continuously updated"),
    "daily": _frequency("DAILY", "每日", "daily"),
    "weekly": _frequency("WEEKLY", "每周", "weekly"),
    "monthly": _frequency("MONTHLY", "每月", "monthly"),
    "quarterly": _frequency("QUARTERLY", "每季度", "quarterly"),
    "half-yearly": _frequency("ANNUAL_2", "每半年", "semiannual"),
    "yearly": _frequency("ANNUAL", "每年", "annual"),
}
# Openness is towards the public, which is what DCAT-AP's access rights mean.
ACCESS_RIGHTS: Final[dict[Openness, Code]] = {
    "open": _access("PUBLIC", "向社会开放", "public"),
    "conditionally-open": _access("RESTRICTED", "有条件开放", "restricted"),
    "not-open": _access("NON_PUBLIC", "不予开放", "non-public"),
}
SHARING: Final[dict[SharingType, tuple[str, str]]] = {
    "unconditional": ("无条件共享", "Shared without conditions"),
    "conditional": ("有条件共享", "Shared on conditions"),
    "not-shared": ("不予共享", "Not shared"),
}
FORMATS: Final[dict[Format, tuple[str, str]]] = {
    "electronic-file": ("电子文件", "electronic file"),
    "spreadsheet": ("电子表格", "spreadsheet"),
    "database": ("数据库", "database"),
    "image": ("图形图像", "image"),
    "streaming-media": ("流媒体", "streaming media"),
    "self-describing": ("自描述格式", "self-describing format"),
    "service-interface": ("服务接口", "service interface"),
}
