"""What to load for a batch, from its requests alone."""

from collections.abc import Iterable, Sequence

from sanyuan.license_exchange.domain.requests import (
    Amend,
    AnswerDispute,
    Change,
    DelegateIssuer,
    Erase,
    Issue,
    OpenIssuer,
    OpenPresentation,
    RaiseDispute,
    RegisterType,
    Request,
    Share,
    Shown,
    TickPassed,
    VerifyPresentation,
)
from sanyuan.license_exchange.domain.state import Wanted

_OF_DEPARTMENTS = (OpenIssuer, DelegateIssuer, Issue, Amend, Change)


def wanted(requests: Sequence[Request]) -> Wanted:
    """The keys of everything that deciding can look at."""
    issued = [r for r in requests if isinstance(r, Issue)]
    shown = [r for r in requests if isinstance(r, Share | OpenPresentation)]
    erasing = [r for r in requests if isinstance(r, Erase)]
    amended = frozenset(r.license for r in requests if isinstance(r, Amend))
    changed = amended | {r.license for r in requests if isinstance(r, Change)}
    holders = frozenset(r.holder for r in issued if r.holder is not None)
    erased_licenses = frozenset(r.license for r in erasing if r.license is not None)
    disputed = frozenset(r.license for r in requests if isinstance(r, RaiseDispute))
    return Wanted(
        types=frozenset(r.type.code for r in requests if isinstance(r, RegisterType))
        | {r.type for r in (*issued, *shown)},
        departments=frozenset(
            r.ask.participant for r in requests if isinstance(r, _OF_DEPARTMENTS)
        ),
        licenses=frozenset(r.handle for r in issued if r.handle) | changed | disputed,
        read=amended,
        amended=amended,
        told=changed | disputed,
        shown=_holders(shown),
        # A licence that this very batch issues can name the holder to erase.
        erased=_holders(erasing) | (holders if erased_licenses else frozenset()),
        erased_licenses=erased_licenses,
        holders=holders,
        grants=frozenset(r.grant for r in shown if isinstance(r, Share)),
        codes=frozenset(
            r.index for r in requests if isinstance(r, VerifyPresentation) and r.index is not None
        ),
        disputes=frozenset(r.dispute for r in requests if isinstance(r, AnswerDispute)),
        disputed=disputed,
        jtis=frozenset(
            r.proof.assertion.jti for r in (*issued, *shown, *erasing) if isinstance(r.proof, Shown)
        ),
        due=max((r.ask.at for r in requests if isinstance(r, TickPassed)), default=None),
    )


def _holders(requests: Iterable[Share | OpenPresentation | Erase]) -> frozenset[str]:
    return frozenset(r.proof.holder for r in requests if isinstance(r.proof, Shown))
