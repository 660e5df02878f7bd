"""The directory as the administrator reads it: verified from the pinned key (design §2)."""

from sanyuan.client.broker import Broker
from sanyuan.common.directory import Directory
from sanyuan.common.follower import Follower, Participants
from sanyuan.common.notes import VerifierKey
from sanyuan.common.systems import SystemFile


async def read_directory(agency: str, agency_key: VerifierKey, broker: Broker) -> Directory:
    """Everything that ``participants`` says now; ``agency`` is the agency's source.

    Raises CatchUpError when the broker does not answer.
    """
    # Nobody's keys: an administrator only reads, under the administrator's own login.
    reader = SystemFile.create(agency).model_copy(
        update={**broker.model_dump(), "agency_key": str(agency_key)}
    )
    return await directory_now(reader)


async def directory_now(reader: SystemFile) -> Directory:
    """Everything that ``participants`` says now; raises CatchUpError."""
    participants = Participants(reader)
    follower = await Follower.start(reader, {"participants": participants.apply})
    try:
        await follower.catch_up()
    finally:
        await follower.stop()
    return participants.directory
