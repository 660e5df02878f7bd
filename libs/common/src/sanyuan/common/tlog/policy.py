"""Trust policies by C2SP tlog-policy (https://c2sp.org/tlog-policy): which witnesses are enough.

A file of lines `log`, `witness`, `group`, `quorum`. Names are opaque octets; here they are text in
which bytes that are no UTF-8 survive as surrogates. Only keys of this use are known: Ed25519 logs
(0x01) and Ed25519 cosigners (0x04).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from sanyuan.common.notes import VerifierKey
from sanyuan.common.rules import Rule, RuleError
from sanyuan.common.tlog.cosignature import CosignerKey

NONE: Final = "none"
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_THRESHOLD: Final = re.compile(r"[1-9][0-9]*")
_KEY_ITEMS: Final = {"log": (2, 3), "witness": (3, 4)}
"""Items of a line with a key, keyword included, without and with a URL."""


class PolicyError(RuleError):
    """The text is no policy; `where` is the line."""


@dataclass(frozen=True)
class Witness:
    """A witness; `url` is its submission prefix."""

    name: str
    key: CosignerKey
    url: str | None = None


@dataclass(frozen=True)
class Group:
    """At least `threshold` of the members must have witnessed."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """A parsed policy; `quorum` is the name of a witness or group, or `none`."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, Witness] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    @property
    def keys(self) -> tuple[CosignerKey, ...]:
        """The keys of all witnesses."""
        return tuple(witness.key for witness in self.witnesses.values())

    def satisfied(self, seen: Collection[CosignerKey]) -> bool:
        """Whether these witnesses are a quorum."""
        return self.quorum == NONE or self._witnessed(self.quorum, seen)

    def _witnessed(self, name: str, seen: Collection[CosignerKey]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return self.witnesses[name].key in seen
        held = sum(self._witnessed(member, seen) for member in group.members)
        return held >= group.threshold

    @classmethod
    def parse(cls, raw: bytes) -> Policy:
        """Parse a policy file; raises PolicyError, or NoteError for a key."""
        if _CONTROLS.search(raw):
            raise PolicyError(Rule.POLICY_CHARACTERS)
        reading = _Reading()
        for number, line in enumerate(raw.split(b"\n"), 1):
            text = line.decode(errors="surrogateescape").strip(" \t")
            if text and not text.startswith("#"):
                reading.take(re.split(r"[ \t]+", text), f"line {number}")
        if reading.quorum is None:
            raise PolicyError(Rule.POLICY_QUORUM, "there is none")
        return cls(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)


@dataclass
class _Reading:
    """What the lines so far have defined."""

    logs: list[VerifierKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    members: set[str] = field(default_factory=set)

    def take(self, items: list[str], where: str) -> None:
        keyword, count = items[0], len(items)
        if keyword in _KEY_ITEMS and count in _KEY_ITEMS[keyword]:
            self._take_key(keyword, items[1:], where)
        elif keyword == "group" and count > 3:  # noqa: PLR2004 -- group, name, k and a member
            self._take_group(items[1], items[2], tuple(items[3:]), where)
        elif keyword == "quorum" and count == 2:  # noqa: PLR2004 -- quorum and a name
            self._take_quorum(items[1], where)
        else:
            raise PolicyError(Rule.POLICY_LINE, where=where)

    def _take_key(self, keyword: str, items: list[str], where: str) -> None:
        if keyword == "log":
            log = VerifierKey.parse(items[0])
            if log.public_key in {each.public_key for each in self.logs}:
                raise PolicyError(Rule.POLICY_KEY, where=where)
            self.logs.append(log)
            return
        name, key, url = items[0], CosignerKey.parse(items[1]), (*items[2:], None)[0]
        self._define(name, where)
        if key.public_key in {each.key.public_key for each in self.witnesses.values()}:
            raise PolicyError(Rule.POLICY_KEY, where=where)
        self.witnesses[name] = Witness(name, key, url)

    def _take_group(self, name: str, share: str, members: tuple[str, ...], where: str) -> None:
        for member in members:
            self._look_up(member, where)
            if member in self.members:
                raise PolicyError(Rule.POLICY_MEMBER, where=where)
            self.members.add(member)
        self._define(name, where)
        if share in ("any", "all"):
            threshold = 1 if share == "any" else len(members)
        elif _THRESHOLD.fullmatch(share) and len(share) <= len(str(len(members))):
            threshold = int(share)
        else:
            threshold = 0
        if not 1 <= threshold <= len(members):
            raise PolicyError(Rule.POLICY_THRESHOLD, where=where)
        self.groups[name] = Group(threshold, members)

    def _take_quorum(self, name: str, where: str) -> None:
        if self.quorum is not None:
            raise PolicyError(Rule.POLICY_QUORUM, "there is another", where=where)
        if name != NONE:
            self._look_up(name, where)
        self.quorum = name

    def _define(self, name: str, where: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise PolicyError(Rule.POLICY_NAME, where=where)

    def _look_up(self, name: str, where: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise PolicyError(Rule.POLICY_DEFINED, where=where)
