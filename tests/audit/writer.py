"""The log's writer as a process of its own: `python -m tests.audit.writer FOLDER [tiny-disk]`.

Everything that is not the log is the same in each of them: keys, and 60 commands that wait. It does
one thing for each line on its standard input, says what it did, and ends with 3 and the error's
text when there is one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.audit.conftest import Lab, Running
from tests.audit.test_log import taken
from tests.stores import File

from sanyuan.common.errors import SanyuanError


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def make_lab(var: Path, commands: int) -> Lab:
    lab = Lab(var, File(var))
    lab.found()
    for _ in range(commands):
        lab.command()
    return lab


async def write(var: Path) -> None:
    """Start at the first line; publish five more commands at each one after."""
    lab = make_lab(var, 60)
    say("there")
    sys.stdin.readline()
    running = await lab.start()
    say("the writer")
    while sys.stdin.readline():
        await running.log.append(await lab.read(running, 5))
        await running.log.seal()
        say(f"published {running.log._publisher.published.size}")
    running.close()


async def fill_disk(var: Path) -> None:
    """Write until the disk is full, start on it again, make room, go on; say all of it as JSON."""
    filler = var / "filler"
    lab = make_lab(var / "installation", 5)
    running = await lab.start()
    await lab.drain(running)
    free = os.statvfs(var).f_bavail * os.statvfs(var).f_frsize
    filler.write_bytes(bytes(free - 400_000))
    said = [await until_it_ends(lab, running)]
    try:
        said.append(await until_it_ends(lab, await lab.start()))
    except SanyuanError as error:
        said.append(str(error))
    filler.unlink()
    running = await lab.start()
    await lab.drain(running)
    running.close()
    values = taken(lab)
    once = all(values[raw.value or b""] == 1 for raws in lab.topics.values() for raw in raws)
    say(json.dumps({"said": said, "exit": lab.verify().exit_code, "once": once}))


async def until_it_ends(lab: Lab, running: Running) -> str:
    try:
        while True:
            for _ in range(20):
                lab.command()
            await lab.drain(running)
    except SanyuanError as error:
        return str(error)
    finally:
        running.close()


if __name__ == "__main__":
    try:
        asyncio.run((fill_disk if "tiny-disk" in sys.argv else write)(Path(sys.argv[1])))
    except SanyuanError as error:
        say(str(error))
        sys.exit(3)
