"""The issuer keys with which a batch signs what it shows."""

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Connection

from sanyuan.common.sdjwt.keys import SigningJwk
from sanyuan.license_exchange import store
from sanyuan.license_exchange.domain.answers import Answer, Pick, PresentationVerified, Shared
from sanyuan.license_exchange.vault import Vault


class Signing:
    """Loads each key that is needed once."""

    __slots__ = ("_seeds",)

    def __init__(self, connection: Connection, vault: Vault, answers: Sequence[Answer]) -> None:
        kids = {pick.kid for answer in answers for pick in _picks(answer)}
        self._seeds = store.load_seeds(connection, kids, vault) if kids else {}

    def key(self, kid: str) -> SigningJwk:
        """The key of this thumbprint."""
        return _key(self._seeds[kid])


@lru_cache(maxsize=1024)
def _key(seed: bytes) -> SigningJwk:
    """With its public half and its form for joserfc, which cost as much as a signature."""
    return SigningJwk(seed)


def _picks(answer: Answer) -> Sequence[Pick]:
    match answer:
        case Shared(picks=picks):
            return picks
        case PresentationVerified(pick=pick):
            return (pick,)
        case _:
            return ()
