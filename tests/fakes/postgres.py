"""A PostgreSQL server of the tests' own, in a directory of its own, reached through a socket in it.

Not a fake: the real server, started by whoever needs it first.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
MISSING = "no PostgreSQL server is installed: install postgresql, or set ATTUNE_TEST_POSTGRES_URL"


def found() -> Path | None:
    """The directory of the server's programs, if there is one."""
    on_path = shutil.which("initdb")
    candidates = [*INSTALLED, *([Path(on_path).parent] if on_path else [])]
    return next((path for path in candidates if (path / "initdb").exists()), None)


class Server:
    """One that runs, and can be restarted while tests do. It refuses to run as root: then it is nobody's."""

    def __init__(self, directory: Path) -> None:
        """`directory` is to be empty. Raises FileNotFoundError where no PostgreSQL is installed."""
        programs = found()
        if programs is None:
            raise FileNotFoundError(MISSING)
        self.url = f"postgresql://attune@{quote(str(directory), safe='')}/postgres"
        self.log = directory / "log"
        self._programs = programs
        self._as_user, self._data = _unprivileged(directory), directory / "data"
        self._run("initdb", "-U", "attune", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        options = f"-k {directory} -c listen_addresses='' -c fsync=off -c max_connections=60 -c autovacuum=off"
        self._run("pg_ctl", "-o", options, "-l", self.log, "-w", "-t", 60, "start")

    def restart(self) -> None:
        """As after a crash: no connection is ended in peace. Returns when it serves again."""
        self._run("pg_ctl", "-m", "immediate", "-l", self.log, "-w", "-t", 60, "restart")

    def stop(self) -> None:
        """The directory may be removed."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user, str(self._programs / program), "-D", str(self._data), *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd="/")  # noqa: S603 - ours


@contextmanager
def running() -> Iterator[Server]:
    """A server, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="attune-postgres-", ignore_cleanup_errors=True) as name:
        made = Server(Path(name))
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def server() -> Iterator[str]:
    """The URL of a running one, for as long as the block lasts."""
    with running() as made:
        yield made.url


def new_database(url: str) -> str:
    """The URL of another, empty database of the same server."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return url.rpartition("/")[0] + "/" + name


def _unprivileged(directory: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    shutil.chown(directory, "nobody")
    return ["setpriv", "--reuid=nobody", "--clear-groups", "--"]
