"""Recovery: a system that lost its outbox goes on as a new source, ``…~2`` (design §3).

The old outbox is put aside and never sent from again; the new source signs with a fresh key, and
keeps the sealing key, so that what lies in the inbox still opens. Every step may be done again: the
directory says how far an earlier try has come.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.client.joining import request_path, system_path, write_request
from sanyuan.client.provisioning.reading import directory_now
from sanyuan.client.system import DATABASE, state_folder
from sanyuan.common.database import Database, DatabaseError, DatabaseLockedError
from sanyuan.common.errors import SanyuanError
from sanyuan.common.sources import next_life, parse_source
from sanyuan.common.systems import JoinRequest, SystemFile

BESIDE: Final = ("", "-wal", "-shm")
"""A database of SQLite and the files beside it."""


class RecoveryError(SanyuanError):
    """A system cannot go on as a new source."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was prepared: the agency admits ``request``, then the system connects as ever."""

    before: str
    request: JoinRequest
    set_aside: Path | None


async def prepare_recovery(var: Path, name: str, database: Path | None = None) -> Recovery:
    """Make the next life of ``systems/<name>.json``, and the request for it.

    ``database`` is the lost or old one, by default where `connect` keeps it. Raises RecoveryError,
    SystemFileError, CatchUpError.
    """
    path = system_path(var, name)
    system = SystemFile.load(path)
    known = (await directory_now(system)).by_name.get(name)
    if known is None:
        raise RecoveryError(
            "the system is not registered: there is nothing to recover", where=system.source
        )
    if known.role in {"service", "agency"}:
        raise RecoveryError(
            f"{known.role} cannot go on as another source",
            where=known.source,
            do="restore its newest database; the log refuses every older one",
        )
    following = next_life(parse_source(known.source))
    set_aside = None
    if system.source != str(following):
        set_aside = put_aside(database or state_folder(path) / DATABASE, known.source)
        system = system.next_life(str(following))
        system.save(path)
    request = JoinRequest.of(system, node=known.node, operated_by=known.operated_by)
    write_request(request_path(var, name), request)
    return Recovery(known.source, request, set_aside)


def put_aside(database: Path, source: str) -> Path | None:
    """Rename a database, so that nothing is sent from it; None when there is none.

    Raises RecoveryError while a process has it open.
    """
    target = database.with_name(f"{database.name}.life-{parse_source(source).life}")
    if database.exists():
        try:
            Database.open(f"sqlite:///{database}", []).close()
        except DatabaseLockedError as error:
            raise RecoveryError(
                "a process has the database open", where=str(database), do="stop it first"
            ) from error
        except DatabaseError:
            pass  # broken: a reason to recover
    moved = [suffix for suffix in BESIDE if database.with_name(database.name + suffix).exists()]
    for suffix in moved:
        database.with_name(database.name + suffix).replace(target.with_name(target.name + suffix))
    return target if moved else None
