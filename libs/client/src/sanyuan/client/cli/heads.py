"""``heads serve``: the supervisor's receiver of the second path (design §8)."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from starlette.applications import Starlette

from sanyuan.client.cli.console import guard
from sanyuan.client.heads.app import make_app
from sanyuan.client.heads.note import HeadsError
from sanyuan.common.directory import Directory
from sanyuan.common.errors import SanyuanError
from sanyuan.common.follower import CatchUpError, Follower, Participants
from sanyuan.common.systems import SystemFile

heads = typer.Typer(
    no_args_is_help=True,
    help="第二路径 The second path: what systems tell the supervisor of their own streams.",
)


class HeadsFolderError(SanyuanError):
    """The folder cannot be used."""


@heads.command("serve")
def serve(
    folder: Annotated[Path, typer.Argument(help="Where the heads are kept. 存放目录。")],
    system: Annotated[
        Path, typer.Option("--as", help="The supervisor's system file, to read keys with.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8291,
) -> None:
    """接收各系统签名的流首 Take signed heads until a signal comes."""
    keys = Keys(guard(lambda: SystemFile.load(system)))

    def make() -> Starlette:
        try:
            return make_app(folder, keys.directory, keys.refresh, lifespan=keys.lifespan)
        except (OSError, HeadsError) as error:
            raise HeadsFolderError(
                f"the folder cannot be used: {error}", where=str(folder)
            ) from None

    uvicorn.run(guard(make), host=host, port=port, log_level="warning", access_log=False)


class Keys:
    """Who may sign, by `participants`; connected in the application's `lifespan`."""

    def __init__(self, system: SystemFile) -> None:
        self._system = system
        self._participants = Participants(system)
        self._follower: Follower | None = None

    def directory(self) -> Directory:
        """As far as it was read."""
        return self._participants.directory

    async def refresh(self) -> Directory:
        """The directory as of now; raises CatchUpError."""
        if self._follower is None:
            raise CatchUpError("the broker has not answered yet")
        await self._follower.catch_up()
        return self.directory()

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Follow the topic; waits for the broker."""
        self._follower = await Follower.start(
            self._system, {"participants": self._participants.apply}
        )
        try:
            with contextlib.suppress(CatchUpError):  # tried again with the first note
                await self._follower.catch_up()
            yield
        finally:
            await self._follower.stop()
