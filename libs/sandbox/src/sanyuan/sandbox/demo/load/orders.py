"""What the demo has the load processes do, in files that they poll, and what they have begun."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from sanyuan.sandbox import run_folder
from sanyuan.sandbox.demo.load.layout import PROCESSES, folder_of
from sanyuan.sandbox.demo.load.schedule import Plan, Run

PLAN: Final = "plan.json"
RUN: Final = "run.json"
FIRST: Final = "first.json"
_PLAN: Final = TypeAdapter(Plan)
_RUN: Final = TypeAdapter(Run)
_FIRST: Final = TypeAdapter(list[str])


def order(var: Path, plan: Plan) -> None:
    """Have all processes carry out a plan, each its part."""
    for process in PROCESSES:
        folder = folder_of(var, process)
        folder.mkdir(parents=True, exist_ok=True)
        run_folder.write(folder / PLAN, _PLAN.dump_json(plan))


def read_plan(folder: Path) -> Plan | None:
    """What shall be done."""
    try:
        return _PLAN.validate_json((folder / PLAN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_run(folder: Path, run: Run) -> None:
    """From here on a restart continues this run."""
    run_folder.write(folder / RUN, _RUN.dump_json(run))


def read_run(folder: Path, plan: Plan) -> Run | None:
    """What has begun of a plan."""
    try:
        run = _RUN.validate_json((folder / RUN).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return run if run.plan.id == plan.id else None


def put_first(var: Path, resources: Iterable[str], holders: Iterable[str]) -> None:
    """Have these resources (codes) published and these holders licensed before all others."""
    path = var / "state" / FIRST
    path.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write(path, _FIRST.dump_json(sorted({*resources, *holders})))


def read_first(var: Path) -> frozenset[str]:
    """The codes of what goes first."""
    try:
        return frozenset(_FIRST.validate_json((var / "state" / FIRST).read_bytes()))
    except (FileNotFoundError, ValidationError):
        return frozenset()
