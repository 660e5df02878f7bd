"""The catalogue as DCAT-AP 3.0.1, for portals elsewhere (design §7).

`describing` says in RDF what is listed, `writing` writes it as Turtle or JSON-LD, `exporting` keeps
the newest export as a file, since it is asked for more often than it changes. `vocabulary` has the
terms of others, with what DCAT-AP demands to be said of them.
"""

from sanyuan.catalog.dcat.describing import describe_alone
from sanyuan.catalog.dcat.exporting import Export, Exporter, ExportError
from sanyuan.catalog.dcat.frame import Frame, FrameError
from sanyuan.catalog.dcat.writing import Format, write

__all__ = [
    "Export",
    "ExportError",
    "Exporter",
    "Format",
    "Frame",
    "FrameError",
    "describe_alone",
    "write",
]
