"""Makes .venv: everything that Sanyuan needs, from hashed requirements. Standard library only.

Two sets: `run` is what `make demo` needs, `dev` adds what `make test` and `make lint` need.

Invariants:
- Nothing is installed whose SHA-256 is not in requirements/*.txt.
- `.venv/sanyuan.json` names the digest of all inputs and is written last, so an interrupted
  set-up is simply continued by the next one, and an unchanged one costs only reading the inputs.
- Every failure is one message: what happened, why, what to do.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from interpreters import quickest

DISK_MIB = 1280  # .venv and the installer's cache, measured: 490 + 510 MiB
BATCH = 6  # packages for one call of the installer, one tick of the bar
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "sanyuan.json"
EXACTLY = "--exactly"  # the Python that runs this, even if the machine has a quicker one
PIP_FOR_OTHERS = (22, 3)  # the first pip that installs into the environment of another Python
SETS = ("run", "dev")  # each holds all of those before it
PARTS = (
    "libs/common",
    "libs/client",
    "libs/sandbox",
    "services/identity",
    "services/license-exchange",
    "services/catalog",
    "services/audit",
)


class SetupError(Exception):
    """A set-up that cannot go on: what happened, why, and what to do about it."""

    def __init__(self, what: str, why: str, do: str) -> None:
        super().__init__(what)
        self.what, self.why, self.do = what, why, do


# What a failed command's output says, and what that means: the first match counts.
CAUSES = (
    (
        r"No space left|os error 28|Disk quota",
        "the disk is full",
        "free some space and run the same command again: it continues",
    ),
    (
        r"ensurepip is not|No module named (venv|ensurepip)",
        "this Python came without its venv module",
        "apt install python3-venv (Debian, Ubuntu), or choose: make PYTHON=/path/to/python",
    ),
    (
        r"[Hh]ash(es)? (mismatch|do not match)|DO NOT MATCH THE HASHES",
        "a downloaded package is not the one whose SHA-256 is pinned in requirements/",
        "do not install it: look at what serves your packages; nothing of it was kept",
    ),
    (
        r"(?i)dns error|name resolution|resolve host|error sending request|client error \(connect",
        "the package registry cannot be reached",
        "check network, proxy and certificates of pip, then run the same command again",
    ),
    (
        r"(?i)connection (refused|reset|error)|unreachable|timed out|retries|No matching",
        "the package registry cannot be reached, or has not got the package",
        "check network, proxy and certificates of pip, then run the same command again",
    ),
    (
        r"(?i)certificate|proxy|failed to fetch",
        "the package registry refused, or something between it and us",
        "check proxy and certificates of pip, then run the same command again",
    ),
    (
        r"(?i)permission denied|read-only file system",
        "a folder may not be written",
        "check who owns this clone and your cache folder",
    ),
    (
        r"(?i)no (compatible )?(wheel|source)|failed to build|requires-python",
        "a package is not published for this Python or this kind of machine",
        "use a released CPython 3.11 to 3.14 on Linux or macOS: make PYTHON=/path/to/python",
    ),
)


class Step:
    """One line on the terminal with a bar that moves; off a terminal, one line when done."""

    def __init__(self, title: str, total: int = 1) -> None:
        self.title, self.total, self.done, self.note = title, total, 0, ""
        self.begun = time.monotonic()
        self.live = sys.stderr.isatty()
        self.over = threading.Event()

    def __enter__(self) -> Self:
        if self.live:
            threading.Thread(target=self._animate, daemon=True).start()
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self.over.set()
        if failed is None:
            self.done, self.note = self.total, ""
        print(self._line(), file=sys.stderr, flush=True)

    def _animate(self) -> None:
        while not self.over.wait(0.1):
            print(self._line(), end="", file=sys.stderr, flush=True)

    def _line(self) -> str:
        spent = time.monotonic() - self.begun
        full = 24 * self.done // self.total
        bar = "━" * full + "─" * (24 - full)
        text = f"{self.title:<22} {bar} {self.done}/{self.total} {spent:5.1f} s  {self.note}"
        width = shutil.get_terminal_size().columns - 1
        return f"\r{text[:width]:<{width}}" if self.live else text.rstrip()


def wanted(chosen: str, exactly: str) -> dict[str, str]:
    """What an up-to-date `.venv` for the set `chosen` was made from.

    ``exactly`` is the version that it has to be of, empty for any.
    """
    digest = hashlib.sha256(f"{exactly} {ROOT}".encode())
    inputs = [Path(__file__), ROOT / "requirements/uv.txt", ROOT / f"requirements/{chosen}.txt"]
    for path in [*inputs, *(ROOT / part / "pyproject.toml" for part in PARTS)]:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise SetupError(
                f"{path} cannot be read", str(error.strerror), "restore it: git checkout -- ."
            ) from None
    return {"set": chosen, "exactly": exactly, "digest": digest.hexdigest()}


def installed() -> dict[str, str]:
    """What the present `.venv` was made from; nothing when it is unfinished or broken."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and (VENV / "bin/python").exists() else {}


def check_disk() -> None:
    """Raises SetupError when there is no room."""
    free = shutil.disk_usage(ROOT).free >> 20
    if free < DISK_MIB:
        raise SetupError(
            f"only {free} MiB are free on the disk of {ROOT}",
            f"the environment and its cache take up to {DISK_MIB} MiB",
            "free some space and run the same command again",
        )


