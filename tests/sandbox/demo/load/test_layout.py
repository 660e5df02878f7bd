from pathlib import Path

from sanyuan.sandbox.demo.load.drawing import neighbour
from sanyuan.sandbox.demo.load.layout import (
    PROCESSES,
    departments_of,
    folder_of,
    name_of,
    system_of,
)
from sanyuan.sandbox.demo.load.orders import (
    order,
    put_first,
    read_first,
    read_plan,
    read_run,
    write_run,
)
from sanyuan.sandbox.demo.load.schedule import EVERYBODY, Plan, Run
from sanyuan.sandbox.synthetic.departments import DEPARTMENTS

PLAN = Plan("p", 1_118.0, 60.0, 7, 1_000.0)


def test_two_processes_have_four_nodes_each_and_everybody_is_in_one() -> None:
    parts = [departments_of(process) for process in PROCESSES]
    assert sorted(at for part in parts for at in part) == list(EVERYBODY)
    for part in parts:
        assert len({DEPARTMENTS[at].systems[0].node for at in part}) == 4
        assert {neighbour(at) for at in part} <= set(part)
    assert [name_of(process) for process in PROCESSES] == ["departments-1", "departments-2"]
    assert system_of(EVERYBODY[0]) == "foreign-affairs"


def test_an_order_reaches_both_processes(tmp_path: Path) -> None:
    assert read_plan(folder_of(tmp_path, 1)) is None
    order(tmp_path, PLAN)
    assert [read_plan(folder_of(tmp_path, process)) for process in PROCESSES] == [PLAN, PLAN]


def test_a_run_that_has_begun_is_found_for_its_own_plan_only(tmp_path: Path) -> None:
    run = Run(PLAN, {"shared-call": {3: 17}, "verification": {}, "license-exchange": {}})
    assert read_run(tmp_path, PLAN) is None
    write_run(tmp_path, run)
    assert read_run(tmp_path, PLAN) == run
    assert read_run(tmp_path, Plan("q", 1.0, 1.0, 1, 0.0)) is None


def test_what_goes_first_is_told_by_codes(tmp_path: Path) -> None:
    assert read_first(tmp_path) == frozenset()
    put_first(tmp_path, ["31700101/000001"], ["11110000000012345X"])
    assert read_first(tmp_path) == {"31700101/000001", "11110000000012345X"}
