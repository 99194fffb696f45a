"""A throwaway PostgreSQL server for tests: Debian's binaries, a temporary folder, a Unix socket, no network.

PostgreSQL refuses to run as root; then its processes run as ``postgres`` or ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

START_SECONDS = 60.0
OPTIONS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "100", "listen_addresses": ""}  # fmt: skip


def find_binaries() -> Path | None:
    """Return the folder with ``initdb`` and ``postgres``, None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    best = found[-1] if found else Path(on_path).resolve() if on_path else None
    return best.parent if best is not None and (best.parent / "initdb").exists() else None


class PostgresServer:
    """A server that can be stopped, killed and started again; `url` makes a new empty database."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="samovar-postgres-", dir="/tmp"))
        self._user = _unprivileged() if os.geteuid() == 0 else ""
        if self._user:
            shutil.chown(self.folder, self._user, pwd.getpwnam(self._user).pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")

    @property
    def data(self) -> Path:
        """Where the cluster lies."""
        return self.folder / "data"

    def _as_user(self, command: Sequence[str]) -> list[str]:
        return ["setpriv", f"--reuid={self._user}", f"--regid={pwd.getpwnam(self._user).pw_gid}", "--clear-groups", *command] if self._user else list(command)  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command = self._as_user([str(self.binaries / program), *arguments])
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=_environment())
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.data), "-k", str(self.folder), *options]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self._as_user(command), stdout=log, stderr=log, cwd=self.folder, env=_environment()
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.admin).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, closing all connections (its "immediate" shutdown: the next start recovers)."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT
            self._process.wait(30)
            self._process = None

    @property
    def admin(self) -> str:
        """How to connect as its superuser."""
        return f"host={self.folder} user=postgres dbname=postgres"

    def url(self) -> str:
        """Make a database and return its URL for SQLAlchemy."""
        self._count += 1
        name = f"test{os.getpid()}_{self._count}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={self.folder}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer | None]:
    """Run a server; None where the binaries are missing, or where nobody but root exists to run it (a user namespace)."""
    binaries = find_binaries()
    if binaries is None or not _can_change_user():
        yield None
        return
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        with suppress(subprocess.TimeoutExpired):
            server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def _can_change_user() -> bool:
    """Whether a file can be given to the user that the server would run as; not so as "root" of a namespace with that one user."""
    if os.geteuid() != 0:
        return True
    with tempfile.NamedTemporaryFile() as file:
        try:
            shutil.chown(file.name, _unprivileged())
        except OSError:
            return False
    return True


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("there is no user to run PostgreSQL as")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
