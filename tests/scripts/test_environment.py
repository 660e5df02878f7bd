import importlib.util
import resource
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


interpreters = _load("interpreters")
environment = _load("environment")


def _fails_with(said: str) -> str:
    script = f"import sys; sys.exit({said!r})"
    with pytest.raises(environment.SetupError) as caught:
        environment.run([sys.executable, "-c", script], "it could not be installed")
    return f"{caught.value.why} {caught.value.do}"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("Caused by: dns error: failed to lookup address", "cannot be reached"),
        ("ERROR: No matching distribution found for uv==1", "cannot be reached"),
        ("Hash mismatch for `anyio==4`", "not the one whose SHA-256 is pinned"),
        ("The virtual environment was not created: ensurepip is not available", "python3-venv"),
        ("error: Permission denied (os error 13)", "may not be written"),
        ("something that nobody has seen before", "something that nobody has seen before"),
    ],
)
def test_every_failure_is_told_with_its_cause_and_what_to_do(said: str, told: str) -> None:
    assert told in _fails_with(said)


def test_a_disk_without_room_is_an_error_before_anything_is_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "DISK_MIB", 1 << 40)
    with pytest.raises(environment.SetupError, match="free on the disk"):
        environment.check_disk()


def test_every_pinned_package_is_installed_with_its_hashes() -> None:
    pinned = (ROOT / "requirements/dev.txt").read_text()
    portions = environment.batches(pinned)

    assert sum(portion.count("==") for portion in portions) == pinned.count("==")
    assert sum(portion.count("--hash") for portion in portions) == pinned.count("--hash")
    assert all("sha256:" in portion for portion in portions)


def test_what_the_demo_needs_is_pinned_alike_in_both_sets() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
        return {line.split(" ")[0] for line in lines if "==" in line and not line.startswith(" ")}

    assert pins("run") < pins("dev")


@pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="these tests run in an environment of another kind"
)
def test_an_unchanged_environment_costs_next_to_nothing() -> None:
    command = [sys.executable, str(ROOT / "scripts/setup.py"), "dev"]
    subprocess.run(command, check=True)  # makes it current, should this clone's not be
    begun = children_cpu_seconds()
    subprocess.run(command, check=True)

    assert children_cpu_seconds() - begun < 1.0  # 0.13 s when the machine has nothing else to do


def children_cpu_seconds() -> float:
    """What ended children took of the processor: other load makes nobody wait for that."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


@pytest.mark.parametrize(
    ("share", "taken"), [(0.5, True), (0.84, True), (0.9, False), (1.2, False), (None, False)]
)
def test_another_python_is_taken_only_when_it_is_clearly_quicker(
    share: float | None, *, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"/named": 2.0, "/other": None if share is None else 2.0 * share}
    monkeypatch.setattr(interpreters, "_seconds", seconds.__getitem__)
    monkeypatch.setattr(interpreters, "_others", lambda _: ["/other"])

    assert interpreters.quickest("/named") == ("/other" if taken else "/named")


def test_what_is_no_python_for_us_is_never_taken(tmp_path: Path) -> None:
    old = tmp_path / "python3.11"
    old.write_text("#!/bin/sh\necho 3 10 cpython 0.0001\n")
    old.chmod(0o755)

    assert interpreters._seconds(str(old)) is None
    assert interpreters._seconds(str(tmp_path / "nowhere")) is None
    assert interpreters._seconds(sys.executable) > 0


def test_a_wrong_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.main(["everything"]) == 2
    assert environment.main(["run", "quickly"]) == 2
    assert "usage" in capsys.readouterr().err
