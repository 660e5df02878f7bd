from sanyuan.sandbox.demo.lags import Lags


def status(lags: dict[str, int]) -> dict[str, object]:
    return {"lags": lags, "lag_step_ms": 10}


def test_lags_of_before_the_load_are_left_out() -> None:
    lags = Lags()
    lags.begin(status({"30": 100}))
    lags.look(status({"30": 100, "50": 4, "70": 1}))
    assert (lags.quantile(0.5), lags.quantile(0.99)) == (510, 710)


def test_a_restarted_service_counts_from_nothing() -> None:
    lags = Lags()
    lags.begin(status({"30": 100}))
    lags.look(status({"20": 3}))
    assert lags.quantile(0.5) == 210


def test_a_service_that_is_silent_changes_nothing() -> None:
    lags = Lags()
    lags.begin({})
    lags.look({})
    assert lags.quantile(0.5) is None
