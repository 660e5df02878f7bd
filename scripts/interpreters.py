"""Which Python runs Sanyuan: of those on this machine, one that was built to be quick.

Two builds of one version differ by a third in speed (profile-guided and link-time optimisation, a
shared library or none), and half of Sanyuan's CPU is the interpreter's. So a Python that make was
not told to take gives way to a clearly quicker one that the system has anyway.
"""

import subprocess
import sys
from pathlib import Path

VERSIONS = ((3, 11), (3, 12), (3, 13), (3, 14))
PLACES = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
CLEARLY = 0.85
"""Below this share of the named one's time: less is noise, and no reason to change."""
SECONDS = 10

# What it prints is read below; one call, attribute, dict, string and exception after the other.
PROBE = """
import sys, time
class Pair:
    __slots__ = ("a", "b")
    def __init__(self, a, b):
        self.a, self.b = a, b
    @property
    def sum(self):
        return self.a + self.b
def work():
    kept = {}
    for i in range(20000):
        pair = Pair(i, 2)
        kept[i % 100] = {"x": pair.sum, "y": [pair.b, i], "z": f"{i:020d}".encode()}
        if i % 50 == 0:
            try:
                raise ValueError(i)
            except ValueError:
                pass
best = 9.0
for _ in range(9):
    begun = time.process_time()
    work()
    best = min(best, time.process_time() - begun)
print(*sys.version_info[:2], sys.implementation.name, best)
"""


def quickest(named: str) -> str:
    """``named``, or a released CPython of this machine that is clearly quicker."""
    allowed = _seconds(named)
    if allowed is None:
        return named
    chosen, allowed = named, allowed * CLEARLY
    for other in _others(named):
        seconds = _seconds(other)
        if seconds is not None and seconds < allowed:
            chosen, allowed = other, seconds
    return chosen


def _others(named: str) -> list[str]:
    own = Path(named).resolve()
    paths = (Path(place) / f"python{a}.{b}" for place in PLACES for a, b in VERSIONS)
    found = {path.resolve(): str(path) for path in paths if path.exists()}
    return [path for real, path in found.items() if real != own]


def _seconds(python: str) -> float | None:
    """How long the probe takes; None when it is no Python for us, or has no venv module."""
    command = [python, "-I", "-c", "import venv, sqlite3, ssl\n" + PROBE]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
        major, minor, name, seconds = ended.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    fits = (int(major), int(minor)) in VERSIONS and name == "cpython"
    return float(seconds) if fits else None


if __name__ == "__main__":
    print(quickest(sys.executable))
