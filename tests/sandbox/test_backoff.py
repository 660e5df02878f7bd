import pytest

from sanyuan.sandbox.backoff import delay


@pytest.mark.parametrize(
    ("previous", "lived", "expected"),
    [
        (0.0, 0.0, 0.2),
        (0.2, 0.1, 0.4),
        (0.4, 9.9, 0.8),
        (3.2, 0.0, 5.0),
        (5.0, 0.0, 5.0),
        (5.0, 10.0, 0.2),
    ],
)
def test_the_wait_doubles_up_to_five_seconds_and_a_long_life_resets_it(
    previous: float, lived: float, expected: float
) -> None:
    assert delay(previous, lived) == pytest.approx(expected)
