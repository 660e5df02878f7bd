"""How the case is told: a line when a question leaves, a line when its decision is here."""

import base64
import json
import time
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from sanyuan.client.inbox import Decision
from sanyuan.sandbox.language import Words

_DAY: Final = 86_400
_STYLES: Final = {"✓": "green", "⊘": "yellow"}
_LEVELS: Final = {
    "two-factor": ("姓名与号码一致", "name and number belong together"),
    "three-factor": ("姓名、号码与手机一致", "name, number and mobile belong together"),
    "name-and-code": ("名称与代码一致", "name and code belong together"),
    "with-representative": (
        "名称、代码与法定代表人一致",
        "name, code and legal representative belong together",
    ),
}
_REFUSALS: Final = {
    "malformed": ("拒绝：号码不合格式", "refused, malformed"),
    "not-permitted": (
        "拒绝：机构没有许可这个用途",
        "refused, never permitted by the agency",
    ),
    "locked": ("拒绝：此人已对本部门锁定", "refused, this person is locked for the department"),
    "unknown-grant": ("拒绝：没有这个授权", "refused, there is no such grant"),
    "field-not-granted": ("拒绝：超出授权的项", "refused, a field beyond the grant"),
}


class Narrator:
    """Tells on a console."""

    def __init__(self, console: Console, words: Words) -> None:
        self._console = console
        self._words = words

    def open(self, case: str) -> None:
        """The heading."""
        title = self._words(
            "案例　有人要开一家餐馆：市场监管总局受理食品经营许可",
            "One case: somebody opens a restaurant, and market regulation handles the licence",
        )
        self._console.print(f"\n[bold]{title}[/]", highlight=False)
        label = self._words("办件", "case")
        self._console.print(f"[dim]{label} {case}[/]\n", highlight=False)

    def ask(self, chinese: str, english: str) -> float:
        """A question leaves; returns the moment to give to `answer`."""
        self._line("▸", "cyan", self._words(chinese, english))
        return time.perf_counter()

    def answer(self, decision: Decision, asked: float) -> None:
        """Its decision is here."""
        mark, style, text = self._read(decision)
        self._line(mark, style, text, _since(asked))

    def tell(self, mark: str, chinese: str, english: str, asked: float) -> None:
        """What came of a question, in words of the case's own."""
        self._line(mark, _STYLES[mark], self._words(chinese, english), _since(asked))

    def refuse(self, reason: str, asked: float) -> None:
        """A question was refused."""
        self._line("⊘", _STYLES["⊘"], self._refusal(reason), _since(asked))

    def _read(self, decision: Decision) -> tuple[str, str, str]:
        reason = decision.reason
        if reason is not None:
            return "⊘", _STYLES["⊘"], self._refusal(reason)
        if decision.type.endswith("-not-verified.v1"):
            return "✗", "red", self._words("不一致", "they do not belong together")
        chinese, english = _LEVELS[getattr(decision.message, "level", "two-factor")]
        claims = _claims(decision.opened.get("assertion"))
        days = (claims["exp"] - claims["iat"]) // _DAY
        return (
            "✓",
            "green",
            self._words(
                f"{chinese}（断言 {days} 天内可用 {claims['uses']} 次）",
                f"{english} (assertion: {claims['uses']} uses, {days} days)",
            ),
        )

    def _refusal(self, reason: str) -> str:
        return self._words(*_REFUSALS.get(reason, (f"拒绝：{reason}", f"refused, {reason}")))

    def _line(self, mark: str, style: str, text: str, right: str = "") -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = Text.assemble((f"  {now}  ", "dim"), (f"{mark} ", style), text)
        if right:
            line.append(f"   {right}", style="dim")
        self._console.print(line, highlight=False)


def _since(asked: float) -> str:
    return f"{(time.perf_counter() - asked) * 1000:,.0f} ms"


def _claims(assertion: bytes | None) -> dict[str, Any]:
    """What the opened JWT says; its signature is the business of the service in ``aud``."""
    payload = (assertion or b"").split(b".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    )
    return claims
