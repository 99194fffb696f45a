"""Logins on the web. The token is in the browser's cookie, here is its hash; a session that is used lives on, up to `session_days` after its last use.

Whoever holds something open for a session (a live socket) asks to be told when it ends, with `on_end`: also when another process ended it
(``samovar user disable``), within `SWEEP_SECONDS`. Knows nothing about cookies.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from samovar.errors import DatabaseError
from samovar.serve.store.database import Database
from samovar.serve.store.moments import Clock, read, utc, written
from samovar.serve.store.records import Session, User
from samovar.serve.store.rows import session_of, user_of
from samovar.serve.store.secrets import hash_secret, new_id, new_token
from samovar.serve.store.tables import sessions, storable, users

log = logging.getLogger("samovar.serve")

RENEW = timedelta(minutes=1)  # a use is written down at most this often
SWEEP_SECONDS = 2.0
AGENT_CHARS = 300
SessionList = list[Session]


class Sessions:
    """All sessions. Thread-safe."""

    def __init__(self, database: Database, days: float, clock: Clock = utc) -> None:
        self._database = database
        self._lasting = timedelta(days=days)
        self._clock = clock
        self._callbacks: list[Callable[[str], None]] = []
        self._open: set[str] = set()  # known to this process, to notice those that others end
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None

    def start(self, user_id: str, agent: str = "", address: str = "") -> tuple[str, Session]:
        """Start a session; return its token, which is nowhere else, and the session."""
        now = self._clock()
        token = new_token()
        row = {
            "id": new_id(),
            "user_id": user_id,
            "created_at": written(now),
            "last_used_at": written(now),
            "expires_at": written(now + self._lasting),
            "agent": storable(agent)[:AGENT_CHARS],
            "address": storable(address)[:AGENT_CHARS],
        }
        with self._database.write() as connection:
            connection.execute(sessions.insert().values(hash=hash_secret(token), **row))
        self._remember(row["id"])
        return token, Session(**row)

    def find(self, token: str) -> tuple[User, Session] | None:
        """Return who holds this token, None when the session has ended or the user is disabled; count it as a use."""
        chosen = sa.select(users, *(sessions.c[n].label(f"s_{n}") for n in _NAMES))
        chosen = chosen.join_from(sessions, users).where(sessions.c.hash == hash_secret(token))
        with self._database.read() as connection:
            row = connection.execute(chosen).one_or_none()
        if row is None or row.disabled:
            return None
        session = Session(*(getattr(row, f"s_{name}") for name in _NAMES))
        now = self._clock()
        if session.expires_at <= written(now):
            self.end(session.id)
            return None
        if now - read(session.last_used_at) >= RENEW:
            session = self._renew(session, now)
        self._remember(session.id)
        return user_of(row), session

    def _renew(self, session: Session, now: datetime) -> Session:
        times = {"last_used_at": written(now), "expires_at": written(now + self._lasting)}
        try:
            with self._database.write() as connection:
                connection.execute(sessions.update().where(sessions.c.id == session.id).values(**times))
        except DatabaseError as error:  # a full disk must not log people out
            log.warning("the use of a session was not written down: %s", error)
            return session
        return Session(
            session.id, session.user_id, session.created_at, agent=session.agent, address=session.address, **times
        )

    def list(self, user_id: str) -> SessionList:
        """Return a user's sessions that have not ended, the last used first."""
        chosen = sa.select(sessions).where(
            sessions.c.user_id == user_id, sessions.c.expires_at > written(self._clock())
        )
        with self._database.read() as connection:
            return [session_of(row) for row in connection.execute(chosen.order_by(sessions.c.last_used_at.desc()))]

    def get(self, session_id: str) -> Session | None:
        """Return one, None when it has ended."""
        chosen = sa.select(sessions).where(sessions.c.id == session_id, sessions.c.expires_at > written(self._clock()))
        with self._database.read() as connection:
            row = connection.execute(chosen).one_or_none()
        return session_of(row) if row is not None else None

    # -- ending -----------------------------------------------------------------------------------------------------
    def end(self, session_id: str) -> None:
        """End one; nothing happens when it has ended."""
        with self._database.write() as connection:
            gone = connection.execute(sessions.delete().where(sessions.c.id == session_id)).rowcount
        if gone:
            self.announce([session_id])

    def end_all(self, user_id: str, except_id: str = "") -> None:
        """End a user's sessions but one."""
        with self._database.write() as connection:
            ended = self.end_within(connection, user_id, except_id)
        self.announce(ended)

    def end_within(self, connection: Connection, user_id: str, except_id: str = "") -> Sequence[str]:
        """Delete a user's sessions inside a transaction; return their ids, to `announce` when it is committed."""
        theirs = (sessions.c.user_id == user_id) & (sessions.c.id != except_id)
        ended = connection.execute(sa.select(sessions.c.id).where(theirs)).scalars().all()
        connection.execute(sessions.delete().where(theirs))
        return ended

    def on_end(self, callback: Callable[[str], None]) -> None:
        """Have a function called with the id of each session that ends, whoever ends it. It is called from any thread and must be quick."""
        with self._guard:
            self._callbacks.append(callback)
            if self._sweeper is None and not self._closed.is_set():
                self._sweeper = threading.Thread(target=self._keep_sweeping, name="samovar-sessions", daemon=True)
                self._sweeper.start()

    def announce(self, ids: Iterable[str]) -> None:
        """Tell those who asked that these have ended."""
        for session_id in ids:
            with self._guard:
                self._open.discard(session_id)
                callbacks = list(self._callbacks)
            for callback in callbacks:
                try:
                    callback(session_id)
                except Exception:
                    log.exception("a callback for the end of a session failed")

    def sweep(self) -> None:
        """Delete the sessions that have expired, and announce those this process knew and others ended."""
        now = written(self._clock())
        with self._guard:
            known = set(self._open)
        with self._database.read() as connection:
            expired = connection.execute(sa.select(sessions.c.id).where(sessions.c.expires_at <= now)).scalars().all()
            alive = set(connection.execute(sa.select(sessions.c.id).where(sessions.c.expires_at > now)).scalars())
        if expired:
            with self._database.write() as connection:
                connection.execute(sessions.delete().where(sessions.c.expires_at <= now))
        self.announce(sorted((known - alive) | set(expired)))

    def _keep_sweeping(self) -> None:
        failing = False
        while not self._closed.wait(SWEEP_SECONDS):
            try:
                self.sweep()
                failing = False
            except DatabaseError as error:
                if not failing:  # said once, not every two seconds
                    log.warning("sessions could not be checked: %s", error)
                failing = True

    def _remember(self, session_id: str) -> None:
        with self._guard:
            self._open.add(session_id)

    def close(self) -> None:
        """Stop looking for sessions that have ended."""
        self._closed.set()
        sweeper = self._sweeper
        if sweeper is not None and sweeper is not threading.current_thread():
            sweeper.join()


_NAMES = tuple(Session.__dataclass_fields__)
