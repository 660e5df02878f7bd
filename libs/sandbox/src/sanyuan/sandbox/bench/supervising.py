"""What the audit service and `sanyuan verify` carry, over records that are in Kafka already."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sanyuan.client.cli.log import find_keys
from sanyuan.client.progress import Report
from sanyuan.client.verify import verify_log
from sanyuan.common.notes import VerifierKey
from sanyuan.sandbox.bench import unchecked
from sanyuan.sandbox.bench.appending import Appended, append, signature_us
from sanyuan.sandbox.bench.lag import lag_p99_ms, settle
from sanyuan.sandbox.bench.measures import Measure, compare
from sanyuan.sandbox.bench.preparing import Setting
from sanyuan.sandbox.bench.proofs import cold_proof_ms
from sanyuan.sandbox.bench.signed import Writers, fill
from sanyuan.sandbox.services import NAMES

RATES: Final = (2_000, 5_000)
QUICK_SECONDS: Final = 0.1
_QUICK: Final = {"SANYUAN_AUDIT_CHECKPOINT_SECONDS": str(QUICK_SECONDS)}


def measure_audit(setting: Setting, report: Report, records: int, seconds: float) -> list[Measure]:
    """Lag, appending, verification and proofs; nothing else runs but the broker."""
    setting.stop(*NAMES)
    writers = Writers.load(setting.installation.settings.var)
    return [
        *_lags(setting, writers, report, seconds),
        *_append(setting, writers, report, records),
        *_read(setting, report),
    ]


def _lags(setting: Setting, writers: Writers, report: Report, seconds: float) -> Iterator[Measure]:
    port = setting.installation.ports["audit"]
    runs = [(rate, 0.5, dict[str, str]()) for rate in RATES] + [(RATES[0], QUICK_SECONDS, _QUICK)]
    for done, (rate, interval, environment) in enumerate(runs, 1):
        setting.start("audit", environment)
        setting.wait("audit")
        settle(port)
        lag = lag_p99_ms(port, setting.admin, writers, rate, seconds)
        setting.stop("audit")
        report("checkpoint lag", done, len(runs))
        what = f"checkpoint lag p99, {rate:,} records/s, a checkpoint every {interval} s"
        yield Measure(what, lag / 1000, "s")


def _append(setting: Setting, writers: Writers, report: Report, records: int) -> Iterator[Measure]:
    believing = _appended(setting, writers, records, unchecked.__name__)
    report("backlog of audit", 1, 2)
    checking = _appended(setting, writers, records)
    report("backlog of audit", 2, 2)
    whole = Measure("audit append, CPU of all its processes", checking.cpu_us, "µs/record")
    yield Measure("audit append, every signature checked", checking.per_second, "records/s")
    yield whole
    yield compare("  one Ed25519 check of many, alone", signature_us(writers), "µs", whole)
    rest = believing.cpu_us
    yield compare("  the service with all signatures believed", rest, "µs/record", whole)


def _appended(
    setting: Setting, writers: Writers, records: int, module: str | None = None
) -> Appended:
    setting.start("audit", module=module)
    setting.wait("audit")
    settle(setting.installation.ports["audit"])
    log = setting.installation.settings.var / "audit" / "log"
    appended = append(
        log,
        setting.pid("audit"),
        lambda: asyncio.run(fill(setting.admin, writers, records)),
        records,
    )
    setting.stop("audit")
    return appended


def _read(setting: Setting, report: Report) -> Iterator[Measure]:
    var = setting.installation.settings.var
    log = var / "audit" / "log"
    agency, signer = find_keys(var, None, None)
    full = Measure(
        "sanyuan verify, from zero", _verified(log, agency, signer, signatures=True), "records/s"
    )
    report("verify and proofs", 1, 3)
    yield full
    rate = _verified(log, agency, signer, signatures=False)
    report("verify and proofs", 2, 3)
    yield compare("  tree and streams alone, no signatures", rate, "records/s", full)
    proof = Measure("inclusion proof, tiles cold", cold_proof_ms(log, signer), "ms")
    report("verify and proofs", 3, 3)
    yield proof


def _verified(log: Path, agency: VerifierKey, signer: VerifierKey, *, signatures: bool) -> float:
    state = log.parent.parent / f"verify-{signatures}"
    started = time.perf_counter()
    report = verify_log(str(log), agency, signer, state_dir=state, signatures=signatures)
    return (report.size or 0) / (time.perf_counter() - started)
