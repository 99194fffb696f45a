"""Accounts: who may log in, with which role. Passwords are kept as Argon2id hashes only.

There is always an enabled admin once there was one: the last cannot be removed, disabled or demoted. Knows nothing about HTTP.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from samovar.errors import ConflictError, NotFoundError, UsageError
from samovar.serve.principal import ROLES, Role
from samovar.serve.store import passwords
from samovar.serve.store.database import Database
from samovar.serve.store.folding import fold_name
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import User
from samovar.serve.store.rows import user_of
from samovar.serve.store.secrets import new_id
from samovar.serve.store.sessions import Sessions
from samovar.serve.store.tables import conversations, feedback, identities, invitations, tokens, uploads, users

NAME_CHARS = 64
FORBIDDEN = frozenset(':/\\?#%"<>')  # a name goes into HTTP Basic, addresses and pages
UserList = list[User]


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a deleted user left outside the database, for the caller to remove: uploaded files, and their own collections in the library."""

    paths: tuple[str, ...]
    sources: tuple[str, ...]


def check_name(name: str) -> str:
    """Return the name without blanks around it.

    Raises:
        UsageError: it is empty, too long, or has characters a name may not have.
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not 1 <= len(name) <= NAME_CHARS:
        raise UsageError(f"expected a name of 1 to {NAME_CHARS} characters, found {len(name)}.")
    wrong = [c for c in name if c in FORBIDDEN or (not c.isprintable())]
    if wrong:
        raise UsageError(f"expected a name of letters, digits, spaces and . _ - @, found {wrong[0]!r} in it.")
    return name


def check_role(role: str) -> Role:
    """Return the role. Raises `UsageError` when there is none of that name."""
    for known in ROLES:
        if known == role:
            return known
    raise UsageError(f"expected one of the roles {', '.join(ROLES)}, found {role!r}.")


class Accounts:
    """All accounts. Thread-safe."""

    def __init__(self, database: Database, sessions: Sessions, clock: Clock = utc) -> None:
        self._database = database
        self._sessions = sessions
        self._clock = clock

    # -- making -----------------------------------------------------------------------------------------------------
    def create(self, name: str, password: str | None, role: Role) -> User:
        """Make an account; without a password it can only be used by who comes by OpenID Connect, or when one is set.

        Raises:
            ConflictError: the name is taken (by any way of writing it: case does not count).
            UsageError: the name, the password or the role will not do.
        """
        row = self.prepare(name, password, role)
        try:
            with self._database.write() as connection:
                return self.insert(connection, row)
        except IntegrityError as error:
            raise ConflictError(f"the name {row['name']!r} is taken: choose another.") from error

    def prepare(self, name: str, password: str | None, role: str) -> dict[str, Any]:
        """Return the row of a new account, checked; hashing takes its time here, outside any transaction."""
        name = check_name(name)
        row = {"id": new_id(), "name": name, "folded": fold_name(name), "role": check_role(role), "password": ""}
        if password is not None:
            passwords.check_policy(password, name)
            row["password"] = passwords.hash_password(password)
        return row | {"created_at": written(self._clock()), "disabled": False}

    def insert(self, connection: Connection, row: dict[str, Any]) -> User:
        """Insert a prepared account inside a transaction. Raises `IntegrityError` when the name is taken."""
        connection.execute(users.insert().values(**row))
        return User(row["id"], row["name"], row["role"], row["created_at"], False, bool(row["password"]))

    # -- reading ----------------------------------------------------------------------------------------------------
    def get(self, user_id: str) -> User | None:
        """Return one by id."""
        return self._one(users.c.id == user_id)

    def by_name(self, name: str) -> User | None:
        """Return one by name; case does not count."""
        return self._one(users.c.folded == fold_name(name.strip()))

    def by_identity(self, issuer: str, subject: str) -> User | None:
        """Return who comes as `subject` from this issuer of OpenID Connect."""
        known = sa.select(identities.c.user_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
        return self._one(users.c.id == known.scalar_subquery())

    def _one(self, condition: sa.ColumnElement[bool]) -> User | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(users).where(condition)).one_or_none()
        return user_of(row) if row is not None else None

    def list(self) -> UserList:
        """Return all, by name."""
        with self._database.read() as connection:
            return sorted(
                (user_of(row) for row in connection.execute(sa.select(users))), key=lambda user: fold_name(user.name)
            )

    def count(self) -> int:
        """Return how many there are."""
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one())

    def check_password(self, name: str, password: str) -> User | None:
        """Return the user when the password is right, None when it is not, there is no such user, or they are disabled.

        It takes as long for a name that is not there.
        """
        with self._database.read() as connection:
            row = connection.execute(sa.select(users).where(users.c.folded == fold_name(name.strip()))).one_or_none()
        right, renewed = passwords.verify(password, row.password if row is not None else "")
        if row is None or not right or row.disabled:
            return None
        if renewed:
            with self._database.write() as connection:
                unchanged = (users.c.id == row.id) & (users.c.password == row.password)
                connection.execute(users.update().where(unchanged).values(password=renewed))
        return user_of(row)

    # -- changing ---------------------------------------------------------------------------------------------------
    def set_password(self, user_id: str, password: str, *, keep_session: str = "") -> None:
        """Set a new password and end the user's sessions but `keep_session`.

        Raises:
            UsageError: the password will not do.
            NotFoundError: there is no such user.
        """
        user = self._existing(user_id)
        passwords.check_policy(password, user.name)
        self._change(user_id, {"password": passwords.hash_password(password)}, keep_session)

    def set_role(self, user_id: str, role: Role) -> None:
        """Give a role and end the user's sessions, unless they have it; open invitations of one who was admin end, too. Raises `ConflictError` for the last admin."""
        if self._existing(user_id).role != check_role(role):
            self._change(user_id, {"role": role}, keeps_admin=role == "admin")

    def set_disabled(self, user_id: str, disabled: bool) -> None:
        """Disable: sessions end, keys and tokens do not work; or enable. Raises `ConflictError` for the last admin."""
        if self._existing(user_id).disabled != disabled:
            self._change(user_id, {"disabled": disabled}, keeps_admin=not disabled)

    def _existing(self, user_id: str) -> User:
        user = self.get(user_id)
        if user is None:
            raise NotFoundError("there is no such user.")
        return user

    def _change(
        self, user_id: str, values: dict[str, Any], keep_session: str = "", *, keeps_admin: bool = True
    ) -> None:
        with self._database.write() as connection:
            if not keeps_admin:
                _check_not_last_admin(connection, user_id)
            changed = connection.execute(users.update().where(users.c.id == user_id).values(**values)).rowcount
            ended = self._sessions.end_within(connection, user_id, keep_session)
            connection.execute(tokens.delete().where(tokens.c.user_id == user_id, tokens.c.key_id.is_(None)))
            if not keeps_admin:
                _withdraw_invitations(connection, user_id)
        self._sessions.announce(ended)
        if not changed:
            raise NotFoundError("there is no such user.")

    def check_removable(self, user_id: str) -> None:
        """Return if the user may be deleted. Raises what `delete` raises, before anything is removed elsewhere."""
        self._existing(user_id)
        with self._database.read() as connection:
            _check_not_last_admin(connection, user_id, lock=False)

    def delete(self, user_id: str) -> Leftovers:
        """Delete a user with sessions, keys, conversations, feedback and rows of uploads; return what is left elsewhere.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: the last admin.
        """
        with self._database.write() as connection:
            _check_not_last_admin(connection, user_id)
            rows = connection.execute(sa.select(uploads).where(uploads.c.owner_id == user_id)).all()
            ended = self._sessions.end_within(connection, user_id)
            _withdraw_invitations(connection, user_id)
            for table in (conversations, feedback, uploads):
                connection.execute(table.delete().where(table.c.owner_id == user_id))
            gone = connection.execute(users.delete().where(users.c.id == user_id)).rowcount
            if not gone:
                raise NotFoundError("there is no such user.")
        self._sessions.announce(ended)
        return _leftovers(rows, user_id)

    # -- OpenID Connect ---------------------------------------------------------------------------------------------
    def create_for_identity(self, issuer: str, subject: str, name: str, role: Role) -> User:
        """Make an account without a password for who comes from an issuer the first time.

        An account of that name that is there is never taken over: the new one gets a number behind its name.
        """
        base = _name_for(name, subject)
        for number in range(1, 1000):
            row = self.prepare(base if number == 1 else f"{base[: NAME_CHARS - 4]}-{number}", None, role)
            try:
                with self._database.write() as connection:
                    user = self.insert(connection, row)
                    connection.execute(identities.insert().values(issuer=issuer, subject=subject, user_id=user.id))
                    return user
            except IntegrityError:
                known = self.by_identity(issuer, subject)  # two logins at once
                if known is not None:
                    return known
        raise ConflictError(f"the name {base!r} is taken too often: ask an administrator.")


