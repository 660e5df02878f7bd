"""Names of systems and services: their source, their key name, their inbox (design §2).

A source is ``//<domain>/<kind>/<credit code>/<name>`` for a participant's system and
``//<domain>/services/<name>`` for a service. The key name of a system is its source without the
leading ``//``. ``~2`` behind a name marks the second life of a recovered system: another source,
but the same user, permissions and inbox.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from sanyuan.common.errors import SanyuanError

Role = Literal["department", "operator", "supervisor", "agency", "witness", "service"]

KIND_OF_ROLE: Final[dict[Role, str]] = {
    "department": "departments",
    "operator": "operators",
    "supervisor": "supervisors",
    "agency": "agency",
    "witness": "witnesses",
    "service": "services",
}
ROLE_OF_KIND: Final[dict[str, Role]] = {kind: role for role, kind in KIND_OF_ROLE.items()}

NAME: Final = r"[a-z][a-z0-9-]{0,62}"
DOMAIN: Final = r"[a-z][a-z0-9-]{0,62}(?:\.[a-z][a-z0-9-]{0,62})*"
CREDIT_CODE: Final = r"[0-9A-Z]{18}"
SOURCE: Final = (
    rf"//{DOMAIN}/(?:services/{NAME}"
    rf"|(?:departments|operators|supervisors|agency|witnesses)/{CREDIT_CODE}/{NAME}(?:~[2-9][0-9]{{0,3}})?)"
)
_SOURCE = re.compile(
    rf"//(?P<domain>{DOMAIN})/(?P<kind>[a-z]+)(?:/(?P<participant>{CREDIT_CODE}))?"
    rf"/(?P<name>{NAME})(?:~(?P<life>[2-9][0-9]{{0,3}}))?"
)
_WHOLE = re.compile(SOURCE)
_NAME = re.compile(NAME)


class SourceError(SanyuanError):
    """A text is not the source, or the name, of a system."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed source; ``participant`` is None for a service, ``life`` is 1 before any recovery."""

    domain: str
    role: Role
    participant: str | None
    name: str
    life: int = 1

    def __str__(self) -> str:
        middle = f"/{self.participant}" if self.participant else ""
        life = f"~{self.life}" if self.life > 1 else ""
        return f"//{self.domain}/{KIND_OF_ROLE[self.role]}{middle}/{self.name}{life}"


def parse_source(text: str) -> Source:
    """Parse ``text``; raises SourceError when it names no system of any domain."""
    match = _SOURCE.fullmatch(text)
    if match is None or _WHOLE.fullmatch(text) is None:
        raise SourceError(
            f"{text[:200]!r} is no source",
            do="use //<domain>/departments/<credit code>/<name> or //<domain>/services/<name>",
        )
    return Source(
        domain=match["domain"],
        role=ROLE_OF_KIND[match["kind"]],
        participant=match["participant"],
        name=match["name"],
        life=int(match["life"] or 1),
    )


def parse_name(text: str) -> str:
    """Return ``text`` when it may name a system; raises SourceError otherwise."""
    if _NAME.fullmatch(text) is None:
        raise SourceError(
            f"{text[:100]!r} cannot name a system",
            do="use a lower-case letter, then at most 62 lower-case letters, digits or hyphens",
        )
    return text


def first_life(source: str) -> str:
    """A system's source without ``~2``: what it may and what it is owed belong to the system."""
    return source.partition("~")[0]


def next_life(source: Source) -> Source:
    """The source under which a recovered system goes on."""
    return replace(source, life=source.life + 1)


def key_name(source: str) -> str:
    """The name under which a source signs (design §3)."""
    return source.removeprefix("//")


def inbox_of(name: str) -> str:
    """The Kafka topic in which the system ``name`` receives its decisions."""
    return f"inbox-{name}"
