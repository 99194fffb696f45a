"""API keys: made once and shown once; here are their hashes. Knows nothing about HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from samovar.errors import DatabaseError, NotFoundError, UsageError
from samovar.serve.principal import SCOPES, Scope
from samovar.serve.store.database import Database
from samovar.serve.store.moments import Clock, end_of, read, utc, written
from samovar.serve.store.records import ApiKey, User
from samovar.serve.store.rows import key_of, user_of
from samovar.serve.store.secrets import KEY_PREFIX, hash_secret, new_id, new_key
from samovar.serve.store.tables import keys, storable, tokens, users

log = logging.getLogger("samovar.serve")

RENEW = timedelta(minutes=1)  # a use is written down at most this often
NAME_CHARS = 100
HINT_CHARS = 4
KeyList = list[ApiKey]
_NAMES = ("id", "owner_id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked")


def check_scopes(scopes: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes. Raises `UsageError` when one is unknown or there is none."""
    given = set(scopes)
    unknown = sorted(given - set(SCOPES))
    if unknown or not given:
        raise UsageError(
            f"expected scopes out of {', '.join(SCOPES)}, found {', '.join(map(repr, unknown)) or 'none'}."
        )
    return frozenset(scope for scope in SCOPES if scope in given)


class Keys:
    """All API keys. Thread-safe."""

    def __init__(self, database: Database, clock: Clock = utc) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, owner_id: str, name: str, scopes: Iterable[Scope | str], expires_at: str = ""
    ) -> tuple[str, ApiKey]:
        """Make a key; return its text, which is nowhere else, and the key. A date in `expires_at` counts to its end.

        Raises:
            UsageError: the name, a scope or the date will not do.
            NotFoundError: there is no such user.
        """
        name = " ".join(storable(name).split())
        if not 1 <= len(name) <= NAME_CHARS:
            raise UsageError(f"expected a name of 1 to {NAME_CHARS} characters for the key, found {len(name)}.")
        now = self._clock()
        if expires_at and end_of(expires_at) <= now:
            raise UsageError(f"expected an expiry in the future, found {expires_at}.")
        text = new_key()
        key = ApiKey(
            new_id(), owner_id, name, text[-HINT_CHARS:], check_scopes(scopes), written(now), expires_at=expires_at
        )
        row = {n: getattr(key, n) for n in _NAMES} | {"hash": hash_secret(text), "scopes": " ".join(sorted(key.scopes))}
        try:
            with self._database.write() as connection:
                connection.execute(keys.insert().values(**row))
        except IntegrityError as error:
            raise NotFoundError("there is no such user to make a key for.") from error
        return text, key

    def find(self, text: str) -> tuple[User, ApiKey] | None:
        """Return whose key this is, None when there is none, it is revoked or expired, or the user disabled; count it as a use."""
        if not text.startswith(KEY_PREFIX):
            return None
        with self._database.read() as connection:
            row = connection.execute(select_with_user().where(keys.c.hash == hash_secret(text))).one_or_none()
        return self.used(row) if row is not None else None

    def used(self, row: Any) -> tuple[User, ApiKey] | None:
        """Return user and key of a row of `select_with_user` if the key works now; count it as a use."""
        user, key, now = user_of(row), key_of(_Prefixed(row)), self._clock()
        if user.disabled or not works(key, now):
            return None
        if not key.last_used_at or now - read(key.last_used_at) >= RENEW:
            key = replace(key, last_used_at=written(now))
            try:
                with self._database.write() as connection:
                    connection.execute(keys.update().where(keys.c.id == key.id).values(last_used_at=key.last_used_at))
            except DatabaseError as error:  # a full disk must not shut programs out
                log.warning("the use of a key was not written down: %s", error)
        return user, key

    def list(self, owner_id: str) -> KeyList:
        """Return a user's keys, also revoked and expired ones, the newest first."""
        chosen = sa.select(keys).where(keys.c.owner_id == owner_id).order_by(keys.c.created_at.desc(), keys.c.id)
        with self._database.read() as connection:
            return [key_of(row) for row in connection.execute(chosen)]

    def get(self, key_id: str) -> ApiKey | None:
        """Return one, also when it is revoked or expired."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(keys).where(keys.c.id == key_id)).one_or_none()
        return key_of(row) if row is not None else None

    def revoke(self, key_id: str) -> None:
        """Make a key stop working, and the tokens made from it."""
        with self._database.write() as connection:
            connection.execute(keys.update().where(keys.c.id == key_id).values(revoked=True))
            connection.execute(tokens.delete().where(tokens.c.key_id == key_id))


def works(key: ApiKey, now: Any) -> bool:
    """Whether a key is neither revoked nor expired."""
    return not key.revoked and not (key.expires_at and end_of(key.expires_at) <= now)


def select_with_user() -> sa.Select[Any]:
    """Return a query of keys (columns ``k_…``) with their users."""
    return sa.select(users, *(keys.c[name].label(f"k_{name}") for name in _NAMES)).join_from(keys, users)


class _Prefixed:
    """A row seen through the prefix of its columns."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"k_{name}")
