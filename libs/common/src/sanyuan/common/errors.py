"""The one root of every error that Sanyuan raises on purpose."""

from __future__ import annotations


class SanyuanError(Exception):
    """Something that should not have happened, told to whoever can mend it.

    `what` happened, `where` (a file, a stream, a topic with offset, a URL), what to `do` about it.
    None of them ever holds personal data: errors end up in logs.
    """

    def __init__(self, what: str, *, where: str | None = None, do: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f": {self.do}" if self.do else ""
        return f"{self.what}{place}{advice}"
