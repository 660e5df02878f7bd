"""What everybody can find is what is published: search is told in the transaction that decides."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from sanyuan.catalog import search
from sanyuan.catalog.domain.answers import Answer, Published, Reviewed, Withdrawn
from sanyuan.catalog.domain.requests import Request
from sanyuan.common.contracts.catalog import Resource
from sanyuan.common.directory import Directory


def list_published(
    connection: Connection,
    directory: Directory,
    requests: Sequence[Request],
    answers: Sequence[Answer],
) -> None:
    """List what a batch has published, then take out what it has withdrawn, which is final."""
    published, withdrawn = list[search.Publication](), list[str]()
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, Reviewed):
            published += _publications(directory, answer, request.at)
        elif isinstance(answer, Withdrawn) and answer.was_in_force:
            withdrawn.append(answer.code)
    if published:
        search.index(connection, published)
    if withdrawn:
        search.unindex(connection, withdrawn)


def _publications(
    directory: Directory, reviewed: Reviewed, at: int
) -> Iterable[search.Publication]:
    for effect in reviewed.effects:
        if isinstance(effect, Published):
            name, name_en = _names(directory, effect.resource)
            yield search.Publication(effect.resource, effect.revision, at, name, name_en)


def _names(directory: Directory, resource: Resource) -> tuple[str, str | None]:
    """The provider as the directory calls it; by its code should it not be there."""
    provider = directory.participants.get(resource.provider)
    if provider is None:
        return resource.provider, None
    return provider.name, provider.name_en
