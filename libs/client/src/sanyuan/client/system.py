"""A connected system: the typed face of the SDK.

async with connect("var/systems/spare-1.json") as me:
    decision = await me.verify_person(name=…, number=…, purpose=…, legal_basis=…)
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from sanyuan.client.connector import Connector
from sanyuan.client.faces.asking import AttachmentError, NoDecisionError
from sanyuan.client.faces.catalog import CatalogFace
from sanyuan.client.faces.identity import IdentityFace
from sanyuan.client.faces.licenses import LicenseFace
from sanyuan.client.heads.posting import HEADS_SECONDS
from sanyuan.common.service.waiting import Say
from sanyuan.common.systems import SystemFile

__all__ = ["AttachmentError", "ConnectedSystem", "NoDecisionError", "connect", "state_folder"]
DATABASE: Final = "client.db"


class ConnectedSystem(IdentityFace, CatalogFace, LicenseFace):
    """Sends commands of one system and hands out what its inbox receives."""


@contextlib.asynccontextmanager
async def connect(
    system_file: str | Path,
    *,
    state: Path | None = None,
    say: Say = lambda _: None,
    heads_seconds: float = HEADS_SECONDS,
) -> AsyncIterator[ConnectedSystem]:
    """Connect one system by its file; ``state`` is the folder of its outbox and inbox.

    Where the file's ``urls`` name ``heads``, the supervisor is told there, every ``heads_seconds``,
    where the system's streams end.

    Raises SystemFileError, DatabaseError, RestoredBackupError; waits, saying so, for the rest.
    """
    path = Path(system_file)
    system = SystemFile.load(path)
    database = (state or state_folder(path)) / DATABASE
    opening = Connector.open([system], database, say=say, heads_seconds=heads_seconds)
    async with opening as connector:
        yield ConnectedSystem(connector, system)


def state_folder(system_file: Path) -> Path:
    """Where a system's outbox lies by default: ``state/<name>`` beside the folder of its file."""
    return system_file.parent.parent / "state" / system_file.stem
