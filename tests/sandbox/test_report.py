import json
from pathlib import Path

from sanyuan.client.verify import Finding, Grade
from sanyuan.client.verify import Report as Verification
from sanyuan.sandbox.report import Kind, Measured, write


def measured(verified: Verification) -> Measured:
    return Measured(
        departments=53,
        resources=9_941,
        people=100_000,
        seconds=60.123456,
        operations_per_second=1_104.96,
        kinds={
            "shared-call": Kind(64_010, 64_000, 10, 140, 460),
            "verification": Kind(1_858, 1_858, 0, 40, 160),
            "license-exchange": Kind(540, 540, 0, None, None),
        },
        expected_refusals=612,
        lag_p50_ms=310,
        lag_p99_ms=640,
        verified=verified,
        memory_mib=1234.5,
        first_line_s=8.44,
    )


def test_the_report_is_what_the_design_says(tmp_path: Path) -> None:
    write(tmp_path / "report.json", measured(Verification("log", "cn/log/2026", 72_000, "ab")))
    report = json.loads((tmp_path / "report.json").read_text())

    machine = {"system", "processors", "memory_gib", "python", "ed25519_lanes"}
    assert report.pop("machine").keys() == machine
    kinds = report["load"].pop("kinds")
    assert kinds.keys() == {"shared-call", "verification", "license-exchange"}
    assert kinds["shared-call"] == {
        "offered": 64_010,
        "completed": 64_000,
        "refused": 10,
        "p50_ms": 140,
        "p99_ms": 460,
    }
    assert report == {
        "departments": 53,
        "resources": 9_941,
        "people": 100_000,
        "load": {
            "seconds": 60.123,
            "operations_per_second": 1105.0,
            "expected_refusals": 612,
        },
        "checkpoint_lag_ms": {"p50": 310, "p99": 640},
        "log": {"size": 72_000, "root": "ab"},
        "verify": {"integrity": "sound", "completeness": "complete", "exit": 0},
        "memory_mib": 1234,
        "first_line_s": 8.4,
    }


def test_a_forged_log_is_reported_as_one() -> None:
    forged = Verification("log", findings=(Finding(Grade.FORGED, "an entry"),))
    assert measured(forged).as_json()["verify"] == {
        "integrity": "forged",
        "completeness": "could-not-check",
        "exit": 20,
    }
