"""What a system asks license-exchange (design §6)."""

from sanyuan.client.faces.licenses.asking import Around
from sanyuan.client.faces.licenses.disputes import DisputesFace
from sanyuan.client.faces.licenses.issuing import IssuingFace
from sanyuan.client.faces.licenses.sharing import (
    Declined,
    LicensesShared,
    Presentation,
    SharedLicense,
    SharingFace,
)

__all__ = [
    "Around",
    "Declined",
    "LicenseFace",
    "LicensesShared",
    "Presentation",
    "SharedLicense",
]


class LicenseFace(IssuingFace, SharingFace, DisputesFace):
    """Licence types, licences, their fields, presentations and disputes."""
