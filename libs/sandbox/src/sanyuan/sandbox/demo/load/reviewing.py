"""The agency reviews what the departments have submitted, a hundred resources at a time."""

import asyncio
from collections.abc import Sequence
from typing import Final

from sanyuan.client.inbox import Decision
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.catalog import ResourcesReviewed, Reviewed, ReviewOutcome
from sanyuan.sandbox.demo.load.ledger import Follower, Submitted
from sanyuan.sandbox.demo.load.published import Published
from sanyuan.sandbox.demo.load.publishing import PublishingError

AT_ONCE: Final = 100
_TIMEOUT_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2
_IN_FORCE: Final = "illegal-transition"
"""What the catalog says of a review that an earlier life of this process has sent."""


async def review(
    agency: ConnectedSystem, ledgers: Sequence[Follower], published: Published, total: int
) -> None:
    """Review until ``total`` resources are in force; raises PublishingError and the SDK's."""
    while len(published.codes) < total:
        waiting = [
            Reviewed(resource=fact.resource, revision=fact.revision, publish=True)
            for ledger in ledgers
            for fact in ledger.new()
            if isinstance(fact, Submitted) and fact.resource not in published.codes
        ]
        for start in range(0, len(waiting), AT_ONCE):
            batch = waiting[start : start + AT_ONCE]
            decision = await agency.review_resources(batch, timeout=_TIMEOUT_SECONDS)
            published.write([_in_force(outcome, decision) for outcome in _outcomes(decision)])
        await asyncio.sleep(_POLL_SECONDS)


def _outcomes(decision: Decision) -> Sequence[ReviewOutcome]:
    if not isinstance(decision.message, ResourcesReviewed):
        raise PublishingError(
            f"the agency's review was refused: {decision.reason or decision.type}",
            where=f"case {decision.case}",
            do="look at var/logs/catalog.log",
        )
    return decision.message.outcomes


def _in_force(outcome: ReviewOutcome, decision: Decision) -> str:
    if outcome.result == "published" or outcome.reason == _IN_FORCE:
        return outcome.resource
    raise PublishingError(
        f"resource {outcome.resource} was not published: {outcome.reason}",
        where=f"case {decision.case}",
        do="look at var/logs/catalog.log",
    )
