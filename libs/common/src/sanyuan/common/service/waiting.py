"""What a part waits for before it works, saying so (design §2, founding order step 6)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from sanyuan.common.database import Database, DatabaseLockedError
from sanyuan.common.follower import CatchUpError, Follower, Participants
from sanyuan.common.systems import SystemFile, SystemFileError

POLL_SECONDS: Final = 0.1
Say = Callable[[str], None]

log = structlog.get_logger()


async def wait_connected(path: Path, say: Say) -> SystemFile:
    """The system file, once provisioning has added the connection."""
    while True:
        try:
            system = SystemFile.load(path)
            if system.connected:
                return system
            say(f"waiting for the connection of {path.name}: the operator has to provision it")
        except SystemFileError as error:
            say(str(error))
        await asyncio.sleep(POLL_SECONDS)


async def wait_registered(
    system: SystemFile, follower: Follower, participants: Participants, say: Say
) -> None:
    """Return once the system's own key is on ``participants``: only then may it sign."""
    key = system.signing.verifier
    while True:
        try:
            await follower.catch_up()
        except CatchUpError as error:
            say(str(error))
        if participants.directory.keys_of(system.source).get(key.key_id) == key:
            return
        say(f"waiting for the registration of {system.name}: the agency has to admit it")
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_lock(open_database: Callable[[], Database], say: Say) -> Database:
    """Become the writer; a hot standby stays here until the lock is free.

    Raises DatabaseError when the database cannot be opened at all.
    """
    while True:
        try:
            return open_database()
        except DatabaseLockedError as error:
            say(f"standing by: {error}")
        await asyncio.sleep(POLL_SECONDS * 5)
