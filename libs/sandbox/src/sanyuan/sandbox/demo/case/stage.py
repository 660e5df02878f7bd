"""What every act stands on: who acts, for which case, and how it is told."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from sanyuan.client.inbox import Decision
from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.demo.cast import Cast
from sanyuan.sandbox.demo.narration import Narrator

T = TypeVar("T")
LAW: Final = "食品安全法 第三十五条"


class SurprisingDecisionError(SanyuanError):
    """A service decided otherwise than the case is written."""


@dataclass(slots=True)
class Stage:
    """One case while it is played."""

    case: str
    cast: Cast
    narrator: Narrator
    first_line: float = 0.0
    """When the first line stood there, in Unix seconds."""
    questions: int = 0

    def ask(self, chinese: str, english: str) -> float:
        """A question leaves; returns the moment to give to `answer` or `tell`."""
        asked = self.narrator.ask(chinese, english)
        self.first_line = self.first_line or time.time()
        self.questions += 1
        return asked

    async def act(
        self, chinese: str, english: str, asking: Awaitable[Decision], expected: str
    ) -> Decision:
        """Ask and tell one decision; raises SurprisingDecisionError."""
        asked = self.ask(chinese, english)
        decision = await asking
        self.narrator.answer(decision, asked)
        self.expect(expected, decision.type, decision.reason)
        return decision

    def expect(self, expected: str, *said: str | None) -> None:
        """Raises SurprisingDecisionError when nothing of what was said is what is written."""
        if expected not in said:
            raise SurprisingDecisionError(
                f"decided: {' '.join(word for word in said if word)}; the case says {expected}",
                where=f"case {self.case}",
                do="look at var/logs; after a lock of half an hour ago, play it again",
            )


def expect_kind(stage: Stage, found: object, kind: type[T]) -> T:
    """``found`` as what the case says it is; raises SurprisingDecisionError."""
    if not isinstance(found, kind):
        reason = getattr(found, "reason", None)
        stage.expect(kind.__name__, type(found).__name__, reason)
        raise TypeError(kind.__name__)
    return found
