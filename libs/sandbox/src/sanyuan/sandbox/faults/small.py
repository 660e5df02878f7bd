"""The nation in small: everybody takes part, and there is little to load before anybody can die.

All 53 departments, each with one resource that is called, and both licence types; as many people
and organisations as the arithmetic of who is known to whom needs (`providers.known`).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sanyuan.sandbox.synthetic.catalogue.keeping import keep_catalogue, load_served
from sanyuan.sandbox.synthetic.registers import make_registers

PEOPLE: Final = 2_000
ORGANISATIONS: Final = 1_000


def make_small(folder: Path, cache: Path, domain: str) -> None:
    """Registers and catalogue in ``folder``, where an installation finds them and leaves them.

    Raises SyntheticDataError.
    """
    registers = make_registers(folder, cache)
    _keep_first(registers.population, "person", "number", PEOPLE)
    _keep_first(registers.legal_entity, "organisation", "code", ORGANISATIONS)
    catalogue = keep_catalogue(folder, cache, domain)
    kept, providers = [], set[str]()
    for each in load_served(catalogue):
        called = each.serving_system is not None and not each.needs_assertion
        if each.license_type is not None or (called and each.provider not in providers):
            providers.update([each.provider] if called else [])
            kept.append(each.model_dump_json(exclude_none=True))
    catalogue.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _keep_first(path: Path, table: str, key: str, count: int) -> None:
    first = f"SELECT {key} FROM {table} ORDER BY {key} LIMIT ?"  # noqa: S608  our own names
    with closing(sqlite3.connect(path)) as register, register:
        register.execute(f"DELETE FROM {table} WHERE {key} NOT IN ({first})", [count])  # noqa: S608  as above
