"""A process that asks identity steadily and writes down what it was told: made to be killed.

``python -m sanyuan.sandbox.faults.steady FOLDER RATE NAME…``: the systems NAME… ask RATE questions
a second together, until a file ``quiet`` appears in FOLDER. Started again it goes on with the same
outbox and inbox. A line in ``handed-out.jsonl`` is written before the next decision is asked for,
so that after a kill a decision may stand there twice, and none is missing.
"""

import asyncio
import itertools
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import orjson

from sanyuan.client.connector import Connector
from sanyuan.client.joining import system_path
from sanyuan.client.system import ConnectedSystem
from sanyuan.common import logs
from sanyuan.common.contracts.identity import VerifyPerson
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox import settings
from sanyuan.sandbox.synthetic.people import Person
from sanyuan.sandbox.synthetic.registers import Registers, sample_people

MODULE: Final = "sanyuan.sandbox.faults.steady"
DATABASE: Final = "client.db"
HANDED_OUT: Final = "handed-out.jsonl"
QUIET: Final = "quiet"
PEOPLE: Final = 500
_POLL_SECONDS: Final = 0.05


async def run(var: Path, folder: Path, rate: float, names: Sequence[str]) -> None:
    """Ask and write down for ever; raises what `Connector.open` raises."""
    files = [SystemFile.load(system_path(var, name)) for name in names]
    people = itertools.cycle(sample_people(Registers(var / "registers"), PEOPLE, "steady"))
    async with Connector.open(files, folder / DATABASE, say=logging.warning) as connector:
        systems = [ConnectedSystem(connector, file) for file in files]
        with (folder / HANDED_OUT).open("ab", buffering=0) as journal:
            async with asyncio.TaskGroup() as tasks:
                for system in systems:
                    tasks.create_task(write_down(system, journal))
                    tasks.create_task(ask(system, people, len(systems) / rate, folder / QUIET))


async def ask(system: ConnectedSystem, people: Iterator[Person], every: float, quiet: Path) -> None:
    """Send a question every so many seconds, while it is not quiet."""
    while True:
        due = time.monotonic() + every
        if os.path.exists(quiet):  # noqa: ASYNC240, PTH110  one look at a local folder
            await asyncio.sleep(_POLL_SECONDS)
            continue
        person = next(people)
        await system.send(
            VerifyPerson,
            {
                "purpose": "food-business-licence",
                "legal_basis": "fault campaign",
                "audience": "license-exchange",
            },
            {"subject": {"name": person.name, "number": person.number}},
        )
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def write_down(system: ConnectedSystem, journal: IO[bytes]) -> None:
    """One line for each decision: of which command, which decision, from which offset."""
    async for decision in system.decisions():
        command = decision.command
        if command is not None:
            line = {
                "source": command.source,
                "sequence": int(command.sequence),
                "decision": decision.envelope.data["decision"],
                "offset": decision.offset,
            }
            journal.write(orjson.dumps(line) + b"\n")


def main() -> None:
    """Entry point of the module."""
    folder, rate, *names = sys.argv[1:]
    logs.set_up("steady")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    var = settings.load(os.environ).var
    asyncio.run(run(var, Path(folder), float(rate), names))


if __name__ == "__main__":
    main()
