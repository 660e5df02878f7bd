"""The catalogue as a file of JSON lines, a resource a line: made once, cached, copied where needed.

What an installation has published is what its own copy says, so a copy that is there stays.
"""

import hashlib
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
            _write(kept, make_catalogue(domain))
        place(kept, wanted)
    return wanted


def load_catalogue(path: Path, provider: str | None = None) -> tuple[Resource, ...]:
    """All resources, or those of one provider (a credit code). Raises SyntheticDataError."""
    wanted = b"" if provider is None else f'"provider":"{provider}"'.encode()
    try:
        with path.open("rb") as lines:
            return tuple(Resource.model_validate_json(line) for line in lines if wanted in line)
    except (OSError, ValidationError) as error:
        raise SyntheticDataError(
            f"the national catalogue cannot be read: {type(error).__name__}",
            where=str(path),
            do="remove the file and run make up",
        ) from None


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
