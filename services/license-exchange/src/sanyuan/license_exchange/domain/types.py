"""Licence types: what a revision may change, and who issues (design §6).

A type is changed by a new revision. Licences that are out keep what they say, so a revision may add
fields and relax them, but no field may vanish or mean something else.
"""

from typing import Final, NamedTuple

from sanyuan.common.contracts.license_exchange import LicenseType

CODE_LENGTH: Final = 18
MAX_TYPE_BYTES: Final = 56 * 1024
"""As JSON: with its envelope it is a public fact, and a value has at most 60 KiB (design §3)."""


class TypeRevision(NamedTuple):
    """A type as it counts from a revision on."""

    type: LicenseType
    revision: int

    @property
    def definer(self) -> str:
        """The credit code of the body that defines the type (GB/T 36904)."""
        return definer_of(self.type.code)

    def lets_issue(self, participant: str) -> bool:
        """Whether a participant may issue licences of this type."""
        return self.type.issuers is None or participant in self.type.issuers


def is_too_large(kind: LicenseType) -> bool:
    """Whether the fact that would publish a type could not be written."""
    return len(kind.model_dump_json(exclude_none=True).encode()) > MAX_TYPE_BYTES


def definer_of(code: str) -> str:
    """The first field of a type code."""
    return code[:CODE_LENGTH]


def first_incompatible(old: LicenseType, new: LicenseType) -> str | None:
    """The first field of ``old`` that ``new`` lacks, or gives another type or less room."""
    fields = {item.name: item for item in new.fields}
    for item in old.fields:
        kept = fields.get(item.name)
        if kept is None or kept.type != item.type:
            return item.name
        if kept.length is not None and (item.length is None or kept.length < item.length):
            return item.name
    return None