def _name_for(name: str, subject: str) -> str:
    kept = "".join(c for c in name if c.isprintable() and c not in FORBIDDEN).strip()[: NAME_CHARS - 4].strip()
    return kept or "user-" + "".join(c for c in subject if c.isalnum())[:16]


def _check_not_last_admin(connection: Connection, user_id: str, *, lock: bool = True) -> None:
    """Raise `ConflictError` when this is the only enabled admin; the rows of all are locked until the transaction ends."""
    admins = sa.select(users.c.id).where(users.c.role == "admin", users.c.disabled.is_(False)).order_by(users.c.id)
    if set(connection.execute(admins.with_for_update() if lock else admins).scalars()) == {user_id}:
        raise ConflictError("this is the last administrator: make another one first.")


def _withdraw_invitations(connection: Connection, user_id: str) -> None:
    """Delete the open invitations of who may invite no more: they would be a way back in."""
    open_ones = (invitations.c.invited_by == user_id) & (invitations.c.used_by == "")
    connection.execute(invitations.delete().where(open_ones))


def _leftovers(rows: Sequence[Any], user_id: str) -> Leftovers:
    """Documents an editor added to shared collections stay: they are everybody's."""
    from samovar.serve.access import private_source

    return Leftovers(tuple(row.path for row in rows if row.path), (private_source(user_id),))
