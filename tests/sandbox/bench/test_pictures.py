"""What the benchmark draws: small, well-formed SVG that says its figures as text."""

from xml.dom import minidom

from hypothesis import given, settings
from hypothesis import strategies as st

from sanyuan.sandbox.bench.flame import collapse, icicle, role_of
from sanyuan.sandbox.bench.growth import Point
from sanyuan.sandbox.bench.plot import memory_plot

NAMES = st.text("abc<&>\"' ()/.", min_size=1, max_size=12)
STACKS = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=40), st.integers(1, 1000)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25)
@given(STACKS)
def test_every_sample_counts_once_and_any_name_can_be_drawn(
    stacks: list[tuple[list[str], int]],
) -> None:
    root = collapse(f"{';'.join(names)} {count}" for names, count in stacks)
    assert root.samples == sum(count for _, count in stacks)
    assert sum(each.samples for each in root.below.values()) == root.samples
    minidom.parseString(icicle(root, "a <title>"))  # noqa: S318  of our own making


def test_lines_of_one_function_are_one_frame_and_rare_frames_are_left_out() -> None:
    lines = ["audit;read (record.py:83) 600", "audit;read (record.py:90) 399", "audit;rare 1"]
    drawn = icicle(collapse(lines), "CPU")
    assert "read (record.py) 99.9%" in drawn
    assert "rare" not in drawn


def test_what_only_leads_to_a_function_is_left_out() -> None:
    root = collapse(["audit;run (threading.py:1);_run (asyncio/events.py:8);seal (service.py:2) 7"])
    assert [*root.below["audit"].below] == ["seal (service.py)"]
    waits = collapse(["audit;run (threading.py:1) 7"])
    assert [*waits.below["audit"].below] == ["run (threading.py)"]


def test_a_frame_names_its_package_and_not_where_it_is_installed() -> None:
    found = collapse(
        [
            "audit;go (/a b/libs/common/src/sanyuan/common/relay.py:3) 1",
            "audit;go (/x/lib/python3.11/site-packages/nacl/bindings/crypto_sign.py:9) 1",
            "audit;go (/usr/lib/python3.11/json/decoder.py:5) 1",
        ]
    )
    assert [*found.below["audit"].below] == [
        "go (sanyuan/common/relay.py)",
        "go (nacl/bindings/crypto_sign.py)",
        "go (json/decoder.py)",
    ]


def test_processes_are_named_by_what_they_are_for() -> None:
    assert role_of(["python", "-m", "sanyuan.license_exchange"]) == "license_exchange"
    assert role_of(["python", "-m", "sanyuan.sandbox", "bench"]) == "departments"
    assert role_of(["python", "-c", "from multiprocessing.forkserver import main"]) == (
        "audit: checking"
    )


def test_the_plot_of_memory_has_every_size_and_every_value() -> None:
    points = [Point(10_000, 211.4, 131.0, 1.0), Point(3_000_000, 230.2, 153.3, 1.0)]
    drawn = memory_plot(points)
    minidom.parseString(drawn)  # noqa: S318  of our own making
    for text in ("10,000", "3,000,000", ">211<", ">131<", ">230<", ">153<"):
        assert text in drawn
    minidom.parseString(memory_plot(points[:1]))  # noqa: S318  of our own making
