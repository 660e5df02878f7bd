"""Commands of all departments, sent while nobody decides them."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sanyuan.client.connector import Connector
from sanyuan.client.joining import system_path
from sanyuan.client.progress import Report
from sanyuan.client.system import ConnectedSystem
from sanyuan.common.contracts.identity import VerifyPerson
from sanyuan.common.systems import SystemFile
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

AT_ONCE: Final = 500
NOT_PERMITTED: Final = "something-nobody-may"
Place = tuple[str, int]
"""(source, sequence) of a command."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A system and something that it may ask for."""

    file: SystemFile
    purpose: str


def askers(var: Path) -> list[Asker]:
    """The systems of all departments that may ask for something."""
    return [
        Asker(SystemFile.load(system_path(var, system.name)), department.purposes[0])
        for department in DEPARTMENTS
        if department.purposes
        for system in department.systems
    ]


async def send_commands(var: Path, count: int, report: Report, *, permitted: bool) -> None:
    """Send ``count`` verifications of persons; all are on the topic once this returns.

    Those that are not permitted are refused unopened: what they cost is the cycle alone.
    """
    named = people(var, 5000)
    everyone = askers(var)
    files = [asker.file for asker in everyone]
    async with Connector.open(files, var / "bench" / "client.db") as connector:
        systems = [
            (ConnectedSystem(connector, asker.file), asker.purpose if permitted else NOT_PERMITTED)
            for asker in everyone
        ]
        for start in range(0, count, AT_ONCE):
            end = min(count, start + AT_ONCE)
            batch = [
                verify(*systems[number % len(systems)], named[number % len(named)])
                for number in range(start, end)
            ]
            await asyncio.gather(*batch)
            report("commands", end, count)
        await connector.drained()


async def verify(system: ConnectedSystem, purpose: str, person: tuple[str, str]) -> Place:
    """Send one verification of a person (name, number); returns where it is."""
    data = {"purpose": purpose, "legal_basis": "bench", "audience": "license-exchange"}
    name, number = person
    subject = {"name": name, "number": number}
    row = await system.send(VerifyPerson, data, {"subject": subject}, sampled=False)
    return row.source, row.sequence


def people(var: Path, count: int) -> list[tuple[str, str]]:
    """Name and number of some people of the register."""
    with closing(sqlite3.connect(var / "registers" / "population.db")) as register:
        return register.execute("SELECT name, number FROM person LIMIT ?", (count,)).fetchall()
