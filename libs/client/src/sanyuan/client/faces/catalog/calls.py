"""Shared calls (共享调用): asking a resource under a grant, and answering as its provider."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from sanyuan.client.calls import CallResult, Opening
from sanyuan.client.calls.answering import Answer
from sanyuan.client.faces.asking import Asking, Circumstances, Route
from sanyuan.common.contracts.catalog import CallRequested, GrantTerms
from sanyuan.common.errors import SanyuanError
from sanyuan.common.outbox import Draft, Row


class NotCallableError(SanyuanError):
    """Nobody answers calls under this grant."""


class Call(NamedTuple):
    """One shared call: ``parameters`` by name, sealed to whom the terms name as serving.

    ``assertion`` is what identity gave for the catalog, as it was opened, where the resource needs
    one.
    """

    terms: GrantTerms
    parameters: Mapping[str, Any]
    case: str | None = None
    assertion: bytes | str | None = None
    actor: str | None = None
    sampled: bool | None = None


class CallsFace(Asking):
    """Both sides of shared calls."""

    async def call_resource(
        self,
        terms: GrantTerms,
        parameters: Mapping[str, Any],
        *,
        case: str | None = None,
        assertion: bytes | str | None = None,
        actor: str | None = None,
        sampled: bool | None = None,
    ) -> CallResult:
        """Ask a resource and wait for the end of the call: an answer, a refusal, a failure or none.

        It ends by its deadline, which is on the disk with it: whoever stops waiting, or dies, gets
        the result through `answers`. Raises NotCallableError, AttachmentError and what
        `Connector.send` raises.
        """
        call = Call(terms, parameters, case, assertion, actor, sampled)
        waiter: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        draft, started = self._draft_call(call), time.time_ns()
        row = await self._connector.call(draft, opening_of(terms), waiter)
        self.note_hop(draft, row, started)
        return await waiter

    async def request_calls(self, calls: Sequence[Call]) -> list[Row]:
        """Make many calls durable in one transaction; their results come through `answers`.

        For whoever asks at a rate: nothing is waited for but the disk. Raises as `call_resource`.
        """
        started = time.time_ns()
        drafts = [self._draft_call(call) for call in calls]
        openings = [opening_of(call.terms) for call in calls]
        rows = await self._connector.send_all(drafts, openings)
        for draft, row in zip(drafts, rows, strict=True):
            self.note_hop(draft, row, started)
        return rows

    def answers(self) -> AsyncIterator[CallResult]:
        """Every end of a call that nobody waits for, each once, also of calls of an earlier run."""
        return self._connector.results(self.source)

    async def serve_resource(self, code: str, answer: Answer) -> None:
        """Answer the calls of a resource that this system serves, until cancelled.

        ``answer`` gets the parameters and the admitted call, and returns fields by name, or None
        when it has nothing; of the fields, the granted ones are given. A function is called in the
        event loop and has to be quick; a coroutine function may wait. It raises CannotAnswerError
        to say why there is no answer. Each call gets one answer, whatever dies when; one that is
        found too late fails as ``too-late``. Raises ServingError and what ended the connection.
        """
        await self.serve_resources({code: answer})

    async def serve_resources(self, answers: Mapping[str, Answer]) -> None:
        """`serve_resource` for several, by their codes."""
        await self._connector.serve(self.source, answers)

    def _draft_call(self, call: Call) -> Draft:
        terms = call.terms
        serving = self._connector.directory.latest(terms.serving_system or "")
        if serving is None:
            raise NotCallableError(
                "no registered system answers calls under this grant",
                where=f"grant {terms.grant}, system {terms.serving_system}",
                do="ask for a grant on a resource with a serving_system",
            )
        sealed: dict[str, object] = {"parameters": dict(call.parameters)}
        if call.assertion is not None:
            text = call.assertion
            sealed["assertion"] = text if isinstance(text, bytes) else text.encode()
        return self.draft(
            CallRequested,
            {"grant": terms.grant, "serving_system": serving.source},
            sealed,
            Circumstances(call.case, call.actor, call.sampled),
            Route(recipients={"parameters": serving}),
        )


def opening_of(terms: GrantTerms) -> Opening:
    """What a call under these terms may be answered with, by whom and until when."""
    return Opening(
        grant=terms.grant,
        serving_system=terms.serving_system or "",
        fields=terms.bounds.fields,
        answer_within=terms.answer_within,
    )
