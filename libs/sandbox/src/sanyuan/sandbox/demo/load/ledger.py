"""What has been published and granted, a line a fact, written as soon as its decision is here.

So a process that is started again goes on where it was; whoever reads along (the agency, which
reviews what was submitted) sees each line once it is whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from sanyuan.common.contracts.catalog import GrantTerms

LEDGER: Final = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A resource waits for the agency."""

    resource: str
    revision: int
    fact: Literal["submitted"] = "submitted"


@dataclass(frozen=True, slots=True)
class Granted:
    """A department (its index) holds a grant."""

    department: int
    terms: GrantTerms
    fact: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True)
class Delegated:
    """License-exchange signs for the issuer under this key."""

    key: str
    fact: Literal["delegated"] = "delegated"


@dataclass(frozen=True, slots=True)
class Licensed:
    """A holder, by the credit code, has its business licence."""

    holder: str
    fact: Literal["licensed"] = "licensed"


Fact = Annotated[Submitted | Granted | Delegated | Licensed, Field(discriminator="fact")]
_FACT: Final[TypeAdapter[Submitted | Granted | Delegated | Licensed]] = TypeAdapter(Fact)


class Ledger:
    """One process's ledger; `open` reads what there is."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.submitted: dict[str, int] = {}
        self.grants: dict[tuple[int, str], GrantTerms] = {}
        self.delegated: str | None = None
        self.licensed: set[str] = set()
        whole = read_whole(path)
        for fact in _parse(whole):
            self._apply(fact)
        # A line that was cut off never was; the file is ours alone.
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        path.chmod(0o600)
        self._file.truncate(len(whole))
        self._file.seek(len(whole))

    @property
    def entries(self) -> int:
        """How much of what is to be published is."""
        return len(self.submitted) + len(self.grants) + len(self.licensed)

    def write(self, fact: Submitted | Granted | Delegated | Licensed) -> None:
        """Know it, also when we are killed right after this."""
        self._file.write(_FACT.dump_json(fact) + b"\n")
        self._apply(fact)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _apply(self, fact: Submitted | Granted | Delegated | Licensed) -> None:
        match fact:
            case Submitted(resource, revision):
                self.submitted[resource] = revision
            case Granted(department, terms):
                self.grants[department, terms.resource] = terms
            case Delegated(key):
                self.delegated = key
            case Licensed(holder):
                self.licensed.add(holder)


class Follower:
    """Reads along in another process's ledger: each fact once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def new(self) -> list[Submitted | Granted | Delegated | Licensed]:
        """The facts that came since the last time."""
        whole = read_whole(self._path, self._read)
        self._read += len(whole)
        return list(_parse(whole))


def read_whole(path: Path, start: int = 0) -> bytes:
    """The whole lines of a file from a place on; nothing when it does not exist yet."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            found = file.read()
    except FileNotFoundError:
        return b""
    return found[: found.rfind(b"\n") + 1]


def _parse(whole: bytes) -> Iterator[Submitted | Granted | Delegated | Licensed]:
    return map(_FACT.validate_json, whole.splitlines())
