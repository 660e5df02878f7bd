"""Where the CPU of an operation goes, as an icicle: callers above, what they call below.

`py-spy` (a tool of its own, not a part of us) samples every process of ours with the interpreter or
not, only while it runs; its collapsed stacks become a small SVG with a tooltip for each frame.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from signal import SIGINT
from typing import Final, Self

from sanyuan.common.errors import SanyuanError
from sanyuan.sandbox.bench.usage import family

WIDTH: Final = 1200
ROW: Final = 17
MIN_SHARE: Final = 0.004
"""Frames below it are left out: nobody can read them, and the file stays small."""
MAX_DEPTH: Final = 34
RATE_HZ: Final = 100
_CHARACTER: Final = 6.6
_PYTHON: Final = "python"
_LINE_NUMBER: Final = re.compile(r":\d+\)$")
_FOLDERS: Final = re.compile(r"\(/.*/(?:(?=sanyuan/)|site-packages/|python3[.\d]*/)(?=[^()]*\)$)")
"""What comes before the package in a file's full path."""
_PLUMBING: Final = re.compile(
    r"\((threading|asyncio/\w+|concurrent/futures/\w+|uvicorn/.*|<frozen runpy>|__main__|<string>|"
    r"sqlalchemy/.*|multiprocessing/\w+|typer/.*|click/.*|sanyuan/sandbox/(cli|bench/\w+))(\.py)?\)$"
)
"""Says how a function came to be called, not what for; where it is the innermost, it is kept."""
_COLOURS: Final = ("#fde68a", "#fdba74", "#fca5a5", "#fcd34d", "#fed7aa", "#fecaca")
_OURS: Final = "#93c5fd"


class NoSamplerError(SanyuanError):
    """`py-spy` is not there."""


@dataclass
class Frame:
    """A function under its callers; ``samples`` are its own and those of what it calls."""

    name: str
    samples: int = 0
    below: "dict[str, Frame]" = field(default_factory=dict)

    def add(self, stack: Sequence[str], samples: int) -> None:
        """Count a stack, outermost first."""
        frame = self
        frame.samples += samples
        for name in stack:
            frame = frame.below.setdefault(name, Frame(name))
            frame.samples += samples


class Sampler:
    """Samples all Python processes of ours while the context lasts; `frames` is what was seen.

    Raises NoSamplerError.
    """

    def __init__(self) -> None:
        tool = shutil.which("py-spy")
        if tool is None:
            raise NoSamplerError(
                "there is no py-spy to take samples with",
                do="install it on its own: pipx install py-spy (or uv tool install py-spy)",
            )
        self._tool = tool
        self._folder = tempfile.TemporaryDirectory(prefix="sanyuan-flame-")
        self._running: list[subprocess.Popen[bytes]] = []
        self._files: list[tuple[str, Path]] = []
        self.frames = Frame("all")
        """Everything that was seen, by process; empty before the end."""

    def __enter__(self) -> Self:
        """Begin, one sampler for each process that runs now."""
        for process in family():
            if _PYTHON not in process.name():
                continue
            file = Path(self._folder.name) / f"{process.pid}.txt"
            command = [self._tool, "record", "--pid", str(process.pid), "--format", "raw"]
            command += ["--rate", str(RATE_HZ), "--output", str(file), "--nonblocking"]
            command += ["--full-filenames"]
            quiet = subprocess.DEVNULL
            self._running.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
            self._files.append((role_of(process.cmdline()), file))
        return self

    def __exit__(self, *_: object) -> None:
        """End, whatever has happened: a sampler would go on until its process ends."""
        for sampler in self._running:
            sampler.send_signal(SIGINT)
        for sampler in self._running:
            sampler.wait(timeout=30)
        lines = [
            f"{role};{line}"
            for role, file in self._files
            if file.exists()
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        self._folder.cleanup()
        self.frames = collapse(lines)


def collapse(lines: Iterable[str]) -> Frame:
    """The tree of collapsed stacks, ``process;outer;inner;… count`` each."""
    root = Frame("all")
    for line in lines:
        stack, _, count = line.rpartition(" ")
        role, *frames = [_short(each) for each in stack.split(";")]
        telling = [frame for frame in frames if not _PLUMBING.search(frame)]
        if frames[-1:] != telling[-1:]:
            telling += frames[-1:]
        root.add([role, *telling][:MAX_DEPTH], int(count))
    return root


def _short(frame: str) -> str:
    """``function (package/module.py)`` of ``function (/path/package/module.py:line)``."""
    return _FOLDERS.sub("(", _LINE_NUMBER.sub(")", frame))


def icicle(root: Frame, title: str) -> str:
    """Draw the tree; at least one sample."""
    drawn: list[str] = []
    depth = _draw(root, 0.0, 0, root.samples, drawn.append)
    height = (depth + 1) * ROW + 40
    head = (
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-labelledby="title" font-family="ui-monospace, monospace" font-size="11">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="4" y="16" font-size="14">{escape(title)}</text>',
    )
    return "\n".join([*head, *drawn, "</svg>\n"])


def _draw(frame: Frame, left: float, depth: int, total: int, draw: Callable[[str], None]) -> int:
    width = frame.samples / total * WIDTH
    y = 26 + depth * ROW
    share = f"{frame.samples / total:.1%}"
    ours = "sanyuan" in frame.name or depth < 2  # noqa: PLR2004  all, and the process
    colour = _OURS if ours else _COLOURS[sum(frame.name.encode()) % len(_COLOURS)]
    text = f"{frame.name} {share}"
    label = text if len(text) * _CHARACTER < width else frame.name[: int(width / _CHARACTER)]
    draw(
        f'<g><title>{escape(text)}</title><rect x="{left:.1f}" y="{y}" width="{width:.1f}" '
        f'height="{ROW - 1}" fill="{colour}"/>'
        f'<text x="{left + 2:.1f}" y="{y + 12}">{escape(label)}</text></g>'
    )
    deepest, at = depth, left
    for below in sorted(frame.below.values(), key=lambda each: -each.samples):
        if below.samples / total >= MIN_SHARE:
            deepest = max(deepest, _draw(below, at, depth + 1, total, draw))
        at += below.samples / total * WIDTH
    return deepest


def role_of(command: Sequence[str]) -> str:
    """What a process is for, by its command line."""
    if any("forkserver" in each for each in command):
        return "audit: checking"
    if "-m" in command[:-1]:
        module = command[command.index("-m") + 1]
        return "departments" if module == "sanyuan.sandbox" else module.removeprefix("sanyuan.")
    return "departments"
