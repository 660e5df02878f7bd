"""The catalogue as a file of JSON lines, a resource a line: made once, cached, copied where needed.

What an installation has published is what its own copy says, so a copy that is there stays.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sanyuan.common.contracts.catalog import Resource
from sanyuan.sandbox.synthetic.cached import SyntheticDataError, drafted, explained, place
from sanyuan.sandbox.synthetic.catalogue.making import make_catalogue

NAME: Final = "catalogue.jsonl"
VERSION: Final = "1"
"""Changes with the code that makes it; the words have a digest of their own."""
_MEGABYTES: Final = 30
# As pydantic writes a line.
_PROVIDER: Final = '"provider":"{}"'
_SERVED: Final = '"serving_system":'
_LICENSED: Final = '"license_type":'


def keep_catalogue(folder: Path, cached: Path, domain: str) -> Path:
    """The catalogue's file in ``folder``, made or copied when it is not there yet.

    ``cached`` is what all installations of this machine share. Raises SyntheticDataError.
    """
    wanted = folder / NAME
    if wanted.is_file():
        return wanted
    with explained("the national catalogue", folder, _MEGABYTES):
        kept = cached / f"catalogue-{_version(domain)}" / NAME
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)  # fails before the work is done
            _write(kept, make_catalogue(domain))
        place(kept, wanted)
    return wanted


def load_catalogue(path: Path, *providers: str) -> tuple[Resource, ...]:
    """All resources, or those of some providers (credit codes). Raises SyntheticDataError."""
    return tuple(read_catalogue(path, *[_PROVIDER.format(each) for each in providers]))


def load_served(path: Path) -> tuple[Resource, ...]:
    """The resources that grants can be asked for: called, or licence types.

    Raises SyntheticDataError.
    """
    return tuple(read_catalogue(path, _SERVED, _LICENSED))


def read_catalogue(path: Path, *marks: str) -> Iterator[Resource]:
    """The resources whose line holds one of some marks, one after the other: nothing is kept.

    Raises SyntheticDataError.
    """
    try:
        for line in marked_lines(path, *marks):
            yield Resource.model_validate_json(line)
    except (OSError, ValidationError) as error:
        raise SyntheticDataError(
            f"the national catalogue cannot be read: {type(error).__name__}",
            where=str(path),
            do="remove the file and run make up",
        ) from None


def marked_lines(path: Path, *marks: str) -> Iterator[bytes]:
    """The lines that hold one of some marks; raises OSError."""
    wanted = [mark.encode() for mark in marks or ("",)]
    with path.open("rb") as lines:
        yield from (line for line in lines if any(mark in line for mark in wanted))


def _write(path: Path, resources: tuple[Resource, ...]) -> None:
    with drafted(path) as draft, draft.open("w", encoding="utf-8") as lines:
        lines.writelines(
            f"{resource.model_dump_json(exclude_none=True)}\n" for resource in resources
        )


@cache
def _version(domain: str) -> str:
    digest = hashlib.sha256(f"{VERSION} {domain}".encode())
    folder = files(__package__)
    words = [*folder.iterdir(), *folder.joinpath("works").iterdir()]
    for path in sorted(words, key=lambda path: path.name):
        if path.name.endswith(".toml"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
