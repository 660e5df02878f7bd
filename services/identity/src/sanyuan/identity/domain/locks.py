"""Locks: repeated failures on one subject lock it for the department that asked (design §5).

So nobody finds out a name or a mobile number by trying. A success forgives nothing: else someone
who knows two factors could try the third for ever, with a good question in between. Instants are
whole microseconds since 1970 UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sanyuan.common.errors import SanyuanError

MINUTE: Final = 60_000_000


class LockedError(SanyuanError):
    """A locked subject was looked up all the same: a fault of ours."""


@dataclass(frozen=True, slots=True)
class LockRules:
    """How many failures within ``window`` µs lock a subject for ``duration`` µs."""

    max_failures: int = 5
    window: int = 60 * MINUTE
    duration: int = 30 * MINUTE


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing is held against the subject."""


@dataclass(frozen=True, slots=True)
class Counting:
    """There were ``failures``, the first of them at ``since``."""

    failures: int
    since: int


@dataclass(frozen=True, slots=True)
class Locked:
    """No question about the subject is answered before ``until``."""

    until: int


Watch = Clear | Counting | Locked
CLEAR: Final = Clear()


class Result(StrEnum):
    """What the register said."""

    MATCH = "match"
    MISMATCH = "mismatch"


def standing(watch: Watch, at: int, rules: LockRules) -> Watch:
    """The watch as it counts at ``at``: what has run out is clear."""
    return CLEAR if expires(watch, rules) <= at else watch


def expires(watch: Watch, rules: LockRules) -> int:
    """When the watch means nothing any more."""
    match watch:
        case Clear():
            return 0
        case Counting(since=since):
            return since + rules.window
        case Locked(until=until):
            return until


def observe(watch: Watch, result: Result, at: int, rules: LockRules) -> Watch:
    """The watch after an answer; `watch` is what `standing` says. Raises LockedError."""
    transition = TRANSITIONS.get((type(watch), result))
    if transition is None:
        raise LockedError("a locked subject was looked up", where=result)
    return transition(watch, at, rules)


def _stay(watch: Watch, _at: int, _rules: LockRules) -> Watch:
    return watch


def _begin(_watch: Watch, at: int, rules: LockRules) -> Watch:
    return _count(Counting(0, at), at, rules)


def _count(watch: Watch, at: int, rules: LockRules) -> Watch:
    failures, since = (watch.failures, watch.since) if isinstance(watch, Counting) else (0, at)
    if failures + 1 >= rules.max_failures:
        return Locked(at + rules.duration)
    return Counting(failures + 1, since)


# A locked subject is not looked up, so there is no row for it.
TRANSITIONS: Final[
    Mapping[tuple[type[Watch], Result], Callable[[Watch, int, LockRules], Watch]]
] = {
    (Clear, Result.MATCH): _stay,
    (Clear, Result.MISMATCH): _begin,
    (Counting, Result.MATCH): _stay,
    (Counting, Result.MISMATCH): _count,
}
