"""Search over the published catalogue, as its service answers it over HTTP (design §7).

Nothing here is signed: what is found is a hint, and whoever acts on a resource reads it from
``catalog-events``.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sanyuan.common.contracts.catalog import Format, Openness, SharingType, UpdateCycle
from sanyuan.common.errors import SanyuanError

TIMEOUT_SECONDS: Final = 10.0


class SearchError(SanyuanError):
    """The catalogue cannot be searched, or not for this."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Provider(_Answer):
    """Who publishes a resource."""

    code: str
    name: str
    name_en: str | None = None


class FoundResource(_Answer):
    """A published resource in short."""

    code: str
    name: str
    name_en: str | None = None
    summary: str
    provider: Provider
    classification: tuple[str, ...]
    format: Format
    sharing: SharingType
    openness: Openness
    update_cycle: UpdateCycle
    revision: int


class FoundPage(_Answer):
    """One page of what was found; ``matching`` says whether each has every word, or some."""

    query: str
    matching: Literal["everything", "all", "any"]
    total: int
    page: int
    pages: int
    resources: tuple[FoundResource, ...]


class _Refusal(_Answer):
    what: Annotated[str, Field(max_length=2000)]
    where: str | None = None
    do: str | None = None


def search_catalogue(
    url: str, wanted: Mapping[str, str | int], client: httpx.Client | None = None
) -> FoundPage:
    """Ask the catalogue at ``url`` (of a system file's ``urls``); raises SearchError.

    ``wanted`` has the parameters of ``GET /resources``.
    """
    address = f"{url.rstrip('/')}/resources"
    with client or httpx.Client(timeout=TIMEOUT_SECONDS) as asking:
        try:
            answer = asking.get(address, params=dict(wanted))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SearchError(
                f"the catalogue does not answer: {type(error).__name__}",
                where=address,
                do="see whether it runs: make status",
            ) from None
    if answer.status_code != httpx.codes.OK:
        raise _refused(answer, address)
    try:
        return FoundPage.model_validate_json(answer.content)
    except ValidationError:
        raise SearchError(
            "what answers is not a catalogue", where=address, do="give its address with --url"
        ) from None


def _refused(answer: httpx.Response, address: str) -> SearchError:
    try:
        refusal = _Refusal.model_validate_json(answer.content)
    except ValidationError:
        return SearchError(
            f"the catalogue answers {answer.status_code}",
            where=address,
            do="see whether it runs: make status",
        )
    return SearchError(refusal.what, where=refusal.where, do=refusal.do)
