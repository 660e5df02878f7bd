"""A service's own variables, read and bounded in one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sanyuan.common.errors import SanyuanError


class SettingError(SanyuanError):
    """A setting cannot be what it is."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the variables whose names begin with ``prefix``; raises SettingError."""

    environment: Mapping[str, str]
    prefix: str

    def text(self, name: str) -> str | None:
        """As it stands there; None when it does not."""
        return self.environment.get(self.prefix + name)

    def number(self, name: str, default: int, largest: int | None = None) -> int:
        """A whole number from 1 on, up to ``largest`` if there is one."""
        text = self.text(name)
        if text is None:
            return default
        is_number = text.isascii() and text.isdigit() and int(text) > 0
        if not is_number or (largest is not None and int(text) > largest):
            bounds = "above 0" if largest is None else f"from 1 to {largest}"
            raise SettingError(f"not a whole number {bounds}", where=self.prefix + name)
        return int(text)

    def dates(self, name: str) -> frozenset[date]:
        """Dates with commas between; none when it is not set."""
        listed = (self.text(name) or "").split(",")
        try:
            return frozenset(date.fromisoformat(text.strip()) for text in listed if text.strip())
        except ValueError as error:
            raise SettingError(
                f"not a list of dates: {error}",
                where=self.prefix + name,
                do="write them like 2026-10-01,2026-10-02",
            ) from None
