"""Committing: one transaction at a time, shared by whoever comes while the one before runs.

A write to the disk takes longer than everything else here, and much longer when others use the
disk: so sending, receiving and handing out wait for the same one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection

from sanyuan.client.connector.handing import fail
from sanyuan.common.database import Database
from sanyuan.common.errors import SanyuanError

QUIET_SECONDS: Final = 0.005
BUSY_SECONDS: Final = 0.06
MANY: Final = 10

T = TypeVar("T")
Work = Callable[[Connection], Any]


class Window:
    """How long to wait for company before a transaction: longer after much came together.

    Near its limit a process with 27 systems halves its delays by it: fewer and larger transactions
    mean fewer and larger requests to the broker too.
    """

    def __init__(self) -> None:
        self._seconds = QUIET_SECONDS

    async def wait(self) -> None:
        """Let others come."""
        await asyncio.sleep(self._seconds)

    def note(self, came: int) -> None:
        """So many came."""
        self._seconds = BUSY_SECONDS if came >= MANY else QUIET_SECONDS


class _Waiting(NamedTuple):
    work: Work
    done: "asyncio.Future[Any]"


class Commits:
    """Start `run` as a task; ``rolled_back`` is called when nothing of a transaction counts."""

    def __init__(self, database: Database, rolled_back: Callable[[], None]) -> None:
        self._database = database
        self._rolled_back = rolled_back
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    async def commit(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in a transaction; durable once this returns.

        It may be done twice: alone, when that of somebody else fails beside it. Raises what it
        raises, then nothing of it counts, and what ended the database.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, done))
        self._wake.set()
        return await done

    async def run(self) -> None:
        """Commit for ever, in the order of `commit`; raises what the database raises."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            together, self._waiting = self._waiting, []
            await self._commit(together)

    def end(self, error: BaseException) -> None:
        """Tell everybody who waits: nothing is committed any more."""
        fail(error, (waiting.done for waiting in self._waiting))

    async def _commit(self, together: Sequence[_Waiting]) -> None:
        """One transaction for all; when one of them cannot be done, one each."""
        try:
            results = await self._database.transaction(
                lambda connection: [waiting.work(connection) for waiting in together]
            )
        except SanyuanError as error:
            self._rolled_back()
            if len(together) == 1:
                fail(error, [together[0].done])
                return
            for waiting in together:
                await self._commit([waiting])
            return
        except BaseException as error:  # the database's: this task ends, and nobody waits for ever
            fail(error, (waiting.done for waiting in together))
            raise
        for waiting, result in zip(together, results, strict=True):
            if not waiting.done.done():
                waiting.done.set_result(result)
