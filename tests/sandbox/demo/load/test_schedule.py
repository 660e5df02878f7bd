from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sanyuan.sandbox.demo.load.mix import KINDS, Kind
from sanyuan.sandbox.demo.load.schedule import (
    EVERYBODY,
    Plan,
    Run,
    Step,
    exchange_after,
    preparation,
    step_of,
    verified_before,
)

NATION = Plan("nation", 1118.0, 60.0, 1, 1_000.0)
Heads = dict[Kind, dict[int, int]]


def run(plan: Plan, departments: range | tuple[int, ...], before: int = 0) -> Run:
    return Run(plan, {kind: dict.fromkeys(departments, before + 1) for kind in KINDS})


def nothing_sent() -> Heads:
    return {kind: {} for kind in KINDS}


def test_operations_are_due_evenly_from_the_start() -> None:
    plan = Plan("p", 100.0, 3.0, 1, 1000.0)
    assert [plan.due(operation) for operation in (0, 1, 299)] == [1000.0, 1000.01, 1002.99]
    assert plan.total == 300


def test_every_department_calls_verifies_and_exchanges_as_often_as_any_other() -> None:
    done = Counter((step.kind, step.department) for step in map(step_of, range(NATION.total)))
    for kind in KINDS:
        counts = [done[kind, department] for department in EVERYBODY if done[kind, department]]
        assert len(counts) == 53
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == NATION.count(kind)


@given(st.integers(0, 10**7))
def test_a_command_says_which_operation_it_was(operation: int) -> None:
    step = step_of(operation)
    assert step.operation == operation
    begun = run(NATION, EVERYBODY, before=17)
    assert begun.step(step.kind, step.department, 18 + step.index) == step
    assert begun.step(step.kind, step.department, 17) is None


def test_a_department_that_is_not_of_this_run_has_no_commands_in_it() -> None:
    assert run(NATION, (1, 2)).step("shared-call", 3, 5) is None


def test_a_preparation_is_no_operation() -> None:
    assert [preparation(at).operation for at in EVERYBODY] == [None] * 53


@given(st.sampled_from(EVERYBODY), st.integers(0, 10_000))
def test_an_exchange_has_one_verification_to_itself_well_before_it(
    department: int, exchange: int
) -> None:
    verification = verified_before(exchange)
    assert exchange_after(verification) == exchange
    assert verified_before(exchange + 1) > verification
    before = Step("verification", department, verification).operation
    after = Step("license-exchange", department, exchange).operation
    assert after is not None
    if before is None:
        assert exchange == 0
    else:
        assert NATION.due(after) - NATION.due(before) > 1.0


def test_most_verifications_are_made_for_no_exchange() -> None:
    made = [index for index in range(58_000) if exchange_after(index) is not None]
    assert len(made) == 17_000
    assert made[0] == 0


def test_a_run_that_never_began_has_everything_before_it() -> None:
    plan = Plan("p", 100.0, 3.0, 1, 0.0)
    left = list(run(plan, EVERYBODY).remaining(EVERYBODY, nothing_sent()))
    assert left[:53] == [preparation(at) for at in EVERYBODY]
    assert [step.operation for step in left[53:]] == list(range(300))


def test_two_processes_share_the_work_and_leave_nothing_out() -> None:
    halves = [tuple(at for at in EVERYBODY if at % 8 in nodes) for nodes in (range(4), range(4, 8))]
    plan = Plan("p", 100.0, 30.0, 1, 0.0)
    done = Counter(
        step for half in halves for step in run(plan, half).remaining(half, nothing_sent())
    )
    assert set(done.values()) == {1}
    assert len(done) == 3_000 + 53


@given(
    st.fixed_dictionaries({
        kind: st.fixed_dictionaries({at: st.integers(0, 40) for at in (0, 3, 29, 52)})
        for kind in KINDS
    }),
    st.integers(0, 9),
)  # fmt: skip
def test_after_a_kill_what_was_sent_is_not_sent_again(sent: Heads, before: int) -> None:
    departments, plan = (0, 3, 29, 52), Plan("p", 400.0, 4.0, 1, 0.0)
    heads: Heads = {
        kind: {at: before + count for at, count in counts.items()} for kind, counts in sent.items()
    }
    begun = run(plan, departments, before)
    whole = Counter(
        (step.kind, step.department) for step in begun.remaining(departments, nothing_sent())
    )
    left = list(begun.remaining(departments, heads))
    counted = Counter((step.kind, step.department) for step in left)
    for kind in KINDS:
        for at in departments:
            assert counted[kind, at] == max(0, whole[kind, at] - sent[kind][at])
            indexes = [step.index for step in left if (step.kind, step.department) == (kind, at)]
            assert indexes == list(range(sent[kind][at], sent[kind][at] + len(indexes)))
