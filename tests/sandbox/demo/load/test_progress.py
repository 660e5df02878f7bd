from pathlib import Path

from sanyuan.sandbox.demo.load.progress import (
    KindProgress,
    Outcome,
    Progress,
    all_latencies,
    load,
    save,
    together,
)


def part(plan: str, calls: int, finished: float) -> Progress:
    progress = Progress(plan, phase="running", finished=finished, elapsed=finished + 1)
    progress.kinds["shared-call"] = KindProgress(offered=calls + 2)
    for _ in range(calls):
        progress.kinds["shared-call"].count(Outcome.ANSWERED, 20)
    progress.kinds["shared-call"].count(Outcome.REFUSED_AS_EXPECTED, 10)
    progress.kinds["verification"].count(Outcome.NOT_VERIFIED, 40)
    return progress


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    progress = part("p", 3, 9.5)
    save(tmp_path, progress)
    assert load(tmp_path) == progress


def test_a_process_that_never_was_has_done_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == Progress()
    (tmp_path / "progress.json").write_text("{")
    assert load(tmp_path) == Progress()


def test_only_opened_answers_are_completed() -> None:
    counts = KindProgress()
    for outcome in Outcome:
        counts.count(outcome, 7)
    assert (counts.completed, counts.ended) == (2, 6)
    assert counts.latencies == {7: 2}
    counts.count(Outcome.ANSWERED, None)
    assert counts.latencies == {7: 2}


def test_processes_are_summed() -> None:
    whole = together([part("p", 3, 9.5), part("p", 4, 8.5)], "p")
    calls = whole.kinds["shared-call"]
    assert (calls.offered, calls.completed, calls.latencies) == (11, 7, {20: 7})
    assert whole.of(Outcome.REFUSED_AS_EXPECTED) == 2
    assert (whole.completed, whole.ended) == (9, 11)
    assert (whole.finished, whole.elapsed) == (9.5, 10.5)
    assert all_latencies(whole) == {20: 7, 40: 2}


def test_they_are_as_far_as_the_slowest_and_another_plan_is_not_counted() -> None:
    ready = Progress(phase="waiting")
    assert together([ready, Progress(phase="publishing")], None).phase == "publishing"
    done, old = part("p", 3, 9.5), part("before", 5, 3.0)
    done.phase = old.phase = "done"
    whole = together([done, old], "p")
    assert whole.phase == "waiting"
    assert whole.kinds["shared-call"].completed == 3
    assert together([done, done], "p").phase == "done"
