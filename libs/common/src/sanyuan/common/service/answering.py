"""The last step of a batch: outcomes become numbered, sealed, signed records (design §3)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sanyuan.common.deciding import Answer, Attached, Forwarded, Outcome
from sanyuan.common.directory import System
from sanyuan.common.errors import SanyuanError
from sanyuan.common.ids import format_time
from sanyuan.common.outbox import Draft
from sanyuan.common.record import Record
from sanyuan.common.sealing import reference
from sanyuan.common.systems import SystemFile


class UnanswerableError(SanyuanError):
    """A decision has nowhere to go: a defect of the service, not of its input."""


class Question(NamedTuple):
    """A command as the runtime knows it: who asks, in which record, decided when."""

    record: Record
    sender: System
    at: datetime
    traceparent: str | None

    def reference(self) -> dict[str, str]:
        """``data.command`` of its decision."""
        record = self.record
        return {
            "source": record.source,
            "topic": record.envelope.topic,
            "sequence": record.envelope.sequence,
            "hash": record.hash,
        }


class Answering:
    """Writes one service's decisions of one batch."""

    def __init__(self, system: SystemFile, events: str, asof: Mapping[str, int]) -> None:
        self._system = system
        self._events = events
        self._asof = dict(asof)

    def drafts(
        self, first: int, questions: Sequence[Question], outcomes: Sequence[Outcome]
    ) -> Iterator[Draft]:
        """All records of the batch, each command's facts before its decision, then its notices.

        Decisions are numbered from ``first``.
        """
        number = first
        for question, outcome in zip(questions, outcomes, strict=True):
            for fact in outcome.facts:
                data = fact.model_dump(mode="json", by_alias=True, exclude_none=True)
                yield self._draft(question, self._events, fact.TYPE, data, {})
            if outcome.answer is not None:
                yield self._decision(number, question, outcome.answer)
                number += 1
            for notice in outcome.notices:
                sealed = self._seal(notice.attachments, notice.inbox)
                data = {**notice.fields, **_references(notice.attachments, sealed)}
                yield self._draft(question, notice.inbox, notice.type.TYPE, data, sealed)

    def _decision(self, number: int, question: Question, answer: Answer) -> Draft:
        inbox = answer.inbox or question.sender.inbox
        if inbox is None:
            raise UnanswerableError("the sender has no inbox", where=question.record.source)
        sealed = self._seal(answer.attachments, inbox)
        data = {
            "command": question.reference(),
            "decision": number,
            "asof": self._asof,
            **answer.fields,
            **_references(answer.attachments, sealed),
        }
        return self._draft(question, inbox, answer.type.TYPE, data, sealed)

    def _seal(self, attachments: Attached, inbox: str) -> dict[str, bytes]:
        topic = f"{self._system.domain}/{inbox}"
        return {
            name: each.ciphertext
            if isinstance(each, Forwarded)
            else each.recipient.sealing.seal(
                each.plaintext, source=self._system.source, topic=topic, name=name
            )
            for name, each in attachments.items()
        }

    def _draft(
        self,
        question: Question,
        topic: str,
        kind: str,
        data: Mapping[str, Any],
        sealed: Mapping[str, bytes],
    ) -> Draft:
        envelope = question.record.envelope
        return Draft(
            key=self._system.signing,
            domain=self._system.domain,
            topic=topic,
            type=kind,
            data=data,
            time=format_time(question.at),
            case=envelope.correlationid,
            cause=envelope.id,
            traceparent=question.traceparent,
            sealed=sealed,
        )


def _references(attachments: Attached, sealed: Mapping[str, bytes]) -> dict[str, Any]:
    """What stands in ``data``: the digests, and where forwarded ones come from."""
    named = {name: reference(ciphertext) for name, ciphertext in sealed.items()}
    for name, each in attachments.items():
        if isinstance(each, Forwarded):
            named[name]["from"] = {
                "source": each.source,
                "topic": each.topic,
                "attachment": each.name,
            }
    return named
