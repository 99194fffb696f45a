"""Invitations: a secret link with which somebody makes their own account, once, in time."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from samovar.errors import ConflictError, NotFoundError, UsageError
from samovar.serve.principal import Role
from samovar.serve.store.accounts import Accounts, check_role
from samovar.serve.store.database import Database
from samovar.serve.store.moments import Clock, utc, written
from samovar.serve.store.records import Invitation, User
from samovar.serve.store.rows import invitation_of
from samovar.serve.store.secrets import hash_secret, new_id, new_token
from samovar.serve.store.tables import invitations

MAX_DAYS = 365.0
InvitationList = list[Invitation]


class Invitations:
    """All invitations. Thread-safe."""

    def __init__(self, database: Database, accounts: Accounts, clock: Clock = utc) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock

    def create(self, role: Role, invited_by: str, days: float = 7) -> tuple[str, Invitation]:
        """Make an invitation; return its token, which is nowhere else, and the invitation."""
        if not 0 < days <= MAX_DAYS:
            raise UsageError(f"expected an invitation for up to {MAX_DAYS:g} days, found {days:g}.")
        now = self._clock()
        token = new_token()
        made = Invitation(new_id(), check_role(role), invited_by, written(now), written(now + timedelta(days=days)))
        row = {name: getattr(made, name) for name in Invitation.__dataclass_fields__}
        with self._database.write() as connection:
            connection.execute(invitations.insert().values(hash=hash_secret(token), **row))
        return token, made

    def find(self, token: str) -> Invitation | None:
        """Return the invitation of a token, None when there is none, it was used, or its time is over."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(invitations).where(self._good(token))).one_or_none()
        return invitation_of(row) if row is not None else None

    def _good(self, token: str) -> sa.ColumnElement[bool]:
        now = written(self._clock())
        return sa.and_(
            invitations.c.hash == hash_secret(token), invitations.c.used_by == "", invitations.c.expires_at > now
        )

    def accept(self, token: str, name: str, password: str) -> User:
        """Make the account somebody was invited to. The invitation is used up only if the account was made.

        Raises:
            NotFoundError: the invitation is not there, was used, or its time is over.
            ConflictError: the name is taken.
            UsageError: the name or the password will not do.
        """
        invitation = self.find(token)
        if invitation is None:
            raise _gone()
        row = self._accounts.prepare(name, password, invitation.role)
        try:
            with self._database.write() as connection:
                taken = invitations.update().where(self._good(token)).values(used_by=row["id"])
                if connection.execute(taken).rowcount != 1:
                    raise _gone()
                return self._accounts.insert(connection, row)
        except IntegrityError as error:
            raise ConflictError(f"the name {row['name']!r} is taken: choose another.") from error

    def list(self) -> InvitationList:
        """Return all, also used and expired ones, the newest first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(invitations).order_by(invitations.c.created_at.desc()))
            return [invitation_of(row) for row in rows]

    def get(self, invitation_id: str) -> Invitation | None:
        """Return one by id."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(invitations).where(invitations.c.id == invitation_id)).one_or_none()
        return invitation_of(row) if row is not None else None

    def delete(self, invitation_id: str) -> None:
        """Take an invitation back; the account made with it stays."""
        with self._database.write() as connection:
            connection.execute(invitations.delete().where(invitations.c.id == invitation_id))


def _gone() -> NotFoundError:
    return NotFoundError("there is no such invitation, it was used, or its time is over: ask for another.")
