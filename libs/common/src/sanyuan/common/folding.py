"""What a record of ``participants`` does to the directory: one rule for every reader (design §2).

Services, SDK, audit and `sanyuan verify` judge keys by the same fold, or they would disagree.
"""

from collections.abc import Callable
from typing import Final

from sanyuan.common.contracts.registry import ContractError, parse_data
from sanyuan.common.directory import Directory, DirectoryError, Statement, evolve

PARTICIPANTS: Final = "participants"

Tell = Callable[[str, str], None]
"""Called with the type of a record without effect, and why."""


def _silent(_kind: str, _why: str) -> None:
    return None


def fold(
    directory: Directory, envelope: Statement, key_id: bytes, tell: Tell = _silent
) -> Directory:
    """Apply an authentic record of the agency; an impossible one only takes its place.

    So does one under a revoked key, or every reader would wait for its place for ever (design §2).
    """
    if directory.is_revoked(envelope.source, key_id):
        return directory.passed(envelope.number)
    try:
        message = parse_data(envelope.type, PARTICIPANTS, envelope.data)
        return evolve(directory, envelope, message)  # type: ignore[arg-type]  # parse_data by topic
    except (ContractError, DirectoryError) as error:
        tell(envelope.type, str(error))
        return directory.passed(envelope.number)