def run(command: list[str], why: str, given: str | None = None) -> None:
    """Runs a command quietly; raises SetupError with the likeliest cause when it fails."""
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, cwd=ROOT
        )
    except OSError as error:
        raise SetupError(
            why, f"{command[0]}: {error.strerror}", "remove .venv, try again"
        ) from None
    if ended.returncode == 0:
        return
    said = (ended.stderr + ended.stdout).strip()
    for pattern, cause, advice in CAUSES:
        if re.search(pattern, said):
            raise SetupError(why, f"{cause}\n        {last_line(said)}", advice)
    raise SetupError(why, f"the installer said:\n{said[-2000:]}", "if in doubt, remove .venv")


def last_line(said: str) -> str:
    """The innermost cause that an installer printed."""
    return said.splitlines()[-1].strip(" ╰─▶│·") if said else "it said nothing"


def batches(requirements: str) -> list[str]:
    """The hashed requirements in portions of BATCH packages."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", requirements))
    entries = [entry for entry in entries if "==" in entry]
    return ["".join(entries[i : i + BATCH]) for i in range(0, len(entries), BATCH)]


def make(stamp: dict[str, str]) -> None:
    """Makes or renews `.venv` from the inputs that `stamp` names."""
    python, uv = str(VENV / "bin/python"), str(VENV / "bin/uv")
    into = ["--quiet", "--no-config", "--python", python]
    with contextlib.suppress(FileNotFoundError):
        STAMP.unlink()
    if not is_made(stamp["exactly"]):
        with Step("Python environment"):
            create(sys.executable if stamp["exactly"] else interpreter())
    with Step("Installer"):
        pip = [python, "-m", "pip"]
        if not (VENV / "bin/pip").exists():
            pip = [sys.executable, "-m", "pip", "--python", python]
        pip += ["install", "--quiet", "--retries", "2", "--timeout", "20"]
        pip += ["--disable-pip-version-check", "--require-hashes"]
        run([*pip, "-r", "requirements/uv.txt"], "the installer uv could not be installed")
    pinned = f"requirements/{stamp['set']}.txt"
    portions = batches((ROOT / pinned).read_text(encoding="utf-8"))
    install = [uv, "pip", "install", *into, "--no-deps", "--require-hashes", "-r", "-"]
    with Step("Packages", len(portions)) as step:
        for portion in portions:
            step.note = " ".join(re.findall(r"(?m)^[a-z0-9][a-z0-9.-]*", portion))
            run(install, f"these packages could not be installed: {step.note}", portion)
            step.done += 1
    with Step("Sanyuan", len(PARTS)):
        editable = [word for part in PARTS for word in ("-e", part)]
        parts = [uv, "pip", "install", *into, "--no-deps", "--no-build-isolation", *editable]
        run(parts, "the parts of Sanyuan could not be installed")
    with Step("Byte code"):
        # The installer leaves this to the first import, and where PYTHONDONTWRITEBYTECODE is set
        # every start of every process would compile again: 3.5 s of CPU instead of 0.9.
        compiling = [python, "-m", "compileall", "-qq", "-j", "0", str(VENV / "lib")]
        run(compiling, "the packages could not be compiled")
    # If we are stopped before this line, the next set-up goes through the same steps again.
    STAMP.write_text(json.dumps(stamp), encoding="utf-8")


def interpreter() -> str:
    """The Python to use when nobody said which: this one, or a clearly quicker one."""
    try:
        pip = tuple(int(part) for part in importlib.metadata.version("pip").split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return sys.executable
    return quickest(sys.executable) if pip >= PIP_FOR_OTHERS else sys.executable


def create(python: str) -> None:
    """Makes an empty `.venv`; another Python than this one may lack what installs pip into it."""
    command = [python, "-m", "venv", "--clear", str(VENV)]
    if python != sys.executable:
        command.insert(3, "--without-pip")
    run(command, "no environment could be made")


def is_made(exactly: str) -> bool:
    """Whether `.venv` is in this place, of an interpreter that is there and of that version."""
    try:
        made = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
        here = str(VENV) in (VENV / "bin/activate").read_text(encoding="utf-8")
    except OSError:
        return False
    return here and (VENV / "bin/python").exists() and f"version = {exactly}" in made


def ensure(chosen: str, exactly: str) -> None:
    """Makes sure that `.venv` holds the set `chosen`, doing nothing when it does."""
    current = installed()
    enough = SETS[SETS.index(chosen) :]
    if current.get("set") in enough and current == wanted(current["set"], exactly):
        return
    check_disk()
    with Path(__file__).open("rb") as lock:
        # Two makes at once: the second waits, then finds the work done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = installed()
        if current.get("set") in enough:
            chosen = current["set"]  # what a wider set-up brought is kept
        if current != wanted(chosen, exactly):
            make(wanted(chosen, exactly))


def main(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 failed with a message, 2 wrong use, 130 interrupted."""
    if arguments[:1] not in [[name] for name in SETS] or arguments[1:] not in ([], [EXACTLY]):
        print(f"usage: setup.py {'|'.join(SETS)} [{EXACTLY}]", file=sys.stderr)
        return 2
    exactly = "{}.{}.".format(*sys.version_info[:2]) if arguments[1:] else ""
    # A slow line is no reason to give up on the larger wheels (the installer's default is 30 s).
    os.environ.setdefault("UV_HTTP_TIMEOUT", "60")
    try:
        ensure(arguments[0], exactly)
    except SetupError as error:
        print(
            f"\nSet-up stopped: {error.what}\n   why: {error.why}\n   do:  {error.do}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the same command continues.", file=sys.stderr)
        return 130
    return 0
