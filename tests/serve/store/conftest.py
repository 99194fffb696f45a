"""Every test of the store runs on SQLite and on a real PostgreSQL, both with a clock that tests turn forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from serve_postgres import PostgresServer, postgres_server

from samovar.serve.store import passwords
from samovar.serve.store.store import Store
from samovar.serve.store.tables import metadata
from samovar.settings import ServeSettings, Settings

DATABASES = ("sqlite", "postgresql")
OpenStore = Callable[..., Store]


class TurnableClock:
    """A clock that stands still until it is turned; each reading is a microsecond later, so that order is kept."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment

    def turn(self, **by: float) -> None:
        self.moment += timedelta(**by)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        if server is None:
            pytest.skip(
                "no PostgreSQL server can be run here (Debian: apt-get install postgresql; not as the root of a user namespace)"
            )
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> str:
    """A database with all tables; each test finds them empty."""
    url = postgres.url()
    Store.open(Settings(serve=ServeSettings(database_url=url))).close()
    return url


@pytest.fixture
def emptied(migrated: str) -> str:
    """The database of PostgreSQL with nothing in it."""
    with psycopg.connect(migrated) as connection:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.execute(f"TRUNCATE {names} CASCADE")  # type: ignore[arg-type]
    return migrated


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test, by URL."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("emptied"))
    return f"sqlite:///{tmp_path}/serve/serve.sqlite"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, serve=ServeSettings(database_url=database_url))


@pytest.fixture
def open_store(settings: Settings, clock: TurnableClock) -> Iterator[OpenStore]:
    """Open the database as often as needed: each is what another process would have."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Store.open(settings, clock=clock))


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    return open_store()


@pytest.fixture(autouse=True, scope="session")
def _cheap_hashes() -> Iterator[None]:
    """Argon2 with the smallest parameters; one test uses the real ones."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    patch = pytest.MonkeyPatch()
    cheap = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    patch.setattr(passwords, "_hasher", lambda: cheap)
    passwords._nobody.cache_clear()
    yield
    patch.undo()
    passwords._nobody.cache_clear()
