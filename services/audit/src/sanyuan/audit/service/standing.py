"""What a service that is asked for it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from sanyuan.audit.announcing import Announcement
from sanyuan.audit.intake import Intake
from sanyuan.audit.measures import Measures
from sanyuan.common.follower import Participants

log = structlog.get_logger()


@dataclass
class Standing:
    """What `/ready` and the reads tell."""

    waiting: str | None = "starting"
    intake: Intake | None = None
    participants: Participants | None = None
    """Who is registered, as far as the topic was read; None before it was."""
    streams: dict[str, dict[str, tuple[int, str]]] = field(default_factory=dict)
    """Source -> signed topic -> last place in the log and the hash of its value."""
    measures: Measures = field(default_factory=Measures)
    announced: Announcement = field(default_factory=Announcement)

    def say(self, text: str) -> None:
        """Tell once what is waited for."""
        if text != self.waiting:
            self.waiting = text
            log.info("waiting", what=text)

    def begin(self) -> None:
        """A log begins: what waited for the one before has been told."""
        self.announced = Announcement()
        self.intake, self.waiting = None, "starting"

    def trouble(self) -> str | None:
        """Why the service does not work now; None when it does."""
        return self.waiting or (self.intake.trouble if self.intake else None)
