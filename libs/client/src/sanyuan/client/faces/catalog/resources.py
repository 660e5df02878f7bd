"""Resources: submitted by their provider, reviewed by the agency (design §7)."""

from collections.abc import Mapping, Sequence
from typing import Any

from sanyuan.client.catalogue import Catalogue, fold_catalogue, read_facts
from sanyuan.client.faces.asking import TIMEOUT_SECONDS, Asking
from sanyuan.client.faces.commands import check_command
from sanyuan.client.inbox import Decision
from sanyuan.common.contracts.catalog import (
    Resource,
    Reviewed,
    ReviewResource,
    ReviseResource,
    SubmitResource,
    WithdrawResource,
)

Metadata = Resource | Mapping[str, Any]
"""A resource, or the JSON object of one."""


class ResourcesFace(Asking):
    """The life of resources."""

    async def publish_resource(
        self,
        resource: Metadata,
        *,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  a caller states it in seconds
        sampled: bool | None = None,
    ) -> Decision:
        """Submit a new resource for the agency's review; it is published once that has said so.

        Raises MalformedCommandError for what the contract forbids, and what `ask` raises.
        """
        data = check_command(SubmitResource, {"resource": resource})
        return await self.ask(
            SubmitResource, data, {}, case=case, actor=actor, timeout=timeout, sampled=sampled
        )

    async def revise_resource(
        self,
        resource: Metadata,
        *,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Submit a new revision of a published resource; the old one holds until it is reviewed.

        Raises as `publish_resource`.
        """
        data = check_command(ReviseResource, {"resource": resource})
        return await self.ask(ReviseResource, data, {}, case=case, actor=actor, timeout=timeout)

    async def withdraw_resource(
        self,
        code: str,
        *,
        reason: str,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Take a resource back; its grants end. Raises as `publish_resource`."""
        data = check_command(WithdrawResource, {"resource": code, "reason": reason})
        return await self.ask(WithdrawResource, data, {}, case=case, actor=actor, timeout=timeout)

    async def review_resources(
        self,
        reviewed: Sequence[Reviewed],
        *,
        case: str | None = None,
        actor: str | None = None,
        timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109  as above
    ) -> Decision:
        """Publish or reject up to 100 submitted revisions (agency only).

        Raises as `publish_resource`.
        """
        data = check_command(ReviewResource, {"reviewed": tuple(reviewed)})
        return await self.ask(ReviewResource, data, {}, case=case, actor=actor, timeout=timeout)

    async def catalogue(self) -> Catalogue:
        """Everything that is in force, read from the catalog's public facts; raises CatchUpError.

        Reads them all: some seconds for a national catalogue.
        """
        raws = await read_facts(self._system)
        return fold_catalogue(raws, await self._connector.refresh())
