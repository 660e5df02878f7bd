"""Which process runs which departments, and where its files lie.

The 53 departments connect through eight access nodes, and half of the nodes belong to each of two
processes: so a node's systems are always together.
"""

from pathlib import Path
from typing import Final

from sanyuan.sandbox.synthetic.departments import DEPARTMENTS, NODES

PROCESSES: Final = (1, 2)
_NODES_EACH: Final = len(NODES) // len(PROCESSES)


def name_of(process: int) -> str:
    """What a process is called, for the supervisor and in logs."""
    return f"departments-{process}"


def folder_of(var: Path, process: int) -> Path:
    """Where its plan, progress and database lie."""
    return var / "state" / name_of(process)


def providers_of(var: Path) -> Path:
    """Where the departments' own databases lie."""
    return var / "providers"


def published_of(var: Path) -> Path:
    """Where the codes of resources in force are written down as the agency reviews them."""
    return var / "state" / "published.txt"


def departments_of(process: int) -> tuple[int, ...]:
    """The departments (their indexes) that connect through the nodes of a process."""
    first = (process - 1) * _NODES_EACH
    nodes = frozenset(NODES[first : first + _NODES_EACH])
    return tuple(at for at, organ in enumerate(DEPARTMENTS) if organ.systems[0].node in nodes)


def system_of(department: int) -> str:
    """The name of the system that calls and serves for a department."""
    return DEPARTMENTS[department].systems[0].name
