"""Access tokens of the GigaChat dialect: made from a key, or with a password, good for half an hour. Here are their hashes."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from samovar.errors import NotFoundError
from samovar.serve.principal import SCOPES
from samovar.serve.store.database import Database
from samovar.serve.store.keys import Keys, select_with_user
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import ApiKey, User
from samovar.serve.store.rows import user_of
from samovar.serve.store.secrets import hash_secret, new_token
from samovar.serve.store.tables import keys, tokens, users

LASTING = timedelta(minutes=30)  # as long as the real service's
PASSWORD_SCOPES = frozenset(scope for scope in SCOPES if scope != "admin")
"""What a token made with a password may do: what the dialect offers. Administration needs a login or a key made for it."""


class Tokens:
    """All access tokens. Thread-safe."""

    def __init__(self, database: Database, keys: Keys, clock: Clock = utc) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    def issue(self, key_id: str, scope: str) -> tuple[str, int]:
        """Make a token from a key; return it and when it ends (milliseconds since 1970). Raises `NotFoundError` for no such key."""
        key = self._keys.get(key_id)
        if key is None:
            raise NotFoundError("there is no such key.")
        return self._issue(key.owner_id, key_id, scope)

    def issue_for_user(self, user_id: str, scope: str) -> tuple[str, int]:
        """Make a token for a user whose password was checked; it ends with the next change of password or role."""
        return self._issue(user_id, None, scope)

    def _issue(self, user_id: str, key_id: str | None, scope: str) -> tuple[str, int]:
        now = self._clock()
        ends = now + LASTING
        token = new_token()
        row = {"hash": hash_secret(token), "user_id": user_id, "key_id": key_id, "scope": scope[:100]}
        try:
            with self._database.write() as connection:
                connection.execute(tokens.delete().where(tokens.c.expires_at <= written(now)))
                connection.execute(tokens.insert().values(**row, created_at=written(now), expires_at=written(ends)))
        except IntegrityError as error:
            raise NotFoundError("there is no such user or key.") from error
        return token, int(ends.timestamp() * 1000)

    def find(self, token: str) -> tuple[User, ApiKey] | None:
        """Return whose token this is, with its key; for one made with a password, with a key that stands for it (in no table)."""
        good = (tokens.c.hash == hash_secret(token)) & (tokens.c.expires_at > written(self._clock()))
        with self._database.read() as connection:
            found = connection.execute(sa.select(tokens).where(good)).one_or_none()
            if found is None:
                return None
            if found.key_id is not None:
                row = connection.execute(select_with_user().where(keys.c.id == found.key_id)).one_or_none()
            else:
                row = connection.execute(sa.select(users).where(users.c.id == found.user_id)).one_or_none()
        if row is None:
            return None
        if found.key_id is not None:
            return self._keys.used(row)
        user = user_of(row)
        stand_in = ApiKey("", user.id, "", "", PASSWORD_SCOPES, found.created_at, found.expires_at, found.created_at)
        return None if user.disabled else (user, stand_in)
